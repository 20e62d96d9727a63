"""Decoding in a process of its own: the same samples, and whatever happens there stays there."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from pipelines.audio import sandbox_host
from pipelines.audio.decode import decode_audio, probe
from pipelines.audio.own_sounds import KINDS, LENGTH_S, own_sounds
from pipelines.audio.sandbox import IsolatedDecoder
from pipelines.audio.sandbox_protocol import ERRORS, MESSAGE
from pipelines.audio.sound import SoundReport, read_sound
from pipelines.core import SAMPLE_RATE
from pipelines.errors import CorruptAudio, InputError, ReplicaLost, StoreUnavailable, TooLong
from pipelines.isolation import fork_client, limits
from pipelines.isolation.fork_client import ProcessHost
from tests.support.recordings import RECORDINGS

ROOT = Path(__file__).parents[4]
LIMIT_S = 3600.0


@pytest.fixture(scope="module")
def decoder():
    decoder = IsolatedDecoder()
    yield decoder
    decoder.close()


def blocks(decoder, source, **options):
    return list(decoder(source, **{"max_duration_s": LIMIT_S, **options}))


def outcome(decode):
    """The samples, or the kind of error and its text."""
    try:
        found = list(decode())
    except InputError as error:
        return type(error), str(error)
    return np.concatenate(found, axis=1).tobytes()


# The meetings are long, and like the others.
SHORT = sorted(p for p in RECORDINGS.iterdir() if p.suffix not in (".json", ".md") and not p.name.startswith("meeting"))


@pytest.mark.parametrize("path", SHORT, ids=str)
def test_the_same_as_in_process(decoder, path):
    """Every short sample recording, sound or damaged, brings the same samples or the same error."""
    data = path.read_bytes()
    here = outcome(lambda: decode_audio(io.BytesIO(data), channels="split", max_duration_s=LIMIT_S))
    there = outcome(lambda: decoder(io.BytesIO(data), channels="split", max_duration_s=LIMIT_S))
    assert there == here


@pytest.mark.parametrize("name", ["truncated.flac", "corrupt-middle.mp3", "call-stereo.opus"])
def test_what_was_lost_is_the_same_as_in_process(decoder, name):
    """Damage and the declared length pass the sandbox's wall."""
    data, report = (RECORDINGS / name).read_bytes(), SoundReport()
    list(decode_audio(io.BytesIO(data), max_duration_s=LIMIT_S, report=report))
    decoding = decoder(io.BytesIO(data), max_duration_s=LIMIT_S)
    list(decoding)
    assert decoding.sound == report.sound
    assert bool(decoding.sound.damaged) == (name != "call-stereo.opus")


@pytest.mark.parametrize(
    "nonsense",
    [
        {"damaged": [{"start": 5, "end": 5}]},
        {"damaged": [{"start": -1, "end": 5}]},
        {"damaged": [{"start": 0, "end": 10**18}]},
        {"damaged": [{"start": 0, "end": 5, "channels": [-1]}]},
        {"damaged": [{"start": 7, "end": 9}, {"start": 1, "end": 5}]},
        {"declared_s": -1.0},
        {"declared_s": 1e12},
        {"n_samples": -5},
        {"damaged": "all of it"},
    ],
)
def test_losses_that_cannot_be_are_refused(nonsense):
    """The process that decodes is not trusted: what it says of damage must make sense."""
    with pytest.raises(ValueError, match=r"."):
        read_sound(json.dumps(nonsense).encode())


def declared(look):
    """The duration a header declares, or the kind of error and its text."""
    try:
        return look()
    except InputError as error:
        return type(error), str(error)


@pytest.mark.parametrize("path", SHORT, ids=str)
def test_headers_are_the_same_as_in_process(decoder, path):
    """What a header says is the same, or what is wrong with it, to a microsecond."""
    data = path.read_bytes()
    here = declared(lambda: probe(io.BytesIO(data)).duration_s)
    there = declared(lambda: decoder.duration_s(io.BytesIO(data)))
    assert there == (pytest.approx(here, abs=1e-6) if isinstance(here, float) else here)


def test_a_header_that_wrecks_its_reader(decoder):
    """A header that takes more memory than it may costs that recording and nothing else."""
    recording = (RECORDINGS / "meeting-3min.flac").read_bytes()
    head, rest = recording[:42], recording[42:]  # "fLaC" and STREAMINFO
    picture = b"\x06" + (15 << 20).to_bytes(3) + bytes(15 << 20)
    narrow = IsolatedDecoder(memory_bytes=4 << 20, host=decoder.host)
    with pytest.raises(InputError):
        narrow.duration_s(io.BytesIO(head + picture + rest))
    with (RECORDINGS / "short.mp3").open("rb") as file:
        assert decoder.duration_s(file) > 0


