"""Find what must not be heard of a recording: masked words, with margins, and speech that nobody understood. Pure."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipelines.core import CoverageStatus, Segment, Transcript, Word
from pipelines.text.redaction import MaskKind, Scope, masked_spans, scopes_of
from pipelines.text.typography import is_wide
from pipelines.transcript.coverage import NO_WORDS, UNHEARD_SPEECH

MARGIN_S = 0.15
"""Before and after a word at least: recognisers tell its times to a tenth of a second or two."""
MAX_MARGIN_S = 0.5
"""Into the pause beside a word at most, where nobody else is spoken over."""


LETTER_S = 0.06
"""How long a letter takes, rather less: a word that is said to be shorter was timed badly."""
IDEOGRAPH_S = 0.15


@dataclass(frozen=True, kw_only=True)
class MaskedAudio:
    """What must not be heard: stretches in seconds on the recording's clock, ascending and apart, on every channel."""

    stretches: tuple[tuple[float, float], ...]


def masked_audio(
    transcript: Transcript,
    kinds: Collection[MaskKind],
    *,
    regions: Sequence[str] = (),
    names: Iterable[str] = (),
    timed: bool = True,
) -> MaskedAudio:
    """Return what is not to be heard of a recording; takes the transcript with its words, before it is masked.

    A segment is silenced whole where its words do not tell when they are spoken, or not ``timed`` (words of a
    translation were not spoken). Whoever speaks on another channel may be heard through this one: all are silenced.
    """
    if not kinds:
        return MaskedAudio(stretches=())
    found = [
        (entry.start_s, entry.end_s)
        for entry in transcript.coverage
        if entry.health is CoverageStatus.FAILED or entry.note in (NO_WORDS, UNHEARD_SPEECH)
    ]
    scopes = scopes_of(transcript, kinds, regions=regions, names=names)
    for segment, scope in zip(transcript.segments, scopes, strict=True):
        found += _stretches(segment, kinds, scope, timed)
    return MaskedAudio(stretches=tuple(_united(found, transcript.duration_s)))


def _stretches(
    segment: Segment, kinds: Collection[MaskKind], scope: Scope, timed: bool
) -> Iterator[tuple[float, float]]:
    n_written = max(len(masked_spans(text, kinds, scope)) for text in (segment.text, segment.heard_text))
    words = segment.words
    spans = masked_spans("".join(word.text for word in words), kinds, scope)
    if not n_written and not spans:
        return
    if not timed or len(spans) < n_written:
        yield segment.start_s - MARGIN_S, segment.end_s + MARGIN_S
        return
    position = 0
    for i, word in enumerate(words):
        start, end = position, position + len(word.text)
        position = end
        if any(first < end and start < last for first, last, _ in spans):
            yield _with_margins(words, i)


def _with_margins(words: Sequence[Word], i: int) -> tuple[float, float]:
    """Return when a word may be heard: the pauses beside it are its as well, up to a bound."""
    word = words[i]
    before_s = words[i - 1].end_s if i else word.start_s - MAX_MARGIN_S
    after_s = words[i + 1].start_s if i + 1 < len(words) else word.end_s + MAX_MARGIN_S
    start_s = min(word.start_s - MARGIN_S, max(before_s, word.start_s - MAX_MARGIN_S))
    end_s = max(word.end_s + MARGIN_S, min(after_s, word.end_s + MAX_MARGIN_S))
    lacking_s = max(0.0, _shortest_s(word.text) - (word.end_s - word.start_s))
    return start_s - lacking_s, end_s + lacking_s


def _shortest_s(text: str) -> float:
    """Return how long it takes at least to say a word."""
    return sum(IDEOGRAPH_S if is_wide(letter) else LETTER_S for letter in text if letter.isalnum())


def _united(stretches: Iterable[tuple[float, float]], duration_s: float) -> Iterator[tuple[float, float]]:
    """Yield the union of stretches, ascending, within the recording."""
    open_s: tuple[float, float] | None = None
    for start_s, end_s in sorted(stretches):
        start_s, end_s = max(0.0, start_s), min(end_s, duration_s + MAX_MARGIN_S)
        if end_s <= start_s:
            continue
        if open_s and start_s <= open_s[1]:
            open_s = open_s[0], max(open_s[1], end_s)
        else:
            if open_s:
                yield open_s
            open_s = start_s, end_s
    if open_s:
        yield open_s
