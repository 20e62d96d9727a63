"""Words at seams: running speech is cut, both sides are heard on their own and joined as the product joins them.

Four ways to cut one stretch, which is also heard whole:

- ``at random``: MeetMemo's rows part at a random place within speech, as no part of the product would;
- ``by the Segmenter``: MeetMemo's rows part where `pipelines.audio.segmentation` cuts speech that never pauses, its
  window ending at that random place;
- ``sequential``, ``batched-8``: faster-whisper with a window of that length.

Only words near the seam count, and only those that the same engine heard rightly in the whole stretch.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from pipelines.audio.segmentation import SegmentationOptions, SpanDraft, split_audio
from pipelines.core import SAMPLE_RATE, BlobRef, Chunk, SpeechInterval, Transcript
from pipelines.transcript.stitching import stitch
from pipelines.whisper.engine import EngineOptions, WhisperEngine
from pipelines.whisper.options import DecodeOptions, DecodeRequest
from scripts.accuracy.always_speech import AlwaysSpeech
from scripts.accuracy.clips import write_wav
from scripts.accuracy.record import Measurement
from scripts.accuracy.stretches import Stretch, of_people, synthetic
from scripts.documentation.tables import table
from scripts.hearing.alignment import align, words_of
from scripts.hearing.arms import FasterWhisper, Options, Task
from scripts.hearing.cli import Ask
from scripts.hearing.heard import Heard

RANDOM, SEGMENTER = "at random", "by the Segmenter"
PEERS = {"sequential": {}, "batched-8": {"batch_size": 8}}
NEAR_S = 1.0
"""Words that end or begin farther than this from a seam bound what counts as near it."""
_ROWS_AT_ONCE = 16
_STRETCHES_AT_ONCE = 4
_NOWHERE = BlobRef(key="none", n_bytes=0)

TimedWord = tuple[str, float, float]
"""A word as it was heard, its start and end in seconds."""


@dataclass(frozen=True, kw_only=True)
class Seam:
    """What became of the words near a cut.

    ``n_words`` were heard rightly in the whole stretch; of these ``lost`` have nothing in their stead, ``changed``
    another word; ``doubled`` are words that were put in, more than in the whole. Texts are what was compared.
    """

    way: str
    source: str
    cut_s: float
    n_words: int
    lost: int
    changed: int
    doubled: int
    whole: str = ""
    parted: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``measure-accuracy seams``."""
    add = parser.add_argument
    add("--cuts", type=int, default=1000, help="places to cut at, for each way (%(default)s)")
    add("--each", type=int, default=4, help="most cuts of one stretch (%(default)s)")
    add("--peer-cuts", type=int, default=200, help="of these also by faster-whisper (%(default)s)")
    add("--seed", type=int, default=1, help="of what is drawn (%(default)s)")
    add("--data", type=Path, help="folder with truth.json as of scripts/hear, cut as well")
    add("--minutes", type=float, default=60.0, help="after which no more is cut (%(default)s)")


def measure(options: argparse.Namespace, model: Path, ask_for: Ask) -> Iterator[Measurement]:
    """Yield what is known after every few stretches."""
    ends_s = time.monotonic() + 60 * options.minutes
    product = Rows(model, options.cores)
    peers = {name: FasterWhisper(model, options.cores, **own) for name, own in PEERS.items() if options.peer_cuts}
    seams: list[Seam] = []
    done: Counter[str] = Counter()
    for group in grouped(_cases(options), _STRETCHES_AT_ONCE):
        seams += product.seams(group)
        yield Measurement(text=tables(seams), details=[asdict(seam) for seam in seams])
        for stretch, cuts_s in group:
            for name, arm in peers.items():
                if done[name] < options.peer_cuts:
                    seams += peer_seams(name, arm, stretch, cuts_s)
                    done[name] += len(cuts_s)
        if time.monotonic() > ends_s:
            break
    yield Measurement(text=tables(seams), details=[asdict(seam) for seam in seams])