def test_limits_hold_there(decoder):
    """Too long, too wide: what decoding refuses is refused with its own reason."""
    with (RECORDINGS / "short.mp3").open("rb") as file, pytest.raises(TooLong):
        blocks(decoder, file, max_duration_s=1.0)
    with (RECORDINGS / "call-stereo.opus").open("rb") as file, pytest.raises(InputError, match="channels"):
        blocks(decoder, file, channels="split", max_channels=1)


def test_processor_time_is_counted(decoder):
    """What the other process took is known at the end."""
    with (RECORDINGS / "call-stereo.opus").open("rb") as file:
        decoding = decoder(file, max_duration_s=LIMIT_S)
        list(decoding)
    assert decoding.cpu_s > 0


def test_a_store_that_fails_is_an_outage(decoder):
    """The recording is read here: what fails then is no fault of the recording."""

    class Failing(io.BytesIO):
        def read(self, size=-1):
            raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        blocks(decoder, Failing(b"x" * 1000))
    with (RECORDINGS / "short.mp3").open("rb") as file:
        assert blocks(decoder, file)


def test_a_process_that_is_killed_is_lost(decoder):
    """By its caller's time-out or by the kernel: another attempt may succeed, and it ends at once."""
    asked, killed = threading.Event(), threading.Event()

    class Held(io.BytesIO):
        def read(self, size=-1):
            asked.set()
            assert killed.wait(60)
            return super().read(size)

    def kill():
        asked.wait(60)
        decoding.kill()
        killed.set()

    decoding = decoder(Held((RECORDINGS / "call-stereo.opus").read_bytes()), max_duration_s=LIMIT_S)
    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(ReplicaLost):
        list(decoding)
    killer.join()
    decoding.kill()


def test_another_host_is_started(decoder):
    """A host that dies is replaced at the next recording."""
    with (RECORDINGS / "short.mp3").open("rb") as file:
        blocks(decoder, file)
        os.kill(decoder.host.pid, signal.SIGKILL)
        assert blocks(decoder, file)


def run_child(monkeypatch, act, recording=None, **options):
    """A decoder whose children do ``act`` instead of decoding; forked, not started, so that they know it."""
    monkeypatch.setattr(sandbox_host, "decode_to", act)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    host = ProcessHost("pipelines.audio.sandbox_host")
    host.serve_by(ours)
    decoder = IsolatedDecoder(host=host, **options)
    if os.fork() == 0:
        ours.close()
        sandbox_host.serve(theirs)
        os._exit(0)
    theirs.close()
    try:
        return blocks(decoder, recording or io.BytesIO(b"x"))
    finally:
        decoder.close()
        os.wait()


def deny(act):
    """Tell the caller, as the text of an error, what came of something that must not be possible."""

    def told(connection, order):
        try:
            act()
            text = b"possible"
        except (OSError, MemoryError) as error:
            text = type(error).__name__.encode()
        connection.sendall(MESSAGE.pack(b"E", 13, len(text)) + b"corrupt_audio" + text)

    return told


def connect():
    socket.create_connection(("127.0.0.1", 9), timeout=1)


@pytest.mark.parametrize(
    ("act", "what"),
    [
        (lambda: Path("/etc/hostname").read_bytes(), "PermissionError"),
        (lambda: Path("/tmp/written").write_bytes(b""), "PermissionError"),
        (connect, "PermissionError"),
        (lambda: os.pipe(), "PermissionError"),
        (lambda: bytearray(2 << 30), "MemoryError"),
        (lambda: os.stat("/etc/hostname"), "PermissionError"),
        (lambda: os.kill(os.getppid(), 0), "PermissionError"),
        (lambda: os.kill(0, 0), "PermissionError"),
        (lambda: os.fork(), "PermissionError"),
        (lambda: os.execv("/bin/true", ["true"]), "PermissionError"),
    ],
    ids=[
        *("read a file", "write a file", "connect", "make a pipe", "take memory", "look at a file"),
        *("signal its parent", "signal its group", "fork", "start a program"),
    ],
)
def test_what_a_child_cannot_do(monkeypatch, act, what):
    """Not a file, not a connection, not another process, not more memory than it may."""
    with pytest.raises(CorruptAudio, match=what):
        run_child(monkeypatch, deny(act))


@pytest.mark.parametrize(
    ("act", "what"),
    [
        (lambda: Path("/etc/hostname").read_bytes(), "OSError"),
        (lambda: Path("/tmp/written").write_bytes(b""), "OSError"),
        (connect, "OSError"),
        (lambda: os.pipe(), "OSError"),
    ],
    ids=["read a file", "write a file", "connect", "make a pipe"],
)
def test_what_a_child_cannot_do_without_a_filter(monkeypatch, act, what):
    """A kernel without system call filters still lets it open nothing."""
    monkeypatch.setattr(limits, "restrict_to_computing", lambda: False)
    with pytest.raises(CorruptAudio, match=what):
        run_child(monkeypatch, deny(act))


