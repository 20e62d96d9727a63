"""Whisper's tokens taken apart into words, on the bundled model's tokenizer."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import ModelUnavailable
from pipelines.models.catalogue import BUNDLED_DIR
from pipelines.whisper.tokenizer import Vocabulary

VOCABULARY = Vocabulary.load(BUNDLED_DIR / "mini-en")


def words_of(text: str) -> list[str]:
    return [word.text for word in VOCABULARY.split_words(VOCABULARY.encode(text))]


def test_english_words_keep_their_space_and_punctuation() -> None:
    """Words start at spaces; punctuation stays with its word."""
    assert words_of(' Well, he said "no" (twice) on May 12.') == [
        " Well,",
        " he",
        " said",
        ' "no"',
        " (twice)",
        " on",
        " May",
        " 12.",
    ]


def test_chinese_is_cut_into_characters_with_their_punctuation() -> None:
    """Scripts without spaces get a word per group of characters, so that each can be timed."""
    assert words_of("我们开会。好") == ["我", "们", "开", "会。", "好"]


def test_latin_words_in_chinese_stay_whole() -> None:
    """Mixed text follows the script of each part."""
    assert words_of("我用Python写") == ["我", "用", "Python", "写"]


def test_punctuation_carries_no_time() -> None:
    """The model puts pauses on punctuation; a word's time is that of its spoken tokens."""
    (word,) = VOCABULARY.split_words(VOCABULARY.encode(" Hello..."))
    assert word.timed is not None
    assert word.timed[1] < word.end


def test_bare_punctuation_is_a_word_without_time() -> None:
    """Where nothing is spoken there is still a word, so that no text is lost."""
    (word,) = VOCABULARY.split_words(VOCABULARY.encode("..."))
    assert word.timed is None


def test_text_that_looks_like_a_special_token_is_text() -> None:
    """A prompt cannot smuggle in control tokens."""
    assert all(token < VOCABULARY.eot for token in VOCABULARY.encode("<|endoftext|><|translate|> hello"))


def test_languages_are_those_with_a_token() -> None:
    """The bundled tokenizer has tokens for English and Chinese."""
    assert VOCABULARY.languages == ("en", "zh")


def test_foreign_tokenizer_is_refused(tmp_path: Path) -> None:
    """A tokenizer without Whisper's special tokens, or none at all, makes the model unavailable."""
    with pytest.raises(ModelUnavailable, match="cannot be used"):
        Vocabulary.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}')
    with pytest.raises(ModelUnavailable, match="not in the vocabulary"):
        Vocabulary.load(tmp_path)


@given(st.text(max_size=60))
def test_words_joined_are_the_text_and_their_tokens_tile(text: str) -> None:
    """No text and no token is lost or doubled by splitting, in any script."""
    tokens = VOCABULARY.encode(text)
    words = VOCABULARY.split_words(tokens)
    assert "".join(word.text for word in words) == VOCABULARY.decode(tokens)
    edges = [0, *(word.end for word in words)]
    assert [word.start for word in words] == edges[:-1]
    assert edges[-1] == len(tokens)
    assert all(word.timed is None or word.start <= word.timed[0] < word.timed[1] <= word.end for word in words)


@given(st.lists(st.integers(0, VOCABULARY.eot - 1), max_size=40))
def test_any_tokens_split_into_words(tokens: list[int]) -> None:
    """Even token sequences that are no valid text are covered to the last token."""
    words = VOCABULARY.split_words(tokens)
    assert [token for word in words for token in tokens[word.start : word.end]] == tokens


def test_published_tokenizers_do_not_list_the_timestamps(tmp_path: Path) -> None:
    """They follow the last special token all the same: 51,864 tokens in all mark OpenAI's English-only models."""
    listed = json.loads((BUNDLED_DIR / "mini-en" / "tokenizer.json").read_text())
    listed["added_tokens"] = [token for token in listed["added_tokens"] if token["id"] < VOCABULARY.timestamp_begin]
    (tmp_path / "tokenizer.json").write_text(json.dumps(listed))
    bare = Vocabulary.load(tmp_path)
    assert bare.size == VOCABULARY.size == VOCABULARY.timestamp_begin + 1501
    assert bare.languages == VOCABULARY.languages
