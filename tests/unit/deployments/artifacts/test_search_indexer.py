"""The indexer: what is published is found, in its newest version; what is erased meanwhile is not."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from deployments.artifacts.search_indexer import UNREADABLE_AGAIN_S, SearchIndexer
from deployments.retention.erasure import erase
from pipelines.codec import encode
from pipelines.core import (
    ActionItem,
    Coverage,
    CoverageStatus,
    Decision,
    Evidence,
    Minutes,
    ModelInfo,
    Segment,
    Transcript,
)
from pipelines.errors import LedgerUnavailable, StoreUnavailable
from pipelines.ledger.protocol import Lease
from pipelines.review.protocol import ReviewFilter
from pipelines.search.protocol import IndexEntry, PendingJob, SearchFilter
from pipelines.search.query import parse
from pipelines.storage.layout import JobKeys
from pipelines.transcript.corrections import Correction
from tests.contracts.ledger_base import after, make_job, won
from tests.contracts.search import ENDED
from tests.fakes.ledger import ManualClock, MemoryLedger
from tests.fakes.store import MemoryStore

KEYS = JobKeys(tenant="acme", job_id="j1")
MINUTES = Minutes(
    title="Sync",
    language="en",
    writer="extractive",
    model="",
    summary="About the harbour.",
    decisions=(Decision(text="We dredge it", evidence=Evidence(segment_ids=(1,), quote="dredge")),),
    action_items=(
        ActionItem(task="Call the pilot", owner="Cy", due=None, evidence=Evidence(segment_ids=(9,), quote="")),
    ),
)


def transcript(*texts: str) -> Transcript:
    segments = tuple(
        Segment(id=i, channel=0, speaker=f"S{i}", start_s=i * 10.0, end_s=i * 10.0 + 4, text=text)
        for i, text in enumerate(texts)
    )
    return Transcript(
        duration_s=60.0, language="en", languages=(), segments=segments, coverage=(), model=ModelInfo(name="m")
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ledger(clock: ManualClock) -> MemoryLedger:
    return MemoryLedger(clock=clock)


@pytest.fixture
def lease(ledger: MemoryLedger) -> Lease:
    return won(ledger.acquire_lease("one", 1e9))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def indexer(ledger: MemoryLedger, store: MemoryStore) -> SearchIndexer:
    return SearchIndexer(ledger, store)


def end(ledger: MemoryLedger, lease: Lease, job_id: str = "j1") -> None:
    ledger.create(make_job(job_id))
    (job,) = ledger.claim(lease, 1)
    ledger.apply(lease, after(job, *ENDED), job.version)


def found(ledger: MemoryLedger, q: str) -> list[tuple[str, float, str]]:
    page = ledger.search.find("acme", parse(q), SearchFilter())
    return [(hit.passage.kind.value, hit.passage.start_s, hit.passage.speaker) for hit in page.hits]


def test_transcript_and_minutes(ledger: MemoryLedger, lease: Lease, store: MemoryStore, indexer: SearchIndexer) -> None:
    """Both are found, minutes at the second that proves them and by their owner; then nothing pends."""
    store.put(KEYS.transcript, encode(transcript("the harbour", "we dredge it")))
    store.put(KEYS.result("minutes.json"), encode(MINUTES))
    end(ledger, lease)
    assert indexer.index_some() == 1
    assert found(ledger, "harbour") == [("speech", 0.0, "S0"), ("summary", 0.0, "")]
    assert sorted(found(ledger, "dredge")) == [("decision", 10.0, "S1"), ("speech", 10.0, "S1")]
    assert found(ledger, "pilot") == [("action", 0.0, "Cy")]
    assert indexer.index_some() == 0


def test_a_correction(ledger: MemoryLedger, lease: Lease, store: MemoryStore, indexer: SearchIndexer) -> None:
    """The newest version is found, without the segments that were struck out, and the earlier ones no more."""
    store.put(KEYS.transcript, encode(transcript("misheard", "noise", "stays")))
    end(ledger, lease)
    indexer.index_some()
    store.put(KEYS.corrected("000001-x"), encode(transcript("understood", "", "stays")))
    ledger.corrections.add("acme", "j1", Correction(version=1, author="", note="", n_segments=2, name="000001-x"))
    indexer.index_some()
    assert [bool(found(ledger, q)) for q in ("misheard", "noise", "understood", "stays")] == [False, False, True, True]


def test_a_job_without_a_transcript(ledger: MemoryLedger, lease: Lease, indexer: SearchIndexer) -> None:
    """One that ended without is settled: there is nothing to find."""
    end(ledger, lease)
    assert indexer.index_some() == 1
    assert indexer.index_some() == 0


@pytest.mark.parametrize("when", ["get", "exists"])
def test_erased_meanwhile(
    ledger: MemoryLedger,
    lease: Lease,
    store: MemoryStore,
    indexer: SearchIndexer,
    monkeypatch: pytest.MonkeyPatch,
    when: str,
) -> None:
    """An erasure between two steps of the indexer leaves nothing to find, also when it stops half-way."""
    store.put(KEYS.transcript, encode(transcript("secret")))
    end(ledger, lease)
    original: Callable[[str], object] = getattr(store, when)
    begun: list[str] = []

    def and_erase(key: str) -> object:
        result = original(key) if when == "get" else None
        if key == KEYS.transcript and not begun:
            begun.append(key)
            erase(ledger, store, ledger.get("acme", "j1"))
        return result if when == "get" else original(key)

    monkeypatch.setattr(store, when, and_erase)
    indexer.index_some()
    assert begun
    assert not found(ledger, "secret")
    assert indexer.index_some() == 0


def test_half_erased_meanwhile(
    ledger: MemoryLedger,
    lease: Lease,
    store: MemoryStore,
    indexer: SearchIndexer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A transcript that is gone when its passages are written is found no more, though the ledger has its job still."""
    store.put(KEYS.transcript, encode(transcript("secret")))
    end(ledger, lease)
    write = ledger.search.write

    def written_late(entries: Sequence[IndexEntry]) -> Sequence[PendingJob]:
        store.delete(KEYS.transcript)
        return write(entries)

    monkeypatch.setattr(ledger.search, "write", written_late)
    indexer.index_some()
    assert not found(ledger, "secret")
    monkeypatch.setattr(ledger.search, "write", write)
    while indexer.index_some():
        assert not found(ledger, "secret")


