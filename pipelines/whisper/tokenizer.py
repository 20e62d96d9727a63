"""Whisper's tokens: the special ones by meaning, prompts built from them, and text taken apart into words."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from tokenizers import Tokenizer

from pipelines.errors import ModelUnavailable
from pipelines.text.languages import LANGUAGES
from pipelines.whisper.quality import is_unspaced

Task = Literal["transcribe", "translate"]

_OPENING = frozenset(("", *"\"'“‘«‹([{¿¡「『（《"))  # and the bare space that some tokenizers put before digits
_N_TIMESTAMPS = 1501  # 0.00 to 30.00 s in steps of 0.02 s
_MAX_BYTES_PER_CHARACTER = 4  # of UTF-8: a longer run of tokens that is no text is invalid for good


@dataclass(frozen=True, kw_only=True)
class WordTokens:
    """A word and the half-open range of its tokens.

    ``timed`` is the part of the range that is spoken, None for bare punctuation: the model puts pauses on
    punctuation, so its times are not the word's.
    """

    text: str
    start: int
    end: int
    timed: tuple[int, int] | None


class Vocabulary:
    """The tokenizer of a Whisper model. Token ids below ``eot`` are text, those from ``timestamp_begin`` are times."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.eot = self._special("<|endoftext|>")
        self.sot = self._special("<|startoftranscript|>")
        self.sot_prev = self._special("<|startofprev|>")
        self.transcribe = self._special("<|transcribe|>")
        self.translate = self._special("<|translate|>")
        self.no_timestamps = self._special("<|notimestamps|>")
        self.timestamp_begin = self.no_timestamps + 1

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Read ``tokenizer.json`` from a model folder; raises `ModelUnavailable` when it is not Whisper's."""
        try:
            return cls(Tokenizer.from_file(str(path / "tokenizer.json")))
        except Exception as error:  # the tokenizers library raises plain Exception
            raise ModelUnavailable(f"the tokenizer in {path} cannot be used: {error}") from error

    def _special(self, token: str) -> int:
        index = self._tokenizer.token_to_id(token)
        if index is None:
            raise ValueError(f"{token} is not in the vocabulary")
        return int(index)

    @property
    def size(self) -> int:
        """Number of tokens, special ones and timestamps included; published tokenizers do not list the latter."""
        return self.timestamp_begin + _N_TIMESTAMPS

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages that have a token, in alphabetical order."""
        return tuple(code for code in sorted(LANGUAGES) if self._tokenizer.token_to_id(f"<|{code}|>") is not None)

    def language_token(self, code: str) -> int:
        """Return the token of a language that is in `languages`."""
        return self._special(f"<|{code}|>")

    def encode(self, text: str) -> list[int]:
        """Tokenize plain text; what looks like a special token is not one."""
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        return [token for token in ids if token < self.eot]

    def decode(self, tokens: Sequence[int]) -> str:
        """Return text of the text tokens; special and timestamp tokens are left out."""
        return str(self._tokenizer.decode([token for token in tokens if token < self.eot]))

    def split_words(self, tokens: Sequence[int]) -> list[WordTokens]:
        """Group text tokens into words whose texts, joined, are the text.

        A word starts at a space, and at every token of a script without spaces (so Chinese words are groups of one
        or a few characters). Punctuation sticks to the word before it, opening punctuation to the one after it.
        """
        words: list[WordTokens] = []
        for text, start, end in self._characters(tokens):
            piece = WordTokens(text=text, start=start, end=end, timed=(start, end) if _is_spoken(text) else None)
            if words and not _starts_word(words[-1], piece):
                words[-1] = _joined(words[-1], piece)
            else:
                words.append(piece)
        if len(words) > 1 and words[-1].timed is None:
            words[-2:] = [_joined(words[-2], words[-1])]
        return words

    def _characters(self, tokens: Sequence[int]) -> list[tuple[str, int, int]]:
        """Cut tokens where their bytes make whole characters: (text, start, end) of each piece."""
        pieces = []
        start = 0
        for end in range(1, len(tokens) + 1):
            text = self.decode(tokens[start:end])
            if "\ufffd" not in text or end - start >= _MAX_BYTES_PER_CHARACTER or end == len(tokens):
                pieces.append((text, start, end))
                start = end
        return pieces


def _is_spoken(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _starts_word(last: WordTokens, piece: WordTokens) -> bool:
    if piece.timed is None:
        return piece.text.startswith(" ") and piece.text.strip() in _OPENING
    if last.timed is None:
        return False
    return piece.text.startswith(" ") or is_unspaced(piece.text[0]) or is_unspaced(last.text[-1])


def _joined(left: WordTokens, right: WordTokens) -> WordTokens:
    spoken = [timed for timed in (left.timed, right.timed) if timed is not None]
    timed = (spoken[0][0], spoken[-1][1]) if spoken else None
    return WordTokens(text=left.text + right.text, start=left.start, end=right.end, timed=timed)
