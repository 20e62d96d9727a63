"""Subtitle cues cut from a transcript: short lines, short times, breaks where a reader expects them.

Cues come from word times where the transcript has them, else from the segment's text spread over the
speech inside it. The cut is the cheapest path over all allowed breaks: punctuation and pauses are cheap,
the middle of a phrase is dear. Limits follow common broadcast practice (42 characters a line, two lines,
7 s); a full-width character counts as 42/18 of a narrow one, so Chinese lines hold 18.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import NamedTuple

from pipelines.core import SAMPLE_RATE, Coverage, CoverageStatus, Segment, SpeechInterval, Transcript
from pipelines.text.typography import ends_clause, ends_sentence, is_bare_punctuation, is_mark, is_wide, tokens
from pipelines.transcript.chunk_clock import ChunkTimeline

MAX_LINE_CHARS = 42
MAX_LINE_WIDE_CHARS = 18
MAX_CUE_MS = 7_000
MIN_CUE_MS = 800
"""A cue shorter than this stays on into the silence after it, never into the next cue of its channel."""
BREAK_PAUSE_MS = 1_000
"""A pause this long always ends a cue."""
BREATH_MS = 300
MAX_NAME_CHARS = 16
"""Speaker names before a cue's text are cut to this length."""

# Widths are counted in units in which both line limits are whole numbers.
_NARROW = MAX_LINE_WIDE_CHARS
_WIDE = MAX_LINE_CHARS
_LINE = MAX_LINE_CHARS * MAX_LINE_WIDE_CHARS
_FULL = 2 * _LINE

# Costs of a cut, relative to each other: chosen by reading cues of meetings, English and Chinese.
_CUE_COST = 3.0
_CLAUSE_BREAK = 2.0
_BREATH_BREAK = 2.5
_PHRASE_BREAK = 8.0
_INNER_SENTENCE = 2.0
_FULL_CUE = 2.0
_BRIEF_CUE = 3.0

# How uneven, in lines, the two lines of a cue may become for a first line that ends in punctuation.
_SENTENCE_BONUS = 0.6
_CLAUSE_BONUS = 0.4


@dataclass(frozen=True, kw_only=True)
class Cue:
    """One or two lines of text shown from ``start_ms`` to ``end_ms`` on the recording's clock."""

    channel: int
    speaker: str
    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    language: str = ""


class Subtitles:
    """Cuts a transcript into cues, with the speakers' names and without; what both need is made once."""

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._speech = _Speech(transcript.coverage)
        self._timed: dict[int, list[_Token]] = {}  # by the segment's place
        self._cut: dict[tuple[int, int], list[Cue]] = {}  # by the segment's place and the room for a name

    def cues(self, *, name_speakers: bool = False) -> tuple[Cue, ...]:
        """Return cues ordered by (start, channel), without overlap inside a channel.

        Cues lie within speech, except that one shorter than `MIN_CUE_MS` stays on into silence. With
        ``name_speakers`` the name is written before the text of each cue that changes the speaker.
        """
        end_ms = _ms(self._transcript.duration_s)
        by_channel: dict[int, list[Cue]] = {}
        for place, segment in enumerate(self._transcript.segments):
            indent = _width(_name(segment.speaker)) if name_speakers else 0
            by_channel.setdefault(segment.channel, []).extend(self._of_segment(place, segment, indent))
        cues = [cue for channel in sorted(by_channel) for cue in _shown(by_channel[channel], end_ms)]
        cues.sort(key=lambda cue: (cue.start_ms, cue.channel))
        return tuple(_with_names(cues)) if name_speakers else tuple(cues)

    def _of_segment(self, place: int, segment: Segment, indent: int) -> list[Cue]:
        cut = self._cut.get((place, indent))
        if cut is None:
            if place not in self._timed:
                self._timed[place] = _timed_tokens(segment) or _spread_tokens(segment, self._speech)
            cut = self._cut[place, indent] = list(_segment_cues(segment, self._timed[place], indent))
        return cut


def subtitle_cues(transcript: Transcript, *, name_speakers: bool = False) -> tuple[Cue, ...]:
    """Cut a transcript into cues, as `Subtitles.cues` does."""
    return Subtitles(transcript).cues(name_speakers=name_speakers)


class _Token(NamedTuple):
    """Text between two allowed breaks, with its leading space."""

    text: str
    start_ms: int
    end_ms: int