def test_a_kernel_without_filters_is_told(monkeypatch):
    """Recordings are decoded all the same, and the log says what is missing."""
    monkeypatch.setattr(fork_client, "is_supported", lambda: False)
    own = IsolatedDecoder()
    with capture_logs() as logs, (RECORDINGS / "short.mp3").open("rb") as file:
        assert blocks(own, file)
    own.close()
    assert [entry["action"] for entry in logs] == ["no_call_filter"]


def spin(connection, order):
    while True:
        pass


def crash(connection, order):
    os.kill(os.getpid(), signal.SIGSEGV)


def ask_for_too_much(connection, order):
    connection.sendall(MESSAGE.pack(b"R", 0, 1 << 40))
    connection.recv(1)


def send_too_much(connection, order):
    connection.sendall(MESSAGE.pack(b"B", 1 << 20, 1 << 20))
    connection.recv(1)


def talk_nonsense(connection, order):
    connection.sendall(MESSAGE.pack(b"?", 0, 0))


def tell_too_much(connection, order):
    connection.sendall(MESSAGE.pack(b"E", 1 << 40, 1 << 40))


@pytest.mark.parametrize("act", [spin, crash, ask_for_too_much, send_too_much, talk_nonsense, tell_too_much])
def test_a_child_that_goes_wild(monkeypatch, act):
    """It spins, crashes or lies: the recording is corrupt, and nothing else is harmed."""
    with pytest.raises(CorruptAudio):
        run_child(monkeypatch, act, cpu_s=1)


def questions(n_bytes):
    """What a child asks its caller for while it reads a recording of so many bytes in pieces."""
    asked, recording = [], bytes(range(256)) * (n_bytes // 256)

    class Telling(io.BytesIO):
        def read(self, size=-1):
            asked.append((self.tell(), size))
            return super().read(size)

    def read(connection, order):
        file = sandbox_host.CallersFile(connection, order.n_bytes)
        found = file.read(100)
        file.seek(0)
        found += file.read(1 << 16)
        file.seek(-10, os.SEEK_END)
        found += file.read() + file.read()
        assert found == recording[:100] + recording[: 1 << 16] + recording[-10:]
        connection.sendall(MESSAGE.pack(b"D", 0, 0))

    with pytest.MonkeyPatch.context() as patch:
        assert run_child(patch, read, recording=Telling(recording)) == []
    return asked


def test_short_recordings_are_asked_for_as_a_whole():
    """Each question wakes two processes: a short recording takes one, of a long one no more is read than is needed."""
    short = sandbox_host.WHOLE_BYTES
    assert questions(short) == [(0, short)]
    assert questions(2 * short) == [(0, 100), (0, 1 << 16), (2 * short - 10, 10)]


def test_an_order_that_cannot_be_read_costs_nobody_else(decoder):
    """Its child ends at once, and the host goes on."""
    pid = decoder.host.pid
    process = decoder.host.start_process(b"{")
    assert process.wait()[0] == 1
    process.close()
    with (RECORDINGS / "short.mp3").open("rb") as file:
        assert blocks(decoder, file)
    assert decoder.host.pid == pid


def test_the_host_has_one_thread(decoder):
    """Whatever it practised with, no thread is left that could hold a lock while it forks."""
    with (RECORDINGS / "short.mp3").open("rb") as file:
        blocks(decoder, file)
    assert len(os.listdir(f"/proc/{decoder.host.pid}/task")) == 1


def test_own_sounds_are_recordings():
    """What the host practises with decodes, in every kind that is listed, and lasts as long as it should."""
    sounds = list(own_sounds())
    assert len(sounds) == len(KINDS)
    for sound in sounds:
        (block,) = decode_audio(io.BytesIO(sound), max_duration_s=10.0)
        assert block.shape[1] == pytest.approx(LENGTH_S * SAMPLE_RATE, rel=0.15)
        assert np.abs(block).max() > 5_000


def test_only_errors_of_recordings_cross():
    """What a child says is looked up in a list; it cannot name a class."""
    assert all(issubclass(kind, InputError) for kind in ERRORS.values())


def test_the_host_knows_no_secrets(decoder, monkeypatch):
    """Its environment holds nothing of ours."""
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-quite-secret")
    own = IsolatedDecoder()
    with (RECORDINGS / "short.mp3").open("rb") as file:
        blocks(own, file)
    with open(f"/proc/{own.host.pid}/environ", "rb") as environment:
        assert b"sk-quite-secret" not in environment.read()
    own.close()


def test_nothing_is_left_to_load():
    """PyAV loads some of itself with the first film that has subtitles, when no file can be opened any more."""
    program = (
        "import pkgutil, sys; from pipelines.audio.sandbox_host import warm_up; warm_up(); import av;"
        "print(*(m.name for m in pkgutil.walk_packages(av.__path__, 'av.') if m.name not in sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert set(told.stdout.split()) <= {"av.__main__", "av.datasets"}
