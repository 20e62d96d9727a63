"""How true times are: of words, of segments, of talk on a call's channels, and the silence that segments hide."""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from statistics import median, quantiles
from typing import Any

from pipelines.core import ModelInfo, Segment, Transcript
from pipelines.transcript.talk_time import talk_of
from scripts.accuracy.clips import write_wav
from scripts.accuracy.record import Measurement
from scripts.accuracy.timed_voices import recording
from scripts.documentation.tables import table
from scripts.hearing.alignment import align, words_of
from scripts.hearing.arms import Options, Task
from scripts.hearing.cli import Ask, Setup
from scripts.hearing.corpus import Recording, TimedText, TrueChannel, load_corpus
from scripts.hearing.heard import Heard, HeardSegment
from scripts.hearing.intervals import union
from scripts.speech.truth import Truth, load_truth
from scripts.speech.voices import SAMPLE_RATE
from scripts.throughput.processes import ROOT

ARMS = ("engine", "sequential", "sequential-vad", "batched-8")
OWN_ARMS = frozenset({"engine", "cluster"})
"""MeetMemo's, which time segments without word times too."""
SAMPLES = ("meeting-3min.flac", "meeting-12min.mp3", "call-stereo.opus", "call-8khz-ulaw.wav")
CALL = "call-stereo.opus"
WORDS, SENTENCES, PEOPLE = "voices, words timed", "samples, sentences timed", "people, turns timed"
_DATA = ROOT / "tests" / "data"


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Heard minus true times in seconds, of words and segments; ``silences_s``: longest silence in each segment."""

    word_starts_s: tuple[float, ...] = ()
    word_ends_s: tuple[float, ...] = ()
    segment_starts_s: tuple[float, ...] = ()
    segment_ends_s: tuple[float, ...] = ()
    silences_s: tuple[float, ...] = ()

    def __add__(self, other: "Errors") -> "Errors":
        return Errors(**{name: mine + getattr(other, name) for name, mine in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class Talk:
    """Seconds that each channel of a call talks, and that both do."""

    talk_s: tuple[float, ...]
    overlap_s: float


@dataclass(frozen=True, kw_only=True)
class Run:
    """Errors of an arm by group of recordings, and the call's talk as it heard it."""

    arm: str
    word_times: bool
    groups: dict[str, Errors] = field(default_factory=dict)
    talk: Talk | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``measure-accuracy times``."""
    add = parser.add_argument
    add("--recordings", type=int, default=12, help="of synthetic voices whose every word is timed (%(default)s)")
    add("--sentences", type=int, default=12, help="in each of them (%(default)s)")
    add("--seed", type=int, default=1, help="of what is drawn (%(default)s)")
    add("--samples", nargs="*", default=list(SAMPLES), help="of tests/data (%(default)s)")
    add("--data", type=Path, help="folder with truth.json as of scripts/hear; recordings with timed turns are heard")
    add("--arms", nargs="+", default=list(ARMS), help="as of scripts/hear (%(default)s)")


def measure(options: argparse.Namespace, model: Path, ask_for: Ask) -> Iterator[Measurement]:
    """Yield what is known after each arm."""
    with tempfile.TemporaryDirectory(prefix="times-") as folder:
        recordings = list(_recordings(options, Path(folder)))
        tasks = tuple(Task(path=str(one.path.resolve()), language=one.language, split=one.split) for one in recordings)
        runs: list[Run] = []
        for arm in options.arms:
            asked = [Options(word_times=word_times) for word_times in ((False, True) if arm in OWN_ARMS else (True,))]
            answers = ask_for(arm, Setup(model=model, cores=options.cores, tasks=tasks), asked)
            for one, answer in zip(asked, answers, strict=True):
                heard = [Heard.from_dict(fields) for fields in answer["heard"]]
                runs.append(run_of(arm, one.word_times, recordings, heard))
            yield Measurement(text=tables(recordings, runs), details=[asdict(run) for run in runs])


def _recordings(options: argparse.Namespace, folder: Path) -> Iterator[Recording]:
    rng = Random(options.seed)
    for number in range(options.recordings):
        made = recording(options.sentences, rng)
        path = folder / f"voices-{number:02d}.wav"
        write_wav(path, made.pcm)
        text = " ".join(sentence.text for sentence in made.sentences)
        channel = TrueChannel(
            text=text, sentences=tuple(s.text for s in made.sentences), turns=made.sentences, words=made.words
        )
        yield Recording(
            path=path, language="en", group=WORDS, duration_s=len(made.pcm) / SAMPLE_RATE, channels=(channel,)
        )
    for name in options.samples:
        yield of_sample(name)
    for one in load_corpus(options.data) if options.data else ():
        if all(channel.turns for channel in one.channels):
            yield replace(one, group=PEOPLE)


def of_sample(name: str) -> Recording:
    """Return a recording of tests/data with its sentences as turns."""
    truth = load_truth(_DATA / f"{Path(name).stem}.truth.json")
    return Recording(
        path=_DATA / name,
        language=truth.language,
        group=SENTENCES,
        duration_s=truth.duration_s,
        channels=tuple(_true_channel(truth, number) for number in range(truth.channels)),
    )


def _true_channel(truth: Truth, number: int) -> TrueChannel:
    said = [segment for segment in truth.segments if segment.channel == number]
    return TrueChannel(
        text=truth.channel_text(number),
        sentences=tuple(segment.text for segment in said),
        turns=tuple(TimedText(text=s.text, start_s=s.start_s, end_s=s.end_s) for s in said),
    )


def run_of(arm: str, word_times: bool, recordings: Sequence[Recording], heard: Sequence[Heard]) -> Run:
    """Compare what an arm heard with the truth; words count only where their times were asked for."""
    groups: dict[str, Errors] = {}
    talk = None
    for one, its in zip(recordings, heard, strict=True):
        for number, channel in enumerate(one.channels):
            segments = its.on(number) if word_times else [replace(s, words=()) for s in its.on(number)]
            groups[one.group] = groups.get(one.group, Errors()) + errors_of(channel, segments, one.language)
        if one.path.name == CALL:
            talk = talk_in(its.segments, one)
    return Run(arm=arm, word_times=word_times, groups=groups, talk=talk)


@dataclass(frozen=True, kw_only=True)
class _Token:
    """A normalized word; times are None where they are not its own."""

    text: str
    start_s: float | None
    end_s: float | None


def errors_of(channel: TrueChannel, segments: Sequence[HeardSegment], language: str) -> Errors:
    """Compare the times of what was heard rightly on a channel with the true ones, where both are known."""
    true = [token for part in channel.words or channel.turns for token in _tokens(part, language)]
    by_segment = [[token for part in s.words or (s,) for token in _tokens(part, language)] for s in segments]
    heard = [token for tokens in by_segment for token in tokens]
    hits = {at: place for place, at in align([t.text for t in true], [t.text for t in heard]).hits.items()}
    words = [(heard[at], true[place]) for at, place in hits.items()] if channel.words else []
    timed = [(ours, its) for ours, its in words if any(s.words for s in segments)]
    starts, ends = [], []
    first = 0
    for segment, tokens in zip(segments, by_segment, strict=True):
        last = first + len(tokens) - 1
        if tokens and first in hits:
            starts += _difference(segment.start_s, true[hits[first]].start_s)
        if tokens and last in hits:
            ends += _difference(segment.end_s, true[hits[last]].end_s)
        first = last + 1
    speech = union((part.start_s, part.end_s) for part in channel.words or channel.turns)
    return Errors(
        word_starts_s=tuple(d for ours, its in timed for d in _difference(ours.start_s, its.start_s)),
        word_ends_s=tuple(d for ours, its in timed for d in _difference(ours.end_s, its.end_s)),
        segment_starts_s=tuple(starts),
        segment_ends_s=tuple(ends),
        silences_s=tuple(longest_silence_s(segment, speech) for segment in segments if segment.text.strip()),
    )


def _tokens(part: Any, language: str) -> Iterator[_Token]:
    """Yield a part's words: the first one has its start, the last one its end."""
    words = words_of(part.text, language)
    for place, word in enumerate(words):
        yield _Token(
            text=word,
            start_s=part.start_s if place == 0 else None,
            end_s=part.end_s if place == len(words) - 1 else None,
        )


