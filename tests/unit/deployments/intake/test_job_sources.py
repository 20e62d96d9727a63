"""Sources of new jobs: what is left of a recording when its job is written, repeated, or not written at all."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from deployments.intake.job_sources import PiecesSource, SpooledSource
from pipelines.errors import LedgerUnavailable, UploadIncomplete
from pipelines.jobs.job import Job
from tests.contracts.ledger_base import make_job
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore


@dataclass
class Spooled:
    """A recording in a file."""

    path: Path
    n_bytes: int = 4
    sha256: str = ""

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)


@dataclass
class Desk:
    """A spooled recording, brought to its place in the store."""

    path: Path
    store: MemoryStore
    ledger: MemoryLedger
    source: SpooledSource
    job: Job

    @property
    def left(self) -> tuple[bool, list[str]]:
        """Whether the file is there, and the blobs."""
        return self.path.exists(), list(self.store.list(""))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    path = tmp_path / "a.upload"
    path.write_bytes(b"RIFF")
    store, ledger = MemoryStore(), MemoryLedger()
    source = SpooledSource(spool=Spooled(path), store=store, ledger=ledger)
    job = source.bring(make_job("j"))
    assert (job.source.n_bytes, store.get(job.source.key)) == (4, b"RIFF")
    return Desk(path, store, ledger, source, job)


def test_a_written_job_keeps_its_blob(desk: Desk) -> None:
    """Only the file on this machine goes."""
    desk.source.commit(desk.job, desk.job)
    assert desk.left == (False, [desk.job.source.key])


def test_a_repeated_request_leaves_nothing(desk: Desk) -> None:
    """The job of the first request has bytes of its own."""
    desk.source.commit(desk.job, replace(desk.job, id="first"))
    assert desk.left == (False, [])


@pytest.mark.parametrize(
    ("write", "n_blobs"),
    [
        pytest.param(lambda desk: None, 0, id="not written"),
        pytest.param(lambda desk: desk.ledger.create(desk.job), 1, id="written, but the answer was lost"),
    ],
)
def test_a_rollback_asks_the_ledger(desk: Desk, write: Callable[[Desk], object], n_blobs: int) -> None:
    """A job that the ledger holds after all keeps its bytes."""
    write(desk)
    desk.source.rollback(desk.job)
    there, blobs = desk.left
    assert (there, len(blobs)) == (False, n_blobs)


def test_a_rollback_while_the_ledger_is_away(desk: Desk) -> None:
    """Nobody knows of the job: the client sends again, and the bytes come again too."""
    desk.ledger.outage = "away"
    with pytest.raises(LedgerUnavailable):
        desk.ledger.get("acme", "j")
    desk.source.rollback(desk.job)
    assert desk.left == (False, [])


@dataclass
class Sent:
    """A recording that came in two pieces, of ``n_bytes`` as was announced."""

    n_bytes: int = 4

    def blocks(self) -> Iterator[bytes]:
        yield from (b"RI", b"FF")


@dataclass
class Tray:
    """A recording in pieces."""

    store: MemoryStore = field(default_factory=MemoryStore)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)

    def source(self, n_bytes: int = 4) -> PiecesSource:
        return PiecesSource(pieces=Sent(n_bytes), store=self.store, ledger=self.ledger)


def test_pieces_are_put_together() -> None:
    """The job's source has the bytes in their order, with their size and digest; a repeated request deletes nothing."""
    tray = Tray()
    job = tray.source().bring(make_job("j"))
    assert tray.store.get(job.source.key) == b"RIFF"
    assert (job.source.n_bytes, job.source.sha256) == (4, hashlib.sha256(b"RIFF").hexdigest())
    tray.ledger.create(job)
    assert tray.source().bring(job) == job
    tray.source().commit(job, job)
    tray.source().rollback(job)
    assert list(tray.store.list("")) == [job.source.key]


def test_pieces_that_another_job_answers_for() -> None:
    """Of a job that is not written, and of one that another answers for, no source stays."""
    tray = Tray()
    job = tray.source().bring(make_job("j"))
    tray.source().commit(job, replace(job, id="first"))
    assert list(tray.store.list("")) == []
    with pytest.raises(UploadIncomplete):
        tray.source(5).bring(make_job("j"))
    tray.source().rollback(job)
    assert list(tray.store.list("")) == []
