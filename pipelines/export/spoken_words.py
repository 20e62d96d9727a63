"""The words of a transcript one by one, and in groups: utterances, sentences, paragraphs. Pure.

The layouts of other vendors count words; those of MeetMemo count segments.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from pipelines.core import Segment, Transcript, Word
from pipelines.export.turns import MAX_TURN_PAUSE_S
from pipelines.text.typography import (
    CLAUSE_END,
    SENTENCE_END,
    ends_sentence,
    is_bare_punctuation,
    join_spoken,
    tokens,
)

MAX_PARAGRAPH_SENTENCES = 5
_EDGES = SENTENCE_END + CLAUSE_END + "\"'“”‘’«»‹›()（）【】《》「」『』–…-"

Voice = tuple[int, str]
"""Channel and speaker of a word."""


@dataclass(frozen=True, kw_only=True)
class SpokenWord:
    """A word with the punctuation at it, on the recording's clock; ``spaced``: a space stands before it.

    ``confidence`` is from 0 to 1, see `pipelines.core.Word`; where words were not aligned it is that of the segment.
    """

    text: str
    spaced: bool
    start_s: float
    end_s: float
    confidence: float
    channel: int
    speaker: str
    language: str

    @property
    def voice(self) -> Voice:
        return self.channel, self.speaker

    @property
    def unpunctuated(self) -> str:
        """The word without the punctuation at its edges."""
        return unpunctuated(self.text)

    @property
    def bare(self) -> str:
        """The same in small letters."""
        return bare(self.text)


def unpunctuated(text: str) -> str:
    """Return a word without the punctuation at its edges; what is nothing else stays."""
    return text.strip(_EDGES) or text


def bare(text: str) -> str:
    """Return a word likewise, in small letters."""
    return unpunctuated(text).lower()


def spoken_words(transcript: Transcript) -> list[SpokenWord]:
    """Return the words in the order of the segments; one without words has its text spread over its time."""
    found: list[SpokenWord] = []
    for segment in transcript.segments:
        n_before = len(found)
        for word in segment.words or _spread(segment):
            text = word.text.strip()
            begins = len(found) == n_before
            if text and not begins and is_bare_punctuation(text):
                found[-1] = replace(found[-1], text=found[-1].text + text, end_s=word.end_s)
            elif text:
                spaced = _apart(found[-1:], text) if begins else word.text[:1].isspace()
                found.append(_spoken(segment, word, text, spaced=spaced, language=segment.language))
    return found


def _apart(before: Sequence[SpokenWord], text: str) -> bool:
    """Say whether a space stands before the first word of a segment."""
    return bool(before) and join_spoken((before[0].text, text)) != before[0].text + text


def _spoken(segment: Segment, word: Word, text: str, *, spaced: bool, language: str) -> SpokenWord:
    return SpokenWord(
        text=text,
        spaced=spaced,
        start_s=word.start_s,
        end_s=word.end_s,
        confidence=word.probability,
        channel=segment.channel,
        speaker=segment.speaker,
        language=language,
    )


def _spread(segment: Segment) -> Iterator[Word]:
    """Yield the text of a segment as words, timed by their length; their probability is the segment's."""
    texts = tokens(segment.text.strip())
    n_chars = sum(map(len, texts)) or 1
    probability = min(1.0, math.exp(segment.avg_logprob))
    at_s = segment.start_s
    for text in texts:
        until_s = at_s + (segment.end_s - segment.start_s) * len(text) / n_chars
        yield Word(text=text, start_s=at_s, end_s=until_s, probability=probability)
        at_s = until_s


def text_of(words: Sequence[SpokenWord], written: Callable[[SpokenWord], str] = lambda word: word.text) -> str:
    """Return what words say, each as it is ``written``."""
    return "".join(f" {written(word)}" if word.spaced else written(word) for word in words).strip()


def confidence_of(words: Sequence[SpokenWord]) -> float:
    """Return the mean confidence of words; 0 where there are none."""
    return sum(word.confidence for word in words) / len(words) if words else 0.0


def speaker_numbers(words: Sequence[SpokenWord]) -> dict[Voice, int]:
    """Number the voices from 0 in the order in which they are first heard."""
    return {voice: number for number, voice in enumerate(dict.fromkeys(word.voice for word in words))}


def utterances(
    words: Sequence[SpokenWord], pause_s: float, key: Callable[[SpokenWord], Hashable]
) -> list[list[SpokenWord]]:
    """Group words that follow each other with one ``key`` and without a pause of ``pause_s`` seconds or more."""
    return _cut(words, lambda last, word: key(last) != key(word) or word.start_s - last.end_s >= pause_s)


def sentences(words: Sequence[SpokenWord]) -> list[list[SpokenWord]]:
    """Group words by sentence; no sentence has two voices."""
    return _cut(words, lambda last, word: last.voice != word.voice or ends_sentence(last.text))


def paragraphs(words: Sequence[SpokenWord]) -> list[list[list[SpokenWord]]]:
    """Group the sentences of one voice, a few at a time, without a long pause between them."""
    found: list[list[list[SpokenWord]]] = []
    for sentence in sentences(words):
        last = found[-1][-1][-1] if found else None
        goes_on = (
            last is not None
            and last.voice == sentence[0].voice
            and len(found[-1]) < MAX_PARAGRAPH_SENTENCES
            and sentence[0].start_s - last.end_s < MAX_TURN_PAUSE_S
        )
        if goes_on:
            found[-1].append(sentence)
        else:
            found.append([sentence])
    return found


def _cut(words: Sequence[SpokenWord], between: Callable[[SpokenWord, SpokenWord], bool]) -> list[list[SpokenWord]]:
    """Cut words where ``between`` holds of one and the next."""
    parts: list[list[SpokenWord]] = [[words[0]]] if words else []
    for last, word in pairwise(words):
        if between(last, word):
            parts.append([])
        parts[-1].append(word)
    return parts
