"""Spoken sentences over a transcript's segments, each knowing which segments it was said in.

A sentence may straddle segments and a segment may hold several sentences. Recognisers leave punctuation out, so
where it is rare a segment counts as a sentence.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.core import CoverageStatus, Evidence, Segment, Transcript
from pipelines.minutes.language.wording import clean, joint, token_ends, tokens

MAX_PAUSE_S = 2.5
MAX_TOKENS = 60
# No language has such sentences; a recogniser in a loop has.
MAX_CHARACTERS = 600
MIN_ENDS_PER_SEGMENT = 0.34

_ABBREVIATION = re.compile(r"\b(?:mr|mrs|ms|dr|prof|st|vs|etc|e\.g|i\.e|no|inc|ltd|approx|[a-z])\.$", re.IGNORECASE)
_END = re.compile(r"[.?!…]+[\"')\]]*(?=\s|$)|[。？！；؟۔।॥።։]+[”’」』）\"')»]*")
_COMMA = re.compile(r"[,;:](?=\s)|[，、：]")


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """One spoken sentence; ``text`` is literal, ``clean`` is what is left of it without hesitations.

    Times are those of the first and last segment it was said in, seconds on the recording's clock.
    ``index`` counts from 0 in the order of speaking; ``speaker`` is "" when unknown.
    """

    index: int
    text: str
    clean: str
    segment_ids: tuple[int, ...]
    speaker: str
    channel: int
    start_s: float
    end_s: float

    @property
    def evidence(self) -> Evidence:
        return Evidence(segment_ids=self.segment_ids, quote=self.text)


def split_sentences(transcript: Transcript) -> tuple[Sentence, ...]:
    """Split a transcript into sentences, ordered by start time; failed and empty segments are passed over."""
    segments = [
        segment
        for segment in transcript.segments
        if segment.text.strip() and segment.health is not CoverageStatus.FAILED
    ]
    n_ends = sum(1 for segment in segments if _END.search(segment.text))
    punctuated = n_ends >= MIN_ENDS_PER_SEGMENT * len(segments)
    found: list[tuple[str, list[Segment]]] = []
    for run in _runs(segments, punctuated):
        found.extend(_split_run(run))
    found.sort(key=lambda item: (item[1][0].start_s, item[1][0].id))
    return tuple(
        Sentence(
            index=index,
            text=text,
            clean=clean(text),
            segment_ids=tuple(segment.id for segment in cited),
            speaker=cited[0].speaker,
            channel=cited[0].channel,
            start_s=cited[0].start_s,
            end_s=max(segment.end_s for segment in cited),
        )
        for index, (text, cited) in enumerate(found)
    )


def _runs(segments: list[Segment], punctuated: bool) -> Iterator[list[Segment]]:
    """Yield segments that one voice says without a long pause, channel by channel; single ones without punctuation."""
    open_runs: dict[int, list[Segment]] = {}
    for segment in segments:
        run = open_runs.get(segment.channel)
        if run and punctuated and run[-1].speaker == segment.speaker and segment.start_s - run[-1].end_s <= MAX_PAUSE_S:
            run.append(segment)
            continue
        if run:
            yield run
        open_runs[segment.channel] = [segment]
    yield from open_runs.values()


def _split_run(run: list[Segment]) -> Iterator[tuple[str, list[Segment]]]:
    text = ""
    bounds: list[tuple[int, int]] = []  # where each segment stands in the text
    for segment in run:
        piece = segment.text.strip()
        text += joint(text, piece)
        bounds.append((len(text), len(text) + len(piece)))
        text += piece
    for start, end in _sentence_bounds(text, [end for _, end in bounds]):
        sentence = text[start:end].strip()
        if not tokens(sentence):
            continue
        start += len(text[start:end]) - len(text[start:end].lstrip())
        end = start + len(sentence)
        cited = [segment for segment, (first, last) in zip(run, bounds, strict=True) if first < end and last > start]
        yield sentence, cited


def _sentence_bounds(text: str, segment_ends: list[int]) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _END.finditer(text):
        if match.group().startswith(".") and _ABBREVIATION.search(text[start : match.end()]):
            continue
        yield from _bounded(text, start, match.end(), segment_ends)
        start = match.end()
    yield from _bounded(text, start, len(text), segment_ends)


def _bounded(text: str, start: int, end: int, segment_ends: list[int]) -> Iterator[tuple[int, int]]:
    """Cut what is too long for a sentence: between segments first, then at a comma, then between words."""
    ends = token_ends(text, start, end)
    while len(ends) > MAX_TOKENS or end - start > MAX_CHARACTERS:
        within = [cut for cut in ends[:MAX_TOKENS] if cut <= start + MAX_CHARACTERS]
        latest = within[-1] if within else start + MAX_CHARACTERS
        earliest = within[len(within) // 3] if within else latest
        between = [cut for cut in segment_ends if start < cut <= latest]
        commas = [match.end() for match in _COMMA.finditer(text, earliest, min(end, latest + 1))]
        cut = min(end, (between or commas or [latest])[-1])
        yield start, cut
        start = cut
        ends = [token_end for token_end in ends if token_end > cut]
    yield start, end
