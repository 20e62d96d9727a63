"""`IsolatedDecoder`: runs `pipelines.audio.decode` in a process of its own, which a hostile recording may wreck.

What can go wrong there ends that process and nothing else; see `pipelines.audio.sandbox_host` for what it may do.
"""

import os
import signal
from collections.abc import Iterator
from typing import BinaryIO, Literal, Protocol

import numpy as np

from pipelines.audio.decode import decode_audio, probe
from pipelines.audio.formats import MAX_CHANNELS
from pipelines.audio.pcm import Pcm
from pipelines.audio.sandbox_protocol import (
    BLOCK,
    DONE,
    ERROR,
    ERRORS,
    HEADER,
    LENGTH,
    MAX_BLOCK_CHANNELS,
    MAX_READ_BYTES,
    MAX_SOUND_BYTES,
    MAX_TEXT_BYTES,
    MESSAGE,
    READ,
    SOUND,
    DecodeOrder,
)
from pipelines.audio.sound import Sound, SoundReport, read_sound
from pipelines.core import SAMPLE_BYTES, SAMPLE_RATE
from pipelines.errors import CorruptAudio, ReplicaLost
from pipelines.isolation.fork_client import ConfinedProcess, ProcessHost
from pipelines.isolation.framing import receive_exactly

BLOCK_S = 10.0
MEMORY_BYTES = 1 << 30  # beside what the process has when it starts; decoding takes some tens of MB
MIN_CPU_S = 120
HEADER_CPU_S = 20  # a look at a header takes some milliseconds
SLOWEST_X = 5.0  # × real time; a slow core decodes at some hundreds
SOCKET_BUFFER_BYTES = 1 << 20
_HOST = "pipelines.audio.sandbox_host"
_NONSENSE = "the decoder said something it should not"


class Decoding(Protocol):
    """A recording that is being decoded; iterate over it once.

    ``cpu_s`` is what other processes took for it, ``sound`` what was heard of it; both are known at its end.
    """

    cpu_s: float

    @property
    def sound(self) -> Sound:
        """What was heard."""

    def __iter__(self) -> Iterator[Pcm]:
        """Blocks as `pipelines.audio.decode.decode_audio` yields them."""

    def kill(self) -> None:
        """End it from another thread: whoever waits for a block gets `ReplicaLost`."""


class Decoder(Protocol):
    """Starts to decode; see `pipelines.audio.decode.decode_audio`."""

    def __call__(
        self,
        source: BinaryIO,
        *,
        channels: Literal["mix", "split"],
        track: str | None,
        max_duration_s: float,
        max_channels: int,
    ) -> Decoding: ...

    def duration_s(self, source: BinaryIO) -> float | None:
        """How long a recording's header says it is, None where it does not; see `pipelines.audio.decode.probe`."""


class DecodingHere:
    """`Decoding` in this process, for recordings one trusts."""

    cpu_s = 0.0

    def __init__(
        self,
        source: BinaryIO,
        *,
        channels: Literal["mix", "split"] = "mix",
        track: str | None = None,
        max_duration_s: float,
        max_channels: int = MAX_CHANNELS,
    ) -> None:
        self._report = SoundReport()
        self._blocks = decode_audio(
            source,
            channels=channels,
            track=track,
            max_duration_s=max_duration_s,
            max_channels=max_channels,
            report=self._report,
        )

    @property
    def sound(self) -> Sound:
        """What was heard so far."""
        return self._report.sound

    def __iter__(self) -> Iterator[Pcm]:
        return self._blocks

    def kill(self) -> None:
        """It cannot be stopped; it goes on until it ends by itself."""

    @staticmethod
    def duration_s(source: BinaryIO) -> float | None:
        """Return how long a recording's header says it is."""
        return probe(source).duration_s


class IsolatedDecoder:
    """Starts a process for every recording, by a host that is started with the first. Thread-safe."""

    def __init__(
        self, *, memory_bytes: int = MEMORY_BYTES, cpu_s: int | None = None, host: ProcessHost | None = None
    ) -> None:
        self._memory_bytes = memory_bytes
        self._cpu_s = cpu_s
        self.host = host or ProcessHost(_HOST)

    def __call__(
        self,
        source: BinaryIO,
        *,
        channels: Literal["mix", "split"] = "mix",
        track: str | None = None,
        max_duration_s: float,
        max_channels: int = MAX_CHANNELS,
    ) -> "IsolatedDecoding":
        """Start to decode a seekable stream. Raises `ReplicaLost` when no process can be had."""
        return self._start(
            source,
            channels=channels,
            track=track,
            max_duration_s=max_duration_s,
            max_channels=max_channels,
            cpu_s=self._cpu_s or MIN_CPU_S + round(max_duration_s / SLOWEST_X),
        )

    def duration_s(self, source: BinaryIO) -> float | None:
        """How long the header of a seekable stream says it is; raises what decoding would. Blocks until known."""
        looking = self._start(source, header_only=True, cpu_s=self._cpu_s or HEADER_CPU_S)
        return looking.declared_s()

    def _start(
        self,
        source: BinaryIO,
        *,
        cpu_s: int,
        channels: Literal["mix", "split"] = "mix",
        track: str | None = None,
        max_duration_s: float = 0.0,
        max_channels: int = MAX_CHANNELS,
        header_only: bool = False,
    ) -> "IsolatedDecoding":
        order = DecodeOrder(
            n_bytes=source.seek(0, os.SEEK_END),
            channels=channels,
            track=track,
            block_s=BLOCK_S,
            max_duration_s=max_duration_s,
            max_channels=max_channels,
            cpu_s=cpu_s,
            memory_bytes=self._memory_bytes,
            header_only=header_only,
        )
        return IsolatedDecoding(source, self.host.start_process(order.encoded(), SOCKET_BUFFER_BYTES))

    def close(self) -> None:
        """End the host and all its children."""
        self.host.close()


