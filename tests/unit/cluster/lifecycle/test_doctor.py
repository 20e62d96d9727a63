"""What `meetmemo doctor` says about GPUs, and about other users of the machine: files, HAProxy's socket, ports."""

import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.lifecycle import doctor
from cluster.lifecycle.doctor import Finding, examine
from cluster.lifecycle.haproxy import SOCKET
from cluster.lifecycle.home_lock import owning
from cluster.lifecycle.running_cluster import write_state
from cluster.settings.sections import HttpSettings, MinutesSettings, RaySettings
from cluster.settings.settings import Settings
from cluster.settings.sources import MARK
from pipelines.ledger.open import ledger_revision, open_ledger
from pipelines.models.cuda_check import CudaPart
from pipelines.models.devices import Device
from tests.servers import free_port

LISTENER = """
import socket, sys
listening = [socket.create_server((host, 0)) for host in ("127.0.0.1", "0.0.0.0")]
listening.append(socket.create_server(("0.0.0.0", int(sys.argv[1]))))
print(listening[1].getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def no_haproxy_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "RAYS_FOLDER", tmp_path / "haproxy-serve")
    monkeypatch.delenv(SOCKET, raising=False)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    home = tmp_path / "home"
    (home / "run" / "haproxy").mkdir(mode=0o700, parents=True)
    for folder in (home, home / "run"):
        folder.chmod(0o700)
    return Settings(home=home, http=HttpSettings(port=free_port()))


def found(settings: Settings) -> dict[str, Finding]:
    return {finding.subject: finding for finding in examine(settings)}


def test_a_closed_home_is_ok(settings: Settings) -> None:
    """Nothing is found, and no listeners are looked for where no cluster runs."""
    findings = found(settings)
    assert (findings["files"].status, findings["HAProxy"].status) == ("ok", "ok")
    assert "listeners" not in findings


def test_what_others_may_read_is_named(settings: Settings) -> None:
    """A file and the folder of HAProxy; with how to close them."""
    log = settings.run_dir / "cluster.log"
    log.write_text("x")
    log.chmod(0o644)
    (settings.run_dir / "haproxy").chmod(0o755)
    findings = found(settings)
    assert findings["files"].status == "bad"
    assert findings["files"].detail == f"other users may read {log} and 1 more"
    assert "chmod" in findings["files"].mend
    assert findings["HAProxy"].status == "bad"
    assert str(settings.run_dir / "haproxy") in findings["HAProxy"].detail


def test_a_nodes_own_haproxy_is_examined(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Ray was started without MeetMemo, by its variable or where Ray puts it; nodes' ports are told."""
    joined = settings.model_copy(update={"ray": RaySettings(address="10.0.0.1:6379")})
    assert "HAProxy" not in found(joined)
    (tmp_path / "haproxy-serve").mkdir()
    (tmp_path / "haproxy-serve").chmod(0o755)
    finding = found(joined)["HAProxy"]
    assert finding.status == "bad"
    assert SOCKET in finding.mend
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setenv(SOCKET, str(closed / "admin.sock"))
    assert found(joined)["HAProxy"].status == "ok"
    with owning(settings.home):
        write_state(joined)
        assert found(joined)["listeners"].status == "note"


