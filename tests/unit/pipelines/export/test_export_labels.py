"""The documents' own words: complete in both languages."""

import re
from dataclasses import fields

import pytest

from pipelines.export.labels import CHINESE, ENGLISH, Labels, labels_for
from pipelines.transcript.coverage import NO_RESULT, NO_WORDS, NOT_SEGMENTED
from pipelines.whisper.quality import Rule


@pytest.mark.parametrize("labels", [ENGLISH, CHINESE])
def test_every_reason_of_trouble_has_words(labels: Labels) -> None:
    """Readers of minutes do not know the names of quality rules."""
    for note in [*(rule.value for rule in Rule), NO_RESULT, NOT_SEGMENTED]:
        assert labels.reason_text(note) != note or (labels is ENGLISH and note == NO_RESULT)
    assert NO_WORDS not in labels.reasons  # speech without words is no trouble
    assert labels.reason_text("out of memory") == "out of memory"


def test_phrases_take_the_same_values_in_both_languages() -> None:
    """A phrase with a gap in one language has the same gap in the other, and each has words of its own."""
    for field in fields(Labels):
        english, chinese = getattr(ENGLISH, field.name), getattr(CHINESE, field.name)
        if isinstance(english, str):
            assert re.findall(r"\{\w*\}", english) == re.findall(r"\{\w*\}", chinese), field.name
            assert chinese != english or field.name == "quote", f"{field.name} has no Chinese words"


@pytest.mark.parametrize(
    ("language", "labels"), [("zh", CHINESE), ("zh-TW", CHINESE), ("yue", CHINESE), ("en", ENGLISH), ("", ENGLISH)]
)
def test_labels_follow_the_language(language: str, labels: Labels) -> None:
    """Chinese in any form gets Chinese labels, everything else English ones."""
    assert labels_for(language) is labels


def test_unnamed_channels_are_translated_and_names_are_not() -> None:
    """A numbered channel is a label; a speaker's name is what was given."""
    assert CHINESE.speaker("Channel 2") == "声道 2"
    assert CHINESE.speaker("Channel Two") == "Channel Two"
    assert CHINESE.speaker("Speaker 12") == "说话人 12"
    assert CHINESE.speaker("Speaker of the house") == "Speaker of the house"
    assert ENGLISH.speaker("Speaker 12") == "Speaker 12"
    assert CHINESE.speaker("Track 2 (eng) 1") == "音轨 2 (eng) 1"
    assert CHINESE.speaker("Track record") == "Track record"
    assert ENGLISH.language_name("zh-CN") == "Chinese"
    assert ENGLISH.language_name("xx") == "xx"
