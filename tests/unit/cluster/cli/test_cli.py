"""The command line without a cluster: usage, settings, models, doctor."""

import json
import os
import pwd
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from cluster.client.transcribe import exit_code, plan, warnings
from pipelines.audit import check
from pipelines.core import Coverage, CoverageStatus, ModelInfo, Transcript
from pipelines.ledger.open import open_ledger
from pipelines.notes import Note, NoteCode
from tests.servers import free_port


@pytest.fixture
def meetmemo(tmp_path: Path):  # a small function
    """Run ``meetmemo`` with a home of its own."""

    def run(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "MEETMEMO_HOME": str(tmp_path / "home"), "COLUMNS": "160", **env}
        return subprocess.run(
            [sys.executable, "-m", "cluster.cli", *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    environment_root = str(Path(__file__).parents[4])
    os.environ.setdefault("PYTHONPATH", environment_root)
    return run


def test_config_show_masks_secrets(meetmemo) -> None:
    """`config show` prints what results from all sources, and never a key."""
    shown = meetmemo("config", "show", DEEPSEEK_API_KEY="sk-very-secret", MEETMEMO_HTTP__PORT="9009")
    assert shown.returncode == 0, shown.stderr
    assert "port: 9009" in shown.stdout
    assert "sk-very-secret" not in shown.stdout + shown.stderr


@pytest.mark.parametrize(
    "arguments",
    [("transcribe",), ("transcribe", "no-such-file.mp3"), ("jobs", "show"), ("nonsense",), ("status",)],
)
def test_wrong_usage_exits_2(meetmemo, arguments: tuple[str, ...]) -> None:
    """What cannot be done as asked exits with 2 and says why."""
    wrong = meetmemo(*arguments)
    assert wrong.returncode == 2
    assert wrong.stderr.strip()
    assert "Traceback" not in wrong.stderr


def test_the_key_of_voices_is_no_setting(meetmemo) -> None:
    """It is a secret of the environment, and not shown."""
    shown = meetmemo("config", "show", MEETMEMO_VOICES_KEY="c2VjcmV0IHZvaWNlcw==")
    assert shown.returncode == 0, shown.stderr
    assert "c2VjcmV0" not in shown.stdout + shown.stderr


def test_wrong_settings_exit_2(meetmemo) -> None:
    """A mistake in the environment is named, on one line, without a traceback."""
    wrong = meetmemo("config", "show", MEETMEMO_HTTP__PORT="many")
    assert wrong.returncode == 2
    assert "http.port" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_a_model_that_is_not_here_says_what_to_do(meetmemo, tmp_path: Path) -> None:
    """`transcribe --model base` without weights fails at once and names the command that fetches them."""
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    wrong = meetmemo("transcribe", "--model", "base", "a.wav")
    assert wrong.returncode == 1
    assert "meetmemo models pull base" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_models_list_and_verify(meetmemo) -> None:
    """The bundled model is there and intact; published ones are listed with how to get them."""
    listed = meetmemo("models", "list").stdout
    assert "mini-en" in listed
    assert "large-v3-turbo" in listed
    assert "intact" in meetmemo("models", "verify", "mini-en").stdout


def test_doctor_names_a_taken_port(meetmemo) -> None:
    """Doctor looks at everything and exits 1 when something needs mending, with the mend beside it."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        port = str(taken.getsockname()[1])
        sick = meetmemo("doctor", MEETMEMO_HTTP__PORT=port)
    assert sick.returncode == 1
    assert "taken by another program" in sick.stdout
    assert "MEETMEMO_HTTP__PORT" in sick.stdout
    healthy = meetmemo("doctor", MEETMEMO_HTTP__PORT=str(free_port()))
    assert healthy.returncode == 0, healthy.stdout


def test_results_of_equal_stems_do_not_collide(tmp_path: Path) -> None:
    """``call.mp3`` and ``call.wav`` get folders of their own; so do equal names from two places under one ``--out``."""
    paths = [
        tmp_path / "a" / "call.mp3",
        tmp_path / "a" / "call.wav",
        tmp_path / "a" / "other.mp3",
        tmp_path / "b" / "other.mp3",
    ]
    folders = [recording.folder for recording in plan(paths, tmp_path / "out")]
    assert len(set(folders)) == len(folders)
    assert plan(paths[2:3], None)[0].folder == tmp_path / "a" / "other"


def test_an_endpoint_that_does_not_answer(meetmemo) -> None:
    """Commands that ask a cluster say that it does not answer, and exit with 1."""
    url = f"http://127.0.0.1:{free_port()}"
    for arguments in (("drain",), ("quarantine", "list"), ("quarantine", "replay", "j", "1")):
        lost = meetmemo(*arguments, "--url", url)
        assert lost.returncode == 1, lost.stdout
        assert "does not answer" in lost.stderr
        assert "Traceback" not in lost.stderr


def test_keys_are_made_listed_and_revoked(meetmemo):
    """The key is printed once, alone; the list shows what it is for and never the key itself."""
    made = meetmemo("keys", "create", "--tenant", "acme", "--name", "recorder", "--scope", "jobs:write")
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    key_id = token.split("_")[1]
    listed = meetmemo("keys", "list")
    assert "recorder" in listed.stdout
    assert "valid" in listed.stdout
    assert token not in listed.stdout
    assert meetmemo("keys", "revoke", key_id).returncode == 0
    assert "revoked" in meetmemo("keys", "list", "--tenant", "acme").stdout
    assert meetmemo("keys", "create", "--scope", "root").returncode == 2
    assert "key_unknown" in meetmemo("keys", "revoke", "0" * 16).stderr


def test_keys_are_in_the_audit_log(meetmemo, tmp_path: Path) -> None:
    """Commands enter what they do under the name of the system's user; what changes nothing is not entered."""
    key_id = meetmemo("keys", "create", "--tenant", "acme").stdout.strip().split("_")[1]
    for _ in range(2):
        assert meetmemo("keys", "revoke", key_id).returncode == 0
    with closing(open_ledger(f"sqlite:///{tmp_path}/home/ledger.sqlite3")) as ledger:
        assert not check(ledger.audit, "acme").fault
        deeds = [entry.deed for entry in ledger.audit.walk("acme")]
    actor = f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    assert [(deed.action.value, deed.object_id, deed.actor) for deed in deeds] == [
        ("create_key", key_id, actor),
        ("revoke_key", key_id, actor),
    ]


def test_what_a_transcript_doubts_is_told() -> None:
    """Notes come first; seconds uncertain or failed on any channel count once, rounded up; the rest is not told."""

    def told(*parts: tuple[int, float, float, CoverageStatus]) -> str:
        coverage = tuple(Coverage(channel=part[0], start_s=part[1], end_s=part[2], health=part[3]) for part in parts)
        transcript = Transcript(
            duration_s=100,
            language="en",
            languages=(),
            segments=(),
            coverage=coverage,
            model=ModelInfo(name="test"),
            n_channels=2,
            notes=(Note(code=NoteCode.NO_SPEECH),),
        )
        silence, *doubts = warnings(transcript)
        assert silence == "No speech was recognised in this recording."
        return ", ".join(doubts)

    suspect = ((0, 50.0, 100.0, CoverageStatus.SUSPECT), (1, 0.0, 75.0, CoverageStatus.SUSPECT))
    failed = (1, 95.0, 100.0, CoverageStatus.FAILED)
    assert told((0, 0.0, 50.0, CoverageStatus.TRANSCRIBED), *suspect, failed) == "1:40 uncertain, 0:05 failed"
    assert told((0, 0.0, 0.3, CoverageStatus.SUSPECT)) == "0:01 uncertain"
    assert told((0, 0.0, 50.0, CoverageStatus.TRANSCRIBED), (1, 0.0, 50.0, CoverageStatus.SILENCE)) == ""


def test_silence_has_an_exit_code_of_its_own() -> None:
    """0 where every recording was transcribed, 3 where one of them has no speech, 1 where one failed."""
    good, silent, failed = plan([Path("a.wav"), Path("b.wav"), Path("c.wav")], None)
    silent.silent = True
    failed.error = "failed: corrupt_audio"
    assert [exit_code(some) for some in ([good], [good, silent], [good, silent, failed])] == [0, 3, 1]


def test_keys_as_json_and_by_prefix(meetmemo):
    """A list for programs without hashes; a key is revoked by how its id begins, unless several begin so."""
    for name in ("one", "two"):
        assert meetmemo("keys", "create", "--name", name).returncode == 0
    listed = json.loads(meetmemo("keys", "list", "--json", "--limit", "5").stdout)["keys"]
    assert {key["name"] for key in listed} == {"one", "two"}
    assert {"digest"}.isdisjoint(listed[0])
    assert meetmemo("keys", "list", COLUMNS="80").stdout.splitlines()[1].startswith(listed[0]["id"])
    assert meetmemo("keys", "revoke", listed[0]["id"][:10]).stdout.strip() == f"{listed[0]['id']} is revoked."
    both = json.loads(meetmemo("keys", "list", "--json").stdout)["keys"]
    assert [key["state"] for key in both] == ["revoked", "valid"]


def test_settings_from_the_first_file_on(meetmemo, tmp_path: Path) -> None:
    """`init` writes the home's file and never over one; `config check` names faults with lines; others read it."""
    written = meetmemo("init", "laptop")
    path = tmp_path / "home" / "config.yaml"
    assert written.returncode == 0, written.stderr
    assert meetmemo("init", "server").returncode == 2
    assert meetmemo("config", "check").stdout == f"{path}: no faults\n"
    assert "niceness: 10" in meetmemo("config", "show").stdout
    path.write_text("http:\n  port: many\n")
    wrong = meetmemo("config", "check")
    assert (wrong.returncode, wrong.stdout.startswith(f"{path}:2: http.port: ")) == (2, True)
    found = json.loads(meetmemo("config", "check", "--json").stdout)["faults"]
    assert [(fault["line"], fault["setting"]) for fault in found] == [(2, "http.port")]
    schema = json.loads(meetmemo("config", "schema").stdout)
    assert schema["properties"]["home"]["description"]


def test_doctor_for_programs(meetmemo, tmp_path: Path) -> None:
    """Findings as JSON, alone on stdout, with the archive beside."""
    told = meetmemo("doctor", "--json", "--bundle", "support.tar.gz", MEETMEMO_HTTP__PORT=str(free_port()))
    assert {finding["status"] for finding in json.loads(told.stdout)["findings"]} <= {"ok", "note"}
    assert (tmp_path / "support.tar.gz").is_file()