def _difference(heard_s: float | None, true_s: float | None) -> list[float]:
    return [] if heard_s is None or true_s is None else [heard_s - true_s]


def longest_silence_s(segment: HeardSegment, speech: Sequence[tuple[float, float]]) -> float:
    """Return the longest stretch within a segment's times in which nobody speaks."""
    inside = [(max(a, segment.start_s), min(b, segment.end_s)) for a, b in speech]
    edges = [segment.start_s, *(edge for a, b in inside if b > a for edge in (a, b)), segment.end_s]
    return max((b - a for a, b in zip(edges[::2], edges[1::2], strict=True)), default=0.0)


def talk_in(segments: Sequence[HeardSegment | TimedText], recording: Recording) -> Talk:
    """Return a call's talk as the product counts it, whoever heard the segments."""
    transcript = Transcript(
        duration_s=recording.duration_s,
        language=recording.language,
        languages=(),
        segments=tuple(
            Segment(id=i, channel=s.channel, speaker="", start_s=s.start_s, end_s=s.end_s, text=s.text)
            for i, s in enumerate(segments)
        ),
        coverage=(),
        model=ModelInfo(name=""),
        n_channels=len(recording.channels),
    )
    talks = talk_of(transcript)
    return Talk(talk_s=tuple(talk.talk_s for talk in talks), overlap_s=max(talk.overlap_s for talk in talks))


