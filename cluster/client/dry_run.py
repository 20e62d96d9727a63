"""A dry run of files that lie here: how long they are, by their headers, before anything is uploaded."""

import io
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from deployments.sources.raw_audio import declared_by_name
from deployments.sources.recording_bytes import RecordingBytes
from pipelines.errors import InputError

_AT_ONCE = 2


@dataclass(frozen=True, kw_only=True)
class Look:
    """What the header of a recording says: ``audio_s`` None where it does not say how long it is."""

    path: Path
    audio_s: float | None = None
    unreadable: str = ""


def look_at(recordings: Iterable[Path]) -> Iterator[Look]:
    """Read the headers of recordings, each in a process of its own, as the cluster does. Blocks."""
    from pipelines.audio.sandbox import IsolatedDecoder  # with the decoder, which no other command needs

    decoder = IsolatedDecoder()
    try:
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            yield from threads.map(lambda path: _look(path, decoder.duration_s), recordings)
    finally:
        decoder.close()


def _look(path: Path, duration_s: Callable[[BinaryIO], float | None]) -> Look:
    try:
        with path.open("rb") as file:
            if declared_by_name(path.name):
                recording = RecordingBytes(filename=path.name)
                return Look(path=path, audio_s=duration_s(io.BytesIO(recording.feed(file.read()) + recording.finish())))
            return Look(path=path, audio_s=duration_s(file))
    except InputError as error:
        return Look(path=path, unreadable=str(error))
    except OSError as error:
        return Look(path=path, unreadable=error.strerror or "cannot be read")
