"""A running cluster takes other settings, another model and a rolling restart while jobs come in; none is lost."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from pipelines.ledger.open import open_ledger
from tests.acceptance.conftest import RunningMeetMemo
from tests.chaos import audit
from tests.chaos.plan import TITLES, Submission, Victim
from tests.chaos.processes import in_sessions
from tests.chaos.traffic import Traffic
from tests.servers import free_port
from tests.support.recordings import RECORDINGS

BUNDLED = Path(__file__).parents[2] / "pipelines" / "models" / "mini-en"
KINDS = (Victim.TRANSCRIBER, Victim.COORDINATOR, Victim.SEGMENTER, Victim.MINUTES_WRITER, Victim.INGESTION)
TIMEOUT_S = 420.0

pytestmark = [pytest.mark.full, pytest.mark.cluster, pytest.mark.timeout(1800)]


class Upgraded(RunningMeetMemo):
    """A cluster whose settings are in a file that tests rewrite."""

    def configure(self, **settings: object) -> None:
        model = {"name": "mini-en", "path": str(self.home / "one")}
        (self.home / "config.yaml").write_text(yaml.safe_dump({"models": [model], **settings}))

    def reload(self, *options: str) -> str:
        done = self.cli("reload", *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def processes(self, victim: Victim) -> set[int]:
        """The ids of this deployment's replicas."""
        assert self.process is not None
        found = in_sessions({self.process.pid})
        return {process.pid for process in found if process.title.startswith(TITLES[victim])}

    def decoded_by(self, model: str) -> bool:
        """Send jobs until one's transcript is a model's: the Coordinator looks for routes every few seconds."""

        def one() -> bool:
            job = self.finished(self.submit("short.mp3")["id"])
            named: str = json.loads(self.result(job, "transcript.json"))["model"]["name"]
            return named == model

        wait_for(one)
        return True

    def all_processes(self) -> dict[Victim, set[int]]:
        return {victim: self.processes(victim) for victim in KINDS}


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    running = Upgraded(home=tmp_path_factory.mktemp("upgraded"), port=free_port())
    for name in ("one", "two"):
        shutil.copytree(BUNDLED, running.home / name)
    running.configure()
    running.start()
    yield running
    assert running.stop() == 0


class Load:
    """Jobs that keep coming while the block runs; at its end each has succeeded once, and no answer was a 5xx."""

    def __init__(self, running: Upgraded, name: str, n_jobs: int = 16) -> None:
        self._running = running
        self._n_jobs = n_jobs
        self._ledger = open_ledger(f"sqlite:///{running.home / 'ledger.sqlite3'}")
        self._before = self._n_final()
        kind = Submission(recording="short.mp3", audio_s=11.3)
        self._traffic = Traffic(running.url, (kind,) * n_jobs, key=name, n_ended=self.n_ended, max_live=4)

    def __enter__(self) -> "Load":
        self._traffic.start()
        wait_for(lambda: self.n_ended() > 0)
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            if exc_info[0] is None:
                self._check()
        finally:
            self._traffic.stop()
            self._ledger.close()

    def n_ended(self) -> int:
        return self._n_final() - self._before

    def _n_final(self) -> int:
        return sum(n for state, n in self._ledger.counts(audit.TENANT).items() if state.final)

    def _check(self) -> None:
        wait_for(lambda: self._traffic.done and self.n_ended() == self._n_jobs)
        findings = audit.check_ledger(self._ledger, self._traffic.accepted)
        assert not [finding for finding in findings if not finding.startswith("the ledger holds")]
        assert self._traffic.n_refused == 0, "an answer was a 5xx, or there was none"