def true_talk(recording: Recording) -> Talk:
    """Return a call's talk by its truth."""
    return talk_in(
        [
            HeardSegment(channel=number, text=turn.text, start_s=turn.start_s, end_s=turn.end_s)
            for number, channel in enumerate(recording.channels)
            for turn in channel.turns
        ],
        recording,
    )


def tables(recordings: Sequence[Recording], runs: Sequence[Run]) -> str:
    """Return Markdown tables: one for each group of recordings, and one for the call's talk."""
    parts = []
    for group in dict.fromkeys(one.group for one in recordings):
        of_it = [one for one in recordings if one.group == group]
        minutes = sum(one.duration_s for one in of_it) / 60
        rows = [row for run in runs if (row := _row(run, group))]
        titles = (
            *("arm", "word times", "words", "word starts, s", "word ends, s"),
            *("segments", "segment starts, s", "segment ends, s", "longest silence in a segment, s"),
        )
        parts.append(f"{group}: {len(of_it)} recordings, {minutes:.1f} minutes.\n\n{table(titles, rows)}")
    call = next((one for one in recordings if one.path.name == CALL), None)
    if call:
        parts.append(f"Talk on {CALL}:\n\n{_talk_table(call, runs)}")
    return "Times are off by: median of the distance (9 of 10 below), mean towards later.\n\n" + "\n".join(parts)


def _row(run: Run, group: str) -> tuple[str, ...]:
    errors = run.groups[group]
    return (
        run.arm,
        "yes" if run.word_times else "no",
        str(len(errors.word_starts_s)) if errors.word_starts_s else "–",
        _spread(errors.word_starts_s),
        _spread(errors.word_ends_s),
        str(len(errors.silences_s)),
        _spread(errors.segment_starts_s),
        _spread(errors.segment_ends_s),
        f"{max(errors.silences_s, default=0.0):.2f}",
    )


def _spread(differences_s: Sequence[float]) -> str:
    """Median and ninth decile of the distances, and the mean difference."""
    if len(differences_s) < 2:
        return "–"
    distances = [abs(difference) for difference in differences_s]
    decile = quantiles(distances, n=10, method="inclusive")[-1]
    return f"{median(distances):.2f} ({decile:.2f}), {sum(differences_s) / len(differences_s):+.2f}"


def _talk_table(call: Recording, runs: Sequence[Run]) -> str:
    said = true_talk(call)
    rows = [("truth", "", *_talk_cells(said))]
    rows += [(run.arm, "yes" if run.word_times else "no", *_talk_cells(run.talk)) for run in runs if run.talk]
    return table(("arm", "word times", "left, s", "right, s", "both at once, s"), rows)


def _talk_cells(talk: Talk) -> tuple[str, ...]:
    return (*(f"{talk_s:.1f}" for talk_s in talk.talk_s), f"{talk.overlap_s:.1f}")
