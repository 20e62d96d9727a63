"""A Transcriber that hangs or loses its device, and a chunk that kills every Transcriber, on a real cluster."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import RunningMeetMemo
from tests.servers import free_port

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningMeetMemo]:
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()), prepend=os.pathsep)
    monkeypatch.setenv("MEETMEMO_COORDINATOR__HANG_S", "10")
    monkeypatch.setenv("MEETMEMO_COORDINATOR__MAX_ATTEMPTS", "3")
    # The program imports Ray before `meetmemo up` has chosen these.
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_SERVE_ENABLE_HA_PROXY", "0")
    running = RunningMeetMemo(home=tmp_path, port=free_port(), program="tests.acceptance.faulty_cluster")
    running.start()
    yield running
    running.stop()


def test_hanging_and_dying_transcribers_cost_one_chunk(faulty: RunningMeetMemo) -> None:
    """The hanging one is replaced, the chunk that kills is quarantined alone, and its replay makes the job whole."""
    (faulty.home / "hang").touch()
    (faulty.home / "poison").write_text("1")
    recording = "call-8khz-ulaw.wav"
    job = faulty.finished(faulty.submit(recording)["id"])
    assert (job["state"], job["n_failed_chunks"]) == ("succeeded", 1), job
    assert not (faulty.home / "hang").exists()
    (chunk,) = json.loads(faulty.cli("quarantine", "list", "--json").stdout)["chunks"]
    assert (chunk["job_id"], chunk["index"], len(chunk["attempts"])) == (job["id"], 1, 3)
    transcript = json.loads(faulty.result(job, "transcript.json"))
    failed = [interval for interval in transcript["coverage"] if interval["health"] == "failed"]
    assert failed, transcript["coverage"]

    (faulty.home / "poison").unlink()
    replayed = faulty.cli("quarantine", "replay", job["id"])
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    healed = faulty.finished(replayed.stdout.split(":")[0])
    assert (healed["state"], healed["n_failed_chunks"]) == ("succeeded", 0), healed
    whole = faulty.finished(faulty.submit(recording)["id"])
    assert (
        json.loads(faulty.result(healed, "transcript.json"))["segments"]
        == (json.loads(faulty.result(whole, "transcript.json"))["segments"])
    )


def test_a_lost_device_is_replaced_and_no_chunk_fails(faulty: RunningMeetMemo) -> None:
    """The only Transcriber meets CUDA's error at every batch: Serve starts another, which decodes all of the job."""
    (faulty.home / "lose").touch()
    job = faulty.finished(faulty.submit("call-8khz-ulaw.wav")["id"])
    assert (job["state"], job["n_failed_chunks"]) == ("succeeded", 0), job
    assert not (faulty.home / "lose").exists()
    assert "device lost" in (faulty.home / "up.log").read_text(errors="replace")
    assert json.loads(faulty.cli("quarantine", "list", "--json").stdout)["chunks"] == []
