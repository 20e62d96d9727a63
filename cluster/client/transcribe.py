"""Bulk transcription from the command line: upload files, show progress in audio seconds, fetch the results."""

import asyncio
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.text import Text

from cluster.client.choices import check_choices
from cluster.client.http import FINAL_STATES, ApiError, Client
from cluster.client.recordings import LeftOut, files_in, sort_out
from cluster.client.result_files import result_files
from pipelines.codec import decode
from pipelines.core import CoverageStatus, Transcript
from pipelines.text.file_names import bounded_name
from pipelines.transcript.coverage import health_s
from pipelines.transcript.findings import has_words

_UPLOADS = 4  # at once: enough to hide latency, few enough to be fair to others
_WATCHED = 32  # jobs asked about per round; the cluster works on about as many at once
_ROUND_S = 0.5
NO_SPEECH = 3
"""The exit code of a command whose recordings were all transcribed, and one or more have no speech."""


@dataclass
class Recording:
    """One file on its way: ``job`` is the endpoint's last word about it, ``error`` why it came to nothing.

    ``warnings`` are the notes about the recording, and how much of its transcript is not to be relied on; a ``silent``
    one has no words at all.
    """

    path: Path
    folder: Path
    job: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    warnings: tuple[str, ...] = ()
    silent: bool = False

    @property
    def done(self) -> bool:
        return bool(self.error) or self.job.get("state") in FINAL_STATES


def take_folders(paths: Sequence[Path]) -> tuple[dict[Path, Path], list[LeftOut]]:
    """Return the recordings that files and folders name, each with the place below it, and what folders hold besides.

    What is named itself is taken as it is; the endpoint says what is wrong with it. Blocks.
    """
    taken: dict[Path, Path] = {}
    left_out: dict[Path, LeftOut] = {}
    for path in paths:
        if not path.is_dir():
            taken.setdefault(path, Path())
            continue
        found = sort_out(files_in(path))
        left_out |= {item.path: item for item in found.left_out}
        for recording in found.recordings:
            taken.setdefault(recording, recording.parent.relative_to(path))
    return taken, [item for path, item in left_out.items() if path not in taken]


def plan(paths: Iterable[Path] | Mapping[Path, Path], out: Path | None) -> list[Recording]:
    """Give every file the folder for its results: ``<stem>/`` beside it, or under ``out`` and its place there.

    Of files that would share a folder (``call.mp3`` and ``call.wav``) the later ones get ``<stem>-2``, ``<stem>-3`` ….
    """
    taken: set[Path] = set()
    recordings = []
    places = paths if isinstance(paths, Mapping) else dict.fromkeys(paths, Path())
    for path, place in places.items():
        folder = (out / place if out else path.parent) / path.stem
        for number in itertools.count(2):
            if folder not in taken:
                break
            folder = folder.with_name(bounded_name(path.stem, f"-{number}"))
        taken.add(folder)
        recordings.append(Recording(path=path, folder=folder))
    return recordings