class _Speech:
    """Finds the speech of a channel inside an interval, from the coverage ledger."""

    def __init__(self, coverage: Sequence[Coverage]) -> None:
        self._pieces: dict[int, list[SpeechInterval]] = {}
        for interval in coverage:
            if interval.health in (CoverageStatus.TRANSCRIBED, CoverageStatus.SUSPECT):
                piece = SpeechInterval(
                    start=round(interval.start_s * SAMPLE_RATE), end=round(interval.end_s * SAMPLE_RATE)
                )
                self._pieces.setdefault(interval.channel, []).append(piece)

    def within(self, channel: int, start_s: float, end_s: float) -> list[SpeechInterval]:
        """Return pieces of speech in an interval, ascending; the interval itself where the ledger knows none."""
        start, end = round(start_s * SAMPLE_RATE), round(end_s * SAMPLE_RATE)
        pieces = self._pieces.get(channel, [])
        first = bisect_right(pieces, start, key=lambda piece: piece.end)
        last = bisect_left(pieces, end, key=lambda piece: piece.start)
        clipped = [SpeechInterval(start=max(p.start, start), end=min(p.end, end)) for p in pieces[first:last]]
        return clipped or [SpeechInterval(start=start, end=end)]


def _segment_cues(segment: Segment, timed: Sequence[_Token], indent: int) -> Iterator[Cue]:
    words = list(_fitting(timed, _LINE - indent))
    sheet = _Sheet(words, indent)
    for first, last in _cheapest_cut(words, sheet):
        start_ms = words[first].start_ms
        yield Cue(
            channel=segment.channel,
            speaker=segment.speaker,
            start_ms=start_ms,
            end_ms=min(words[last - 1].end_ms, start_ms + MAX_CUE_MS),
            lines=sheet.lines(first, last),
            language=segment.language,
        )


def _timed_tokens(segment: Segment) -> list[_Token]:
    """Return tokens from the segment's words; none when these do not spell its text."""
    if "".join("".join(word.text for word in segment.words).split()) != "".join(segment.text.split()):
        return []
    timed: list[_Token] = []
    for word in segment.words:
        start_ms, end_ms = _ms(word.start_s), _ms(word.end_s)
        if timed and is_bare_punctuation(word.text.strip()):
            timed[-1] = timed[-1]._replace(text=timed[-1].text + word.text.strip(), end_ms=end_ms)
        else:
            timed.extend(_interpolated(tokens(word.text), start_ms, end_ms))
    return timed


def _spread_tokens(segment: Segment, speech: _Speech) -> list[_Token]:
    """Return tokens of the segment's text, given time in the speech inside the segment by their width."""
    texts = tokens(segment.text)
    clock = ChunkTimeline(speech.within(segment.channel, segment.start_s, segment.end_s))
    bounds = list(accumulate((_width(text.strip()) for text in texts), initial=0))
    at_s = [clock.n_samples * bound / max(bounds[-1], 1) / SAMPLE_RATE for bound in bounds]
    spread = []
    for text, (start_s, end_s) in zip(texts, pairwise(at_s), strict=True):
        start, end = clock.interval(start_s, end_s)
        start_ms, end_ms = (_ms(min(max(at / SAMPLE_RATE, segment.start_s), segment.end_s)) for at in (start, end))
        spread.append(_Token(text, start_ms, end_ms))
    return spread


def _fitting(words: Sequence[_Token], max_width: int) -> Iterator[_Token]:
    """Yield tokens of at most ``max_width``, cutting longer ones between characters."""
    for word in words:
        if _width(word.text) <= max_width:
            yield word
            continue
        parts = [""]
        for character in word.text:
            if parts[-1] and _width(parts[-1] + character) > max_width and not is_mark(character):
                parts.append("")
            parts[-1] += character
        yield from _interpolated(parts, word.start_ms, word.end_ms)


def _interpolated(texts: Sequence[str], start_ms: int, end_ms: int) -> Iterator[_Token]:
    if len(texts) == 1:
        yield _Token(texts[0], start_ms, end_ms)
        return
    bounds = list(accumulate((len(text) for text in texts), initial=0))
    at_ms = [start_ms + round((end_ms - start_ms) * bound / max(bounds[-1], 1)) for bound in bounds]
    for text, (first_ms, last_ms) in zip(texts, pairwise(at_ms), strict=True):
        yield _Token(text, first_ms, last_ms)


def _cheapest_cut(words: Sequence[_Token], sheet: "_Sheet") -> list[tuple[int, int]]:
    """Choose the half-open token ranges of the cues by dynamic programming over all allowed cuts."""
    ends = [ends_sentence(word.text) for word in words]
    sentences = list(accumulate(ends, initial=0))
    starts_ms = [word.start_ms for word in words]
    # A token that a long pause follows joins none after it.
    joins = [after.start_ms - word.end_ms < BREAK_PAUSE_MS for word, after in pairwise(words)]
    cost = [0.0] + [float("inf")] * len(words)
    chosen = [0] * (len(words) + 1)
    width, fits = sheet.width, sheet.fits
    for last in range(1, len(words) + 1):
        ending = _CUE_COST + _break_cost(words, last, ends)
        end_ms, n_ended = words[last - 1].end_ms, sentences[last - 1]
        least = cost[last]
        for first in range(last - 1, -1, -1):
            length_ms = end_ms - starts_ms[first]
            if last - first > 1 and not (joins[first] and length_ms <= MAX_CUE_MS and fits(first, last)):
                break  # nor would any longer cue that ends here
            fill = width(first, last) / _FULL
            total = cost[first] + ending + _INNER_SENTENCE * (n_ended - sentences[first]) + _FULL_CUE * fill * fill
            if length_ms < MIN_CUE_MS:
                total += _BRIEF_CUE
            if total < least:
                least, chosen[last] = total, first
        cost[last] = least
    cuts = [len(words)]
    while cuts[-1] > 0:
        cuts.append(chosen[cuts[-1]])
    return list(pairwise(reversed(cuts)))