class IsolatedDecoding:
    """One recording in its own process. `IsolatedDecoder` makes it."""

    def __init__(self, source: BinaryIO, process: ConfinedProcess) -> None:
        self._source = source
        self._process = process
        self._connection = process.connection
        self.cpu_s = 0.0
        self.sound = Sound()

    def __iter__(self) -> Iterator[Pcm]:
        """Yield blocks; raises what `pipelines.audio.decode.decode_audio` raises.

        Raises `CorruptAudio` for a recording that the process does not survive, `ReplicaLost` when the process was
        killed from outside.
        """
        try:
            for kind, first, second in self._messages():
                if kind == BLOCK:
                    yield self._block(first, second)
                elif kind == SOUND:
                    self.sound = self._heard(first)
                elif kind == DONE:
                    self._exit_code()
                    return
                else:
                    raise CorruptAudio(_NONSENSE)
        finally:
            self._process.close()

    def declared_s(self) -> float | None:
        """Return the duration the header declares, in place of the blocks; errors as iterating raises them."""
        try:
            for kind, known, duration_us in self._messages():
                if kind == HEADER:
                    return duration_us / 1e6 if known else None
                raise CorruptAudio(_NONSENSE)
            raise AssertionError("there is always another message, or an error")
        finally:
            self._process.close()

    def kill(self) -> None:
        """End the process; may be called from any thread, and again."""
        self._process.kill()

    def _messages(self) -> Iterator[tuple[bytes, int, int]]:
        """Yield what the process says, after what it asks for was handed over and an error was raised."""
        while True:
            kind, first, second = self._receive_message()
            if kind == READ:
                self._hand_over(first, second)
            elif kind == ERROR:
                raise self._error(first, second)
            else:
                yield kind, first, second

    def _receive_message(self) -> tuple[bytes, int, int]:
        try:
            kind, first, second = MESSAGE.unpack(receive_exactly(self._connection, MESSAGE.size))
        except (EOFError, ConnectionError):
            raise self._how_it_ended() from None
        return kind, first, second

    def _hand_over(self, offset: int, n_bytes: int) -> None:
        if n_bytes > MAX_READ_BYTES:
            raise CorruptAudio("the decoder asked for too much at once")
        self._source.seek(offset)
        data = self._source.read(n_bytes)
        try:
            self._connection.sendall(LENGTH.pack(len(data)) + data)
        except ConnectionError:
            raise self._how_it_ended() from None

    def _block(self, n_channels: int, n_samples: int) -> Pcm:
        if not 1 <= n_channels <= MAX_BLOCK_CHANNELS or n_samples > BLOCK_S * SAMPLE_RATE:
            raise CorruptAudio("the decoder sent a block that cannot be")
        samples = self._payload(n_channels * n_samples * SAMPLE_BYTES)
        return np.frombuffer(samples, np.int16).reshape(n_channels, n_samples)

    def _heard(self, n_bytes: int) -> Sound:
        if n_bytes > MAX_SOUND_BYTES:
            raise CorruptAudio(_NONSENSE)
        try:
            return read_sound(self._payload(n_bytes))
        except ValueError:
            raise CorruptAudio(_NONSENSE) from None

    def _error(self, n_reason: int, n_text: int) -> Exception:
        if n_reason > MAX_TEXT_BYTES or n_text > MAX_TEXT_BYTES:
            return CorruptAudio(_NONSENSE)
        reason = self._payload(n_reason).decode("utf-8", "replace")
        text = self._payload(n_text).decode("utf-8", "replace")
        return ERRORS.get(reason, CorruptAudio)(text)

    def _payload(self, n_bytes: int) -> bytearray:
        try:
            return receive_exactly(self._connection, n_bytes)
        except (EOFError, ConnectionError):
            raise self._how_it_ended() from None

    def _how_it_ended(self) -> Exception:
        """Return why the process is gone: SIGKILL comes from outside, or from the kernel for want of memory."""
        code = self._exit_code()
        if code == -signal.SIGKILL:
            return ReplicaLost("the decoder's process was killed")
        if code == -signal.SIGXCPU:
            return CorruptAudio("decoding the recording takes more processor time than it may")
        what = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return CorruptAudio(f"the decoder does not survive the recording ({what})")

    def _exit_code(self) -> int:
        """Wait for the process to end; SIGKILL where its host is gone as well."""
        code, self.cpu_s = self._process.wait()
        return code