def test_what_nobody_can_read(
    ledger: MemoryLedger, lease: Lease, store: MemoryStore, indexer: SearchIndexer, clock: ManualClock
) -> None:
    """Results that cannot be read hold up no others; a store that is away holds up all, and loses none."""
    store.put(KEYS.transcript, b"{broken")
    end(ledger, lease)
    store.put(replace(KEYS, job_id="j2").transcript, encode(transcript("whole")))
    end(ledger, lease, "j2")
    store.outage = "away"
    with pytest.raises(StoreUnavailable):
        indexer.index_some()
    store.outage = ""
    assert indexer.index_some() == 2
    assert found(ledger, "whole")
    assert indexer.index_some() == 0
    store.put(KEYS.transcript, encode(transcript("mended")))
    clock.advance(UNREADABLE_AGAIN_S)
    assert indexer.index_some() == 1
    assert found(ledger, "mended")


def test_jobs_that_wait_together_are_written_together(
    ledger: MemoryLedger, lease: Lease, store: MemoryStore, indexer: SearchIndexer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one transaction, until there are too many passages; what nobody can write keeps only itself from the index."""
    written: list[list[str]] = []
    write = ledger.search.write

    def noting(entries: Sequence[IndexEntry]) -> Sequence[PendingJob]:
        written.append([entry.pending.job_id for entry in entries])
        if any(passage.text == "poison" for entry in entries for passage in entry.passages):
            raise ValueError("a value that the ledger refuses")
        return write(entries)

    monkeypatch.setattr(ledger.search, "write", noting)
    monkeypatch.setattr("deployments.artifacts.search_indexer.PASSAGES_AT_ONCE", 3)
    for number, text in enumerate(("one", "poison", "three", "four")):
        store.put(replace(KEYS, job_id=f"j{number}").transcript, encode(transcript(text)))
        end(ledger, lease, f"j{number}")
    assert indexer.index_some() == 4
    assert written == [["j0", "j1", "j2"], ["j0"], ["j1"], ["j2"], ["j3"]]
    assert [bool(found(ledger, text)) for text in ("one", "poison", "three", "four")] == [True, False, True, True]
    assert indexer.index_some() == 0


def test_an_outage_in_the_middle(
    ledger: MemoryLedger, lease: Lease, store: MemoryStore, indexer: SearchIndexer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written stays so; the rest waits again at once."""
    monkeypatch.setattr("deployments.artifacts.search_indexer.PASSAGES_AT_ONCE", 1)
    for job_id in ("j1", "j2", "j3"):
        store.put(replace(KEYS, job_id=job_id).transcript, encode(transcript(f"in {job_id}")))
        end(ledger, lease, job_id)
    write = ledger.search.write

    def failing(entries: Sequence[IndexEntry]) -> Sequence[PendingJob]:
        if entries[0].pending.job_id == "j2":
            raise LedgerUnavailable("away")
        return write(entries)

    monkeypatch.setattr(ledger.search, "write", failing)
    with pytest.raises(LedgerUnavailable):
        indexer.index_some()
    assert len(found(ledger, "in")) == 1
    assert [pending.job_id for pending in ledger.search.pending(10)] == ["j2", "j3"]


def test_what_is_to_be_heard(ledger: MemoryLedger, lease: Lease, store: MemoryStore, indexer: SearchIndexer) -> None:
    """Doubtful passages wait in the review queue, of the newest version, until nobody finds them any more."""
    said = transcript("the harbour", "we dredge it")
    doubtful = replace(said, segments=(replace(said.segments[0], health=CoverageStatus.SUSPECT), said.segments[1]))
    store.put(KEYS.transcript, encode(doubtful))
    end(ledger, lease)
    indexer.index_some()
    (item,) = ledger.review.list("acme", ReviewFilter()).items
    assert (item.item.start_s, item.item.text, item.version) == (0.0, "the harbour", 0)
    store.put(KEYS.corrected("000001-x"), encode(said))
    ledger.corrections.add("acme", "j1", Correction(version=1, author="", note="", n_segments=1, name="000001-x"))
    indexer.index_some()
    assert ledger.review.list("acme", ReviewFilter()).items == ()


def test_nothing_is_to_be_heard_of_what_is_erased(
    ledger: MemoryLedger,
    lease: Lease,
    store: MemoryStore,
    indexer: SearchIndexer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where a transcript has no text to find: it is looked for after its items were written."""
    lost = Coverage(channel=0, start_s=0.0, end_s=9.0, health=CoverageStatus.FAILED, note="CUDA error")
    store.put(KEYS.transcript, encode(replace(transcript(), coverage=(lost,))))
    end(ledger, lease)
    monkeypatch.setattr(store, "exists", lambda key: False)
    indexer.index_some()
    assert ledger.review.list("acme", ReviewFilter()).items == ()
