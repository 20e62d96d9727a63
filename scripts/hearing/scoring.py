"""What is wrong with a transcript: words, sentences that were left out, text in silence, times. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scripts.hearing.alignment import Errors, align, words_of
from scripts.hearing.corpus import Recording, TimedText, TrueChannel
from scripts.hearing.heard import Heard, HeardSegment, HeardWord
from scripts.hearing.intervals import Interval, outside_s

SENTENCE_WORDS = 4
"""Words of the shortest sentence that is looked for: shorter ones are often spoken over."""

_LEFT_OUT_SHARE = 0.75
"""Of a sentence's words: an alignment may lend it one that belongs to its neighbours."""

SILENCE_MARGIN_S = 0.5
"""Text may begin that much before speech and end that much after it."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """What is wrong in one recording.

    ``left_out`` are the sentences of `SENTENCE_WORDS` words or more, out of ``n_sentences``, of which at least
    three quarters of the words have nothing in their stead. ``silence_s`` are the seconds of text (of its words where
    they have times, else of its segments) where nobody speaks. ``start_errors_s`` and ``end_errors_s`` are distances
    between true and heard times of turns, or of words where the truth times words.
    """

    errors: Errors
    n_sentences: int
    left_out: tuple[str, ...]
    silence_s: float
    start_errors_s: tuple[float, ...] = ()
    end_errors_s: tuple[float, ...] = ()
    failure: str = ""


def score(recording: Recording, heard: Heard, speech: Sequence[Sequence[Interval]]) -> Score:
    """Compare a transcript with the truth; ``speech`` says for each channel when somebody speaks."""
    errors, silence_s, n_sentences = Errors(), 0.0, 0
    left_out: list[str] = []
    starts: list[float] = []
    ends: list[float] = []
    for number, (channel, spoken) in enumerate(zip(recording.channels, speech, strict=True)):
        segments = heard.on(number)
        text = " ".join(segment.text for segment in segments)
        errors += align(words_of(channel.text, recording.language), words_of(text, recording.language)).errors
        sentences = _sentences(channel, recording.language)
        n_sentences += len(sentences)
        left_out += _left_out(channel, text, recording.language)
        silence_s += outside_s(list(_text_intervals(segments)), spoken, SILENCE_MARGIN_S)
        for start_s, end_s in _time_errors(channel.words or channel.turns, segments, recording.language):
            starts += [start_s] if start_s is not None else []
            ends += [end_s] if end_s is not None else []
    return Score(
        errors=errors,
        n_sentences=n_sentences,
        left_out=tuple(left_out),
        silence_s=silence_s,
        start_errors_s=tuple(starts),
        end_errors_s=tuple(ends),
        failure=heard.failure,
    )


def _sentences(channel: TrueChannel, language: str) -> list[str]:
    return [sentence for sentence in channel.sentences if len(words_of(sentence, language)) >= SENTENCE_WORDS]


def _left_out(channel: TrueChannel, text: str, language: str) -> Iterator[str]:
    words = [words_of(sentence, language) for sentence in channel.sentences]
    deleted = align([word for sentence in words for word in sentence], words_of(text, language)).deleted
    first = 0
    for sentence, its_words in zip(channel.sentences, words, strict=True):
        n_deleted = sum(place in deleted for place in range(first, first + len(its_words)))
        first += len(its_words)
        if len(its_words) >= SENTENCE_WORDS and n_deleted >= _LEFT_OUT_SHARE * len(its_words):
            yield sentence


def _text_intervals(segments: Sequence[HeardSegment]) -> Iterator[Interval]:
    for segment in segments:
        for part in segment.words or (segment,):
            if part.text.strip():
                yield part.start_s, part.end_s


@dataclass(frozen=True, kw_only=True)
class _HeardToken:
    """A normalized word; its times are None where only those of its segment's ends are known."""

    text: str
    start_s: float | None
    end_s: float | None


def _time_errors(
    true: Sequence[TimedText], segments: Sequence[HeardSegment], language: str
) -> Iterator[tuple[float | None, float | None]]:
    """Yield how far the start of a true stretch's first word and the end of its last are off, where that is known."""
    tokens = [
        token for segment in segments for part in segment.words or (segment,) for token in _tokens(part, language)
    ]
    words = [words_of(part.text, language) for part in true]
    hits = align([word for part in words for word in part], [token.text for token in tokens]).hits
    first = 0
    for part, its_words in zip(true, words, strict=True):
        last = first + len(its_words) - 1
        opening = tokens[hits[first]].start_s if its_words and first in hits else None
        closing = tokens[hits[last]].end_s if its_words and last in hits else None
        yield (
            None if opening is None else abs(opening - part.start_s),
            None if closing is None else abs(closing - part.end_s),
        )
        first = last + 1


def _tokens(part: HeardSegment | HeardWord, language: str) -> Iterator[_HeardToken]:
    words = words_of(part.text, language)
    for place, word in enumerate(words):
        yield _HeardToken(
            text=word,
            start_s=part.start_s if place == 0 else None,
            end_s=part.end_s if place == len(words) - 1 else None,
        )