def wait_for(predicate) -> None:  # type: ignore[no-untyped-def]  # any callable
    deadline = time.monotonic() + TIMEOUT_S
    while not predicate():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_limits_change_without_a_restart(upgraded: Upgraded) -> None:
    """`meetmemo reload` tells the replicas, and every process is the one it was."""
    before = upgraded.all_processes()
    assert all(before.values()), before
    with Load(upgraded, "limits", n_jobs=4):
        upgraded.configure(limits={"max_upload_mb": 1}, coordinator={"max_live_jobs": 3})
        said = upgraded.reload()
        assert "told: Coordinator, Ingestion, Segmenter" in said
        assert "replaced" not in said
        refused = httpx.post(f"{upgraded.url}/v1/jobs", content=b"x" * (2 << 20), timeout=30)
        assert refused.status_code == 413
    assert upgraded.all_processes() == before
    upgraded.configure()
    upgraded.reload()
    assert upgraded.all_processes() == before


def test_another_model_replaces_what_knows_it(upgraded: Upgraded) -> None:
    """A new path: Transcriber, Coordinator and endpoint are replaced, Segmenter and minutes' writer run on."""
    before = upgraded.all_processes()
    model = {"name": "mini-en", "path": str(upgraded.home / "two")}
    with Load(upgraded, "model"):
        upgraded.configure(models=[model])
        assert "replaced: Coordinator, Ingestion, Transcriber-mini-en" in upgraded.reload()
    after = upgraded.all_processes()
    for kind in (Victim.TRANSCRIBER, Victim.COORDINATOR, Victim.INGESTION):
        assert not before[kind] & after[kind], kind
    for kind in (Victim.SEGMENTER, Victim.MINUTES_WRITER):
        assert before[kind] == after[kind], kind


def test_a_rolling_restart_loses_nothing(upgraded: Upgraded) -> None:
    """`meetmemo reload --restart` replaces every replica while jobs come in, and clients notice nothing."""
    before = upgraded.all_processes()
    with Load(upgraded, "restart"):
        upgraded.reload("--restart")
    wait_for(lambda: all(not before[kind] & ids for kind, ids in upgraded.all_processes().items()))
    assert upgraded.ready()


def test_settings_that_do_not_run_are_not_taken(upgraded: Upgraded) -> None:
    """A model that is not there, another ledger: the command says so, and everything goes on as it was."""
    before = upgraded.all_processes()
    upgraded.configure(models=[{"name": "mini-en", "path": str(upgraded.home / "nowhere")}])
    assert upgraded.cli("reload").returncode == 2
    upgraded.configure(ledger_url=f"sqlite:///{upgraded.home / 'other.sqlite3'}")
    refused = upgraded.cli("reload")
    assert refused.returncode == 2
    assert "ledger_url" in refused.stdout + refused.stderr
    assert upgraded.all_processes() == before
    upgraded.configure(models=[{"name": "mini-en", "path": str(upgraded.home / "two")}])


def test_a_canary_is_judged_promoted_and_rolled_back(upgraded: Upgraded, tmp_path: Path) -> None:
    """The bundled model under a second name: it passes the gate, stands in for the first, and gives everything back."""
    models = [{"name": name, "path": str(upgraded.home / "two"), "max_replicas": 1} for name in ("mini-en", "newer")]
    upgraded.configure(models=models, log={"level": "debug"})
    assert "added: Transcriber-newer" in upgraded.reload()
    shutil.copy(RECORDINGS / "short.mp3", tmp_path / "short.mp3")
    truth = json.loads((RECORDINGS / "short.truth.json").read_text())
    (tmp_path / "short.txt").write_text(" ".join(segment["text"] for segment in truth["segments"]))

    gate = ("models", "gate", "newer", "--against", "mini-en", "--golden", str(tmp_path))
    passed = upgraded.cli(*gate, "--min-agreement", "1")
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert upgraded.cli(*gate, "--max-wer-increase", "-1").returncode == 1

    assert upgraded.cli("models", "canary", "newer", "--of", "mini-en", "--share", "0.5").returncode == 0
    assert upgraded.cli(*gate).returncode == 2, "a model that others stand in for cannot be judged"
    assert upgraded.cli("models", "promote", "newer").returncode == 0
    assert upgraded.decoded_by("newer")
    assert upgraded.cli("models", "rollback", "newer").returncode == 0
    assert upgraded.decoded_by("mini-en")
