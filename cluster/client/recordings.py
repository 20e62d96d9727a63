"""Recordings among files, told by their content as the endpoint tells them; what is left out has a reason."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deployments.sources.raw_audio import declared_by_name
from pipelines.audio.first_bytes import UNKNOWN, kind_of_stream
from pipelines.errors import EmptyAudio
from pipelines.jobs.job import RESULT_FORMATS
from pipelines.jobs.sidecar import sidecar_names


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A file that is no recording, and why: "is a PDF"."""

    path: Path
    why: str

    def __str__(self) -> str:
        return f"{self.path}: left out, {self.why}"


@dataclass(frozen=True, kw_only=True)
class Sorted:
    """Files of a folder, in order."""

    recordings: tuple[Path, ...]
    left_out: tuple[LeftOut, ...]


def files_in(folder: Path) -> list[Path]:
    """Return the files below a folder in order, without hidden ones and results of ours."""
    found = (path for path in folder.rglob("*") if path.is_file() and not _is_result(path))
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def _is_result(path: Path) -> bool:
    return path.name in RESULT_FORMATS and path.with_name("transcript.json").exists()


def sort_out(files: Iterable[Path]) -> Sorted:
    """Tell recordings from other files by their first bytes. Blocks."""
    reasons = {path: why_left_out(path) for path in files}
    recordings = tuple(path for path, why in reasons.items() if not why)
    beside = {path.with_name(name) for path in recordings for name in sidecar_names(path.name)}
    left_out = tuple(
        LeftOut(
            path=path, why="holds options of a recording, which only `meetmemo watch` reads" if path in beside else why
        )
        for path, why in reasons.items()
        if why
    )
    return Sorted(recordings=recordings, left_out=left_out)


def why_left_out(path: Path) -> str:
    """Return why a file is no recording; "" for one. Blocks."""
    try:
        with path.open("rb") as file:
            kind = kind_of_stream(file)
    except EmptyAudio:
        return "is empty"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if kind.accepted or (kind == UNKNOWN and declared_by_name(path.name)):
        return ""
    return f"is {kind.name or 'of no known format'}"