async def transcribe(
    client: Client, recordings: list[Recording], options: Mapping[str, str | Sequence[str]], console: Console
) -> None:
    """See every recording through; afterwards each has a final job or an error, and its results lie in its folder.

    ``console`` shows the progress where it is a terminal. Raises `InvalidOptions` before anything is uploaded.
    """
    await check_choices(client, options)
    with Progress(
        _StateColumn(),
        TextColumn("{task.description}", table_column=None),
        BarColumn(),
        _AudioColumn(),
        TextColumn("{task.fields[state]}"),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        board = _Board(progress, recordings)
        uploads = asyncio.Semaphore(_UPLOADS)

        async def upload(recording: Recording) -> None:
            async with uploads:
                try:
                    recording.job = await client.submit(recording.path, options)
                except ApiError as error:
                    recording.error = f"{error} ({error.code})"
                except OSError as error:
                    recording.error = str(error)
            board.show(recording)

        submitting = asyncio.gather(*(upload(recording) for recording in recordings))
        while not all(recording.done for recording in recordings):
            await asyncio.sleep(_ROUND_S)
            waiting = [recording for recording in recordings if recording.job and not recording.done]
            await asyncio.gather(*(_follow(client, recording, board) for recording in waiting[:_WATCHED]))
        await submitting


def exit_code(recordings: Sequence[Recording]) -> int:
    """Return 0 where everything was transcribed, 1 where something failed, `NO_SPEECH` where nothing was in one."""
    if any(recording.error for recording in recordings):
        return 1
    return NO_SPEECH if any(recording.silent for recording in recordings) else 0


def warnings(transcript: Transcript) -> tuple[str, ...]:
    """Return a recording's notes, and the uncertain and failed length of its transcript, if there is such."""
    return (*(note.text for note in transcript.notes), *filter(None, (_doubts(transcript),)))


def one_line(told: Sequence[str]) -> str:
    """Return notes in one line: sentences after each other, a semicolon after what is none."""
    line = ""
    for text in told:
        line += f"{' ' if line.endswith('.') else '; '}{text}" if line else text
    return line


def _doubts(transcript: Transcript) -> str:
    """Return a transcript's uncertain and failed length ("0:10 uncertain, 1:00 failed"), "" if there is none."""
    told = []
    for health, word in ((CoverageStatus.SUSPECT, "uncertain"), (CoverageStatus.FAILED, "failed")):
        if seconds := health_s(transcript, health):
            told.append(f"{clock(ceil(seconds))} {word}")
    return ", ".join(told)


async def _follow(client: Client, recording: Recording, board: "_Board") -> None:
    try:
        job = await client.job(recording.job["id"])
        if job["state"] == "succeeded":
            recording.folder.mkdir(parents=True, exist_ok=True)
            for name, url in result_files(job):
                await client.save_result(url, recording.folder / name)
            transcript = decode(Transcript, (recording.folder / "transcript.json").read_bytes())
            recording.warnings = (*warnings(transcript), *_about_translations(job))
            recording.silent = not has_words(transcript)
        recording.job = job
    except (ApiError, OSError) as error:
        recording.error = str(error)
    if recording.job.get("state") in ("failed", "cancelled"):
        told = (recording.job["state"], recording.job.get("reason"), recording.job.get("detail"))
        recording.error = ": ".join(filter(None, told))
    board.show(recording)


def _about_translations(job: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the job tells of translations that are not there or not whole."""
    yield from (note["text"] for note in job.get("notes", ()) if note["code"].startswith("translation_"))


class _Board:
    """Shows one progress line per recording under way, and one for all of them when there are many."""

    def __init__(self, progress: Progress, recordings: Sequence[Recording]) -> None:
        self._progress = progress
        self._recordings = recordings
        self._lines: dict[Path, TaskID] = {}
        self._whole = (
            progress.add_task(f"{len(recordings)} recordings", total=None, state="", failed=False)
            if len(recordings) > 1
            else None
        )

    def show(self, recording: Recording) -> None:
        """Bring the recording's line up to date."""
        if recording.path not in self._lines:
            self._lines[recording.path] = self._progress.add_task(
                escape(recording.path.name), total=None, state="", failed=False
            )
        line = self._lines[recording.path]
        heard = recording.job.get("progress") or {}
        self._progress.update(
            line,
            total=heard.get("audio_s") or None,
            completed=heard.get("done_s") or 0,
            state=_state_of(recording),
            failed=bool(recording.error),
        )
        if recording.done:
            self._progress.stop_task(line)
            if self._whole is not None:
                self._progress.update(line, visible=bool(recording.error))
        self._show_whole()

    def _show_whole(self) -> None:
        if self._whole is None:
            return
        progress = [recording.job.get("progress") or {} for recording in self._recordings]
        n_done = sum(recording.done for recording in self._recordings)
        self._progress.update(
            self._whole,
            total=sum(item.get("audio_s", 0) for item in progress) or None,
            completed=sum(item.get("done_s", 0) for item in progress),
            state=f"{n_done}/{len(self._recordings)} done",
        )


class _StateColumn(SpinnerColumn):
    """Renders a spinner until a recording has ended, then how."""

    def render(self, task: Task) -> RenderableType:
        if task.stop_time is None:
            return super().render(task)
        return Text("✗", style="red") if task.fields["failed"] else Text("✓", style="green")


class _AudioColumn(ProgressColumn):
    """Renders transcribed and known audio as minutes and seconds."""

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text()
        return Text(f"{clock(task.completed)} of {clock(task.total or 0)}", style="progress.data.speed")


def clock(seconds: float) -> str:
    """Return seconds as minutes and seconds, with hours where there are some."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _state_of(recording: Recording) -> str:
    if recording.error:
        return f"[red]{escape(recording.error)}[/red]"
    state = str(recording.job.get("state", "uploading"))
    eta_s = recording.job.get("eta_s")
    return f"{state}, {clock(eta_s)} left" if eta_s and not recording.done else state