def _break_cost(words: Sequence[_Token], cut: int, ends: Sequence[bool]) -> float:
    """Return the cost of ending a cue before token ``cut``; ``ends``: which tokens end sentences."""
    if cut == len(words) or ends[cut - 1]:
        return 0.0
    if ends_clause(words[cut - 1].text):
        return _CLAUSE_BREAK
    return _BREATH_BREAK if words[cut].start_ms - words[cut - 1].end_ms >= BREATH_MS else _PHRASE_BREAK


class _Sheet:
    """Lays tokens out on lines; the first line of a cue is shorter by ``indent`` units."""

    def __init__(self, words: Sequence[_Token], indent: int) -> None:
        self._words = words
        self._indent = indent
        self._reached = list(accumulate((_width(word.text) for word in words), initial=0))
        self._leads = [_NARROW if word.text.startswith(" ") else 0 for word in words]
        # Where a line begins in units, and the token after the last that fits on a first line that begins with each.
        self._begins = [reached + lead for reached, lead in zip(self._reached, self._leads, strict=False)]
        self._full = [bisect_right(self._reached, begin + _LINE - indent) - 1 for begin in self._begins]

    def width(self, first: int, last: int) -> int:
        """Return the units that tokens ``first..last`` take on one line."""
        return self._reached[last] - self._begins[first]

    def fits(self, first: int, last: int) -> bool:
        """Say whether the tokens fit on two lines."""
        cut = self._full[first]
        return cut >= last or self._reached[last] - self._begins[cut] <= _LINE

    def lines(self, first: int, last: int) -> tuple[str, ...]:
        """Lay a cue out: one line if it fits, else the two that are most even, rather cut at punctuation."""
        longest = min(self._full[first], last)
        if longest == last:
            return (self._text(first, last),)
        cuts = [cut for cut in range(first + 1, longest + 1) if self.width(cut, last) <= _LINE]
        cut = min(cuts, key=lambda cut: self._unevenness(first, cut, last))
        return self._text(first, cut), self._text(cut, last)

    def _unevenness(self, first: int, cut: int, last: int) -> float:
        """Return the difference of the lines' widths in lines, less a bonus for ending the first with punctuation."""
        end = self._words[cut - 1].text
        bonus = _SENTENCE_BONUS if ends_sentence(end) else _CLAUSE_BONUS if ends_clause(end) else 0.0
        return abs(self.width(first, cut) + self._indent - self.width(cut, last)) / _LINE - bonus

    def _text(self, first: int, last: int) -> str:
        return "".join(word.text for word in self._words[first:last]).strip()


def _shown(cues: Sequence[Cue], recording_end_ms: int) -> Iterator[Cue]:
    """Yield one channel's cues with times a player can show: at least a millisecond, brief ones held longer."""
    reached = 0
    following = [*cues[1:], None] if cues else []
    for cue, after in zip(cues, following, strict=True):
        start_ms = max(cue.start_ms, reached)
        room_ms = after.start_ms if after else recording_end_ms
        held_ms = min(start_ms + MIN_CUE_MS, room_ms)
        reached = max(start_ms + 1, cue.end_ms, held_ms)
        yield replace(cue, start_ms=start_ms, end_ms=reached)


def _with_names(cues: Sequence[Cue]) -> Iterator[Cue]:
    speaker = ""
    for cue in cues:
        named = cue.speaker and cue.speaker != speaker
        speaker = cue.speaker
        yield replace(cue, lines=(_name(cue.speaker) + cue.lines[0], *cue.lines[1:])) if named else cue


def _name(speaker: str) -> str:
    name = " ".join(speaker.split())
    if len(name) > MAX_NAME_CHARS:
        name = name[: MAX_NAME_CHARS - 1].rstrip() + "…"
    return f"{name}: " if name else ""


def _width(text: str) -> int:
    if text.isascii():
        return _NARROW * len(text)
    return sum(0 if is_mark(character) else _WIDE if is_wide(character) else _NARROW for character in text)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