def _cases(options: argparse.Namespace) -> Iterator[tuple[Stretch, list[int]]]:
    """Yield stretches and where to cut them, voices and people in turn, until the cuts are used up."""
    rng = Random(options.seed)
    left = options.cuts
    for stretch in in_turn(synthetic(rng), of_people(options.data) if options.data else iter(())):
        cuts_s = stretch.cuts_s(min(left, options.each), rng)
        left -= len(cuts_s)
        if cuts_s:
            yield stretch, cuts_s
        if not left:
            return


def in_turn(*sources: Iterator[Any]) -> Iterator[Any]:
    """Yield one of each source in turn, as long as any has more."""
    rests = list(sources)
    while rests:
        for source in list(rests):
            for one in islice(source, 1):
                yield one
                break
            else:
                rests.remove(source)


def grouped(cases: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Yield lists of so many cases, the last of what is left."""
    while group := list(islice(cases, size)):
        yield group


class Rows:
    """MeetMemo's engine and stitcher on rows that are cut beforehand."""

    def __init__(self, model: Path, cores: int) -> None:
        self._engine = WhisperEngine.load(model, EngineOptions(intra_threads=cores))
        self._engine.warm_up()

    def seams(self, cases: Sequence[tuple[Stretch, Sequence[int]]]) -> Iterator[Seam]:
        """Yield what becomes of the words at each cut, both ways."""
        jobs: dict[tuple[int, tuple[int, ...]], tuple[Stretch, list[SpanDraft]]] = {}
        asked: list[tuple[str, int, float, tuple[int, tuple[int, ...]]]] = []
        for number, (stretch, cuts_s) in enumerate(cases):
            jobs[number, ()] = stretch, [cut_at(stretch, [])]
            for cut_s in cuts_s:
                jobs[number, (cut_s * SAMPLE_RATE,)] = stretch, [cut_at(stretch, [cut_s * SAMPLE_RATE])]
                asked.append((RANDOM, number, cut_s, (number, (cut_s * SAMPLE_RATE,))))
                drafts = cut_by_segmenter(stretch, cut_s)
                places = tuple(chunk.start for draft in drafts for chunk in draft.chunks)[1:]
                jobs.setdefault((number, places), (stretch, drafts))
                if places:
                    asked.append((SEGMENTER, number, places[0] / SAMPLE_RATE, (number, places)))
        transcripts = dict(zip(jobs, self._transcripts(list(jobs.values())), strict=True))
        for way, number, cut_s, key in asked:
            whole = transcripts[number, ()]
            timed = [(word.text, word.start_s, word.end_s) for segment in whole.segments for word in segment.words]
            yield compared(way, cases[number][0], cut_s, timed, _text(whole), _text(transcripts[key]))

    def _transcripts(self, jobs: Sequence[tuple[Stretch, Sequence[SpanDraft]]]) -> list[Transcript]:
        requests = [
            DecodeRequest(
                pcm=draft.row(chunk), index=i, options=DecodeOptions(language=stretch.language, word_timestamps=True)
            )
            for i, (stretch, draft, chunk) in enumerate(
                (stretch, draft, chunk) for stretch, drafts in jobs for draft in drafts for chunk in draft.chunks
            )
        ]
        firsts = range(0, len(requests), _ROWS_AT_ONCE)
        results = iter(
            [r for first in firsts for r in self._engine.transcribe(requests[first : first + _ROWS_AT_ONCE])]
        )
        return [
            stitch(
                [draft.stored(_NOWHERE) for draft in drafts],
                {chunk.index: next(results) for draft in drafts for chunk in draft.chunks},
                duration_s=stretch.seconds,
                n_channels=1,
                languages=(),
                model=self._engine.info,
            )
            for stretch, drafts in jobs
        ]


def cut_at(stretch: Stretch, places: Sequence[int]) -> SpanDraft:
    """Return the stretch as one span whose rows part at these samples."""
    edges = [0, *places, len(stretch.pcm)]
    return SpanDraft(
        index=0,
        channel=0,
        start=0,
        end=len(stretch.pcm),
        pcm=stretch.pcm,
        chunks=tuple(
            Chunk(index=i, channel=0, span=0, pieces=(SpeechInterval(start=edges[i], end=edges[i + 1]),))
            for i in range(len(edges) - 1)
        ),
    )


def cut_by_segmenter(stretch: Stretch, window_s: float) -> list[SpanDraft]:
    """Cut a stretch as the Segmenter cuts speech without a pause when a window is so long."""
    options = SegmentationOptions(window_s=window_s)
    return list(split_audio(iter([stretch.pcm[None]]), options, speech_model=AlwaysSpeech))


def _text(transcript: Transcript | Heard) -> str:
    return " ".join(segment.text for segment in transcript.segments)


def compared(way: str, stretch: Stretch, cut_s: float, timed: Sequence[TimedWord], whole: str, parted: str) -> Seam:
    """Compare a transcript in parts with that of the whole, whose words are ``timed``, near a cut."""
    said = words_of(stretch.text, stretch.language)
    first, last = near(stretch, timed, cut_s)
    before = align(said, words_of(whole, stretch.language))
    after = align(said, words_of(parted, stretch.language))
    heard = {place for place in before.hits if first <= place < last}
    put_in = [sum(first <= place <= last for place in each.inserted) for each in (after, before)]
    return Seam(
        way=way,
        source=stretch.source,
        cut_s=cut_s,
        n_words=len(heard),
        lost=sum(place in after.deleted for place in heard),
        changed=sum(place not in after.deleted and place not in after.hits for place in heard),
        doubled=max(0, put_in[0] - put_in[1]),
        whole=whole,
        parted=parted,
    )


def near(stretch: Stretch, timed: Sequence[TimedWord], cut_s: float) -> tuple[int, int]:
    """Return from which to which place of the truth words lie near a cut, by the words that were heard rightly."""
    tokens = [(token, start_s, end_s) for text, start_s, end_s in timed for token in words_of(text, stretch.language)]
    said = words_of(stretch.text, stretch.language)
    hits = align(said, [token for token, _, _ in tokens]).hits
    first = max((place + 1 for place, at in hits.items() if tokens[at][2] <= cut_s - NEAR_S), default=0)
    last = min((place for place, at in hits.items() if tokens[at][1] >= cut_s + NEAR_S), default=len(said))
    return first, max(first, last)


def peer_seams(name: str, arm: FasterWhisper, stretch: Stretch, cuts_s: Sequence[int]) -> Iterator[Seam]:
    """Yield what becomes of the words where faster-whisper's window ends."""
    with tempfile.TemporaryDirectory(prefix="seams-") as folder:
        path = Path(folder, "stretch.wav")
        write_wav(path, stretch.pcm)
        task = Task(path=str(path), language=stretch.language)
        (whole,) = arm.hear([task], Options(word_times=True))
        parted = arm.hear([replace(task, window_s=cut_s) for cut_s in cuts_s], Options())
    timed = [(word.text, word.start_s, word.end_s) for segment in whole.segments for word in segment.words]
    for cut_s, heard in zip(cuts_s, parted, strict=True):
        yield compared(name, stretch, cut_s, timed, _text(whole), _text(heard))


def tables(seams: Sequence[Seam]) -> str:
    """Return a Markdown table: a row for each way and source."""
    rows = []
    for way, source in dict.fromkeys((seam.way, seam.source) for seam in seams):
        of_it = [seam for seam in seams if (seam.way, seam.source) == (way, source)]
        sound = sum(not (seam.lost or seam.changed or seam.doubled) for seam in of_it)
        rows.append(
            (
                way,
                source,
                str(len(of_it)),
                str(sum(seam.n_words for seam in of_it)),
                str(sum(seam.lost for seam in of_it)),
                str(sum(seam.doubled for seam in of_it)),
                str(sum(seam.changed for seam in of_it)),
                f"{100 * sound / len(of_it):.1f} %",
            )
        )
    titles = ("cut", "speech", "cuts", "words near", "lost", "doubled", "changed", "cuts without harm")
    return table(titles, rows)