@pytest.fixture
def member(settings: Settings) -> Iterator[int]:
    """A port beyond the loopback interface that a process of the cluster listens on, beside the endpoint's."""
    with owning(settings.home):
        write_state(settings)
        process = subprocess.Popen(
            [sys.executable, "-c", LISTENER, str(settings.http.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={MARK: str(settings.home)},
        )
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.communicate(timeout=30)


def test_ports_beyond_the_machine_are_named(settings: Settings, member: int) -> None:
    """The endpoint's is meant to be reached, and what listens on the loopback interface is not."""
    finding = found(settings)["listeners"]
    assert finding.status == "note"
    assert finding.detail.count("0.0.0.0") == 1
    assert f"0.0.0.0:{member} (python" in finding.detail


def test_a_cluster_with_one_open_port_is_ok(settings: Settings) -> None:
    """Its own endpoint."""
    with owning(settings.home), socket.create_server(("0.0.0.0", settings.http.port)):
        write_state(settings)
        assert found(settings)["listeners"].status == "ok"


COMPLETE = (
    CudaPart(subject="NVIDIA driver", detail="580.65.06, for CUDA up to 13.0"),
    CudaPart(subject="torch's CUDA", detail="CUDA 13.0 loads"),
    CudaPart(subject="CTranslate2's CUDA", detail="cuBLAS for CUDA 12 loads"),
)


def has_cuda(monkeypatch: pytest.MonkeyPatch, parts: Sequence[CudaPart], *, gpus: int = 0, driver: bool = True) -> None:
    found = [Device(kind="cuda", index=index, name="NVIDIA L4", memory_bytes=24 << 30) for index in range(gpus)]
    monkeypatch.setattr(doctor, "check_cuda", lambda: tuple(parts))
    monkeypatch.setattr(doctor, "find_driver", lambda: object() if driver else None)
    monkeypatch.setattr(doctor, "find_devices", lambda: tuple(found))


def without(place: int) -> list[CudaPart]:
    return [replace(part, mend="Mend it.") if n == place else part for n, part in enumerate(COMPLETE)]


def test_both_runtimes_driver_and_gpus_are_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each GPU with its memory, once everything it needs is there."""
    has_cuda(monkeypatch, COMPLETE, gpus=2)
    findings = found(settings)
    assert {findings[part.subject].status for part in COMPLETE} == {"ok"}
    assert [findings[f"GPU {n}"].detail for n in range(2)] == ["NVIDIA L4, 24 GiB"] * 2


@pytest.mark.parametrize("place", range(3))
def test_a_missing_part_is_bad_where_there_is_a_driver(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    """The machine has a GPU that would stay unused, or fail: no GPU is called ok."""
    has_cuda(monkeypatch, without(place), gpus=1)
    findings = found(settings)
    assert [findings[part.subject].status == "bad" for part in COMPLETE] == [n == place for n in range(3)]
    assert findings[COMPLETE[place].subject].mend == "Mend it."
    assert "GPU 0" not in findings


def test_without_a_driver_nothing_is_bad(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image for GPUs also runs on nodes that have none; a machine with no part of CUDA gets one line."""
    has_cuda(monkeypatch, without(0), driver=False)
    findings = found(settings)
    assert [findings[part.subject].status for part in COMPLETE] == ["note", "ok", "ok"]
    has_cuda(monkeypatch, [replace(part, mend="Mend it.") for part in COMPLETE], driver=False)
    findings = found(settings)
    assert findings["GPU"].status == "note"
    assert not {part.subject for part in COMPLETE} & findings.keys()


def test_a_ledger_of_another_version_is_told_and_left(tmp_path: Path) -> None:
    """Doctor says what an upgrade will do, and does not do it itself; a newer ledger is bad."""
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    open_ledger(url).close()
    for told, status in (("0001", "note"), ("9999", "bad")):
        with sqlite3.connect(tmp_path / "ledger.sqlite3") as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (told,))
        connection.close()
        (found,) = (item for item in examine(Settings(home=tmp_path, ledger_url=url)) if item.subject == "ledger")
        assert found.status == status
        assert told in found.detail
        assert found.mend
        assert ledger_revision(url) == told


def test_a_context_without_room_is_bad(settings: Settings) -> None:
    """A language model that no transcript fits into is named, with what to set."""
    minutes = MinutesSettings(base_url="http://gpu:8000/v1", context_tokens=2048)
    finding = found(settings.model_copy(update={"minutes": minutes}))["language model"]
    assert finding.status == "bad"
    assert "2048 tokens" in finding.detail
    assert "minutes.context_tokens" in finding.mend
