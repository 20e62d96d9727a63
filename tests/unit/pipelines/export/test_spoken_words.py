"""Words of a transcript, and how they are grouped."""

import pytest

from pipelines.core import ModelInfo, Segment, Transcript, Word
from pipelines.export.spoken_words import (
    confidence_of,
    paragraphs,
    sentences,
    speaker_numbers,
    spoken_words,
    text_of,
    utterances,
)


def segment(text, start_s, *, channel=0, speaker="", with_words=True, language="en"):
    """A segment with a word a second, each half a second long."""
    texts = text.split(" ")
    words = tuple(
        Word(text=f" {word}", start_s=start_s + n, end_s=start_s + n + 0.5, probability=0.5)
        for n, word in enumerate(texts)
    )
    return Segment(
        id=0,
        channel=channel,
        speaker=speaker,
        start_s=start_s,
        end_s=start_s + len(texts),
        text=text,
        words=words if with_words else (),
        avg_logprob=-0.5,
        language=language,
    )


def transcript(*segments):
    return Transcript(
        duration_s=100.0,
        language="en",
        languages=(),
        segments=segments,
        coverage=(),
        model=ModelInfo(name="m"),
    )


def words(*segments):
    return spoken_words(transcript(*segments))


def texts(groups):
    return [text_of(group) for group in groups]


def test_words_are_the_text():
    """They join to what the segments say, with their confidence; bare ones are small and without punctuation."""
    found = words(segment("Don't go, Ann.", 0.0), segment("Why?", 4.0))
    assert text_of(found) == "Don't go, Ann. Why?"
    assert [word.bare for word in found] == ["don't", "go", "ann", "why"]
    assert confidence_of(found) == 0.5
    assert confidence_of([]) == 0.0


def test_a_segment_without_words_is_spread_over_its_time():
    """In proportion to the length of its words, as sure as the segment is."""
    first, second = words(segment("ab abcd", 10.0, with_words=False))
    assert (first.text, first.start_s, second.text, second.end_s) == ("ab", 10.0, "abcd", 12.0)
    assert first.end_s == second.start_s < 11.0
    assert first.confidence == pytest.approx(0.6065, abs=1e-4)


def test_chinese_has_no_spaces():
    """Neither inside a segment nor between two."""
    one = Segment(
        id=0,
        channel=0,
        speaker="",
        start_s=0.0,
        end_s=1.0,
        text="你好，",
        words=(
            Word(text="你好", start_s=0.0, end_s=0.5, probability=1.0),
            Word(text="，", start_s=0.5, end_s=0.6, probability=1.0),
        ),
    )
    two = Segment(id=1, channel=0, speaker="", start_s=1.0, end_s=2.0, text="再见。", words=())
    found = words(one, two)
    assert text_of(found) == "你好，再见。"
    assert found[0].text == "你好，"
    assert found[0].end_s == 0.6


def test_utterances_end_at_pauses_and_changes_of_voice():
    """A pause is as long as asked for; who speaks is what the key tells."""
    found = words(segment("a b", 0.0, channel=0), segment("c", 2.0, channel=1), segment("d", 9.0, channel=1))
    assert texts(utterances(found, 5.0, lambda word: word.voice)) == ["a b", "c", "d"]
    assert texts(utterances(found, 100.0, lambda word: None)) == ["a b c d"]
    assert texts(utterances(found, 0.5, lambda word: None)) == ["a", "b", "c", "d"]
    assert utterances([], 1.0, lambda word: None) == []


def test_sentences_and_paragraphs():
    """No sentence has two voices; a paragraph ends with five sentences, with the voice, and at a long pause."""
    found = words(segment("One. Two three", 0.0), segment("Four.", 3.0, channel=1), segment("Five.", 4.0, channel=1))
    assert texts(sentences(found)) == ["One.", "Two three", "Four.", "Five."]
    assert [texts(paragraph) for paragraph in paragraphs(found)] == [["One.", "Two three"], ["Four.", "Five."]]
    many = words(segment(" ".join(f"S{n}." for n in range(7)), 0.0), segment("Late.", 20.0))
    assert [len(paragraph) for paragraph in paragraphs(many)] == [5, 2, 1]


def test_voices_are_numbered_as_they_are_heard():
    """Who speaks first is the first, whatever the channel."""
    found = words(
        segment("a", 0.0, channel=1), segment("b", 1.0, channel=0, speaker="Ann"), segment("c", 2.0, channel=1)
    )
    assert speaker_numbers(found) == {(1, ""): 0, (0, "Ann"): 1}
