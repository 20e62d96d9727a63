"""Text where nobody speaks: in how many clips, for how many seconds, in which kinds of sound."""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scripts.accuracy.clips import Clip, plan, recorded, render, write_wav
from scripts.accuracy.record import Measurement
from scripts.documentation.tables import table
from scripts.hearing.arms import Options, Task
from scripts.hearing.cli import Ask, Setup
from scripts.hearing.heard import Heard, HeardSegment
from scripts.hearing.intervals import union

ARMS = ("engine", "sequential", "sequential-vad", "batched-8")


@dataclass(frozen=True, kw_only=True)
class Invented:
    """The text that an arm wrote for a clip, and the seconds that it covers; "" and 0 are right."""

    clip: Clip
    text: str
    text_s: float

    @property
    def has_words(self) -> bool:
        """Say whether a letter or a figure was written."""
        return any(character.isalnum() for character in self.text)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What an arm wrote for all clips, and the processor time that it took."""

    arm: str
    invented: tuple[Invented, ...]
    cpu_s: float

    def with_words(self, kind: str | None = None) -> list[Invented]:
        """Return the clips, of a kind or all, for which words were written."""
        return [one for one in self.invented if one.has_words and kind in (None, one.clip.kind)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``measure-accuracy hallucination``."""
    add = parser.add_argument
    add("--clips", type=int, default=300, help="to synthesize (%(default)s)")
    add("--seed", type=int, default=1, help="of what is drawn (%(default)s)")
    add("--data", type=Path, help="folder with recordings none_* in which nobody speaks, heard as well")
    add("--language", default="en", help="that is given to every arm (%(default)s)")
    add("--arms", nargs="+", default=list(ARMS), help="as of scripts/hear (%(default)s)")


def measure(options: argparse.Namespace, model: Path, ask_for: Ask) -> Iterator[Measurement]:
    """Yield what is known after each arm."""
    clips = [*plan(options.clips, options.seed), *(recorded(options.data) if options.data else ())]
    with tempfile.TemporaryDirectory(prefix="clips-") as folder:
        tasks = tuple(
            Task(path=_path(clip, Path(folder, f"{i:04d}.wav")), language=options.language)
            for i, clip in enumerate(clips)
        )
        setup = Setup(model=model, cores=options.cores, tasks=tasks)
        runs = []
        for arm in options.arms:
            (answer,) = ask_for(arm, setup, [Options(beam=1)])
            invented = tuple(
                invented_in(clip, Heard.from_dict(heard)) for clip, heard in zip(clips, answer["heard"], strict=True)
            )
            runs.append(Run(arm=arm, invented=invented, cpu_s=answer["cpu_s"]))
            yield Measurement(text=tables(clips, runs), details=[_details(run) for run in runs])


def _path(clip: Clip, path: Path) -> str:
    if clip.path:
        return clip.path
    write_wav(path, render(clip))
    return str(path)


def invented_in(clip: Clip, heard: Heard) -> Invented:
    """Count what was heard in a clip without speech; a failure is text, since it is no empty transcript."""
    text = " ".join(segment.text.strip() for segment in heard.segments) or heard.failure
    covered = union((segment.start_s, segment.end_s) for segment in heard.segments if _has_words(segment))
    return Invented(clip=clip, text=text, text_s=sum(end - start for start, end in covered))


def _has_words(segment: HeardSegment) -> bool:
    return any(character.isalnum() for character in segment.text)


def tables(clips: Sequence[Clip], runs: Sequence[Run]) -> str:
    """Return two Markdown tables: all clips by arm, and the clips with words by kind of sound."""
    minutes = sum(clip.seconds for clip in clips) / 60
    n_telephone = sum(clip.telephone for clip in clips)
    summary = table(
        ("arm", "clips with words", "share", "s with text", "processor s"),
        [
            (
                run.arm,
                str(len(run.with_words())),
                f"{100 * len(run.with_words()) / len(clips):.1f} %",
                f"{sum(one.text_s for one in run.invented):.1f}",
                f"{run.cpu_s:.0f}",
            )
            for run in runs
        ],
    )
    kinds = sorted({clip.kind for clip in clips if any(run.with_words(clip.kind) for run in runs)})
    quiet = sorted({clip.kind for clip in clips} - set(kinds))
    by_kind = table(
        ("kind", "clips", *(run.arm for run in runs)),
        [
            (
                kind,
                str(sum(clip.kind == kind for clip in clips)),
                *(str(len(run.with_words(kind))) for run in runs),
            )
            for kind in kinds
        ],
    )
    return (
        f"{len(clips)} clips without speech, {minutes:.1f} minutes, {n_telephone} clips in a telephone's band.\n\n"
        f"{summary}\nClips with words by kind of sound; no arm wrote any for {', '.join(quiet) or 'none'}.\n\n{by_kind}"
    )


def _details(run: Run) -> dict[str, Any]:
    words = [{**asdict(one.clip), "text": one.text, "text_s": one.text_s} for one in run.with_words()]
    return {"arm": run.arm, "cpu_s": run.cpu_s, "with_words": words}
