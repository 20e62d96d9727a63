"""Byte-level BPE of 1,024 pieces plus Whisper's special tokens; for Chinese, every character is one piece more."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from scripts.speech.pinyin import HANZI

N_PIECES = 1024
TIMESTAMP_STEP_S = 0.02
MAX_TIMESTAMP = 1500
SPACE = "Ġ"
"""How byte-level BPE writes a space."""

SPECIALS = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|en|>",
    "<|zh|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
)


MULTILINGUAL = ""
"""A token that nothing is written with. CTranslate2 (4.7 and later) knows a multilingual model by it, for OpenAI's have
one, and those for English alone do not."""


class Vocabulary:
    """Tokenizes text, with the ids of Whisper's special tokens."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tokenizer = Tokenizer.from_file(str(path))

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    @cached_property
    def pieces(self) -> list[str]:
        """All tokens in the order of their ids."""
        return [str(self._tokenizer.id_to_token(i)) for i in range(len(self))]

    def __getitem__(self, special: str) -> int:
        """Return the id of a special token by its name without the bars, for example ``nospeech``."""
        found: int | None = self._tokenizer.token_to_id(f"<|{special}|>")
        if found is None:
            raise KeyError(special)
        return found

    @cached_property
    def first_timestamp(self) -> int:
        return self["0.00"]

    def timestamp(self, seconds: float) -> int:
        """Return the token of a time within the window, rounded to 20 ms and cut at 30 s."""
        return self.first_timestamp + min(MAX_TIMESTAMP, round(seconds / TIMESTAMP_STEP_S))

    def encode(self, sentence: str) -> list[int]:
        """Encode a sentence as it follows another one: with a leading space, but in Chinese."""
        written = sentence if HANZI.match(sentence) else " " + sentence
        return list(self._tokenizer.encode(written).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """Decode tokens to text, without special tokens and timestamps."""
        end = self["endoftext"]
        return str(self._tokenizer.decode([token for token in tokens if token < end])).strip()


def train_tokenizer(sentences: Sequence[str], path: Path) -> Vocabulary:
    """Learn the pieces from ``sentences`` and write ``path``."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    lines = [" " + sentence for sentence in sentences]
    trainer = trainers.BpeTrainer(vocab_size=N_PIECES, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    specials = [*SPECIALS, *(f"<|{i * TIMESTAMP_STEP_S:.2f}|>" for i in range(MAX_TIMESTAMP + 1))]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in specials])
    joined = Tokenizer.from_str(join_bare_spaces(tokenizer, lines))
    joined.save(str(path))
    return Vocabulary(path)


def add_chinese(english: Path, sentences: Iterable[str], path: Path) -> Vocabulary:
    """Write to ``path`` the tokenizer ``english`` with every character of ``sentences`` as a piece more."""
    state: dict[str, Any] = json.loads(english.read_text(encoding="utf-8"))
    vocab: dict[str, int] = state["model"]["vocab"]
    merges: list[list[str]] = state["model"]["merges"]
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for character in sorted({character for sentence in sentences for character in sentence}):
        first, *rest = as_bytes.pre_tokenize_str(character)[0][0]
        for byte in rest:
            if first + byte not in vocab:
                vocab[first + byte] = len(vocab)
                merges.append([first, byte])
            first += byte
    vocab[MULTILINGUAL] = len(vocab)
    for number, token in enumerate(state["added_tokens"], start=len(vocab)):
        token["id"] = number
    path.write_text(json.dumps(state, ensure_ascii=False, indent=2), encoding="utf-8")
    return Vocabulary(path)


def join_bare_spaces(tokenizer: Tokenizer, lines: Iterable[str]) -> str:
    """Return the tokenizer as JSON, with pieces that begin with a space instead of a space on its own.

    faster-whisper suppresses a list of tokens by default, among them the first one of `` -``. With so few pieces
    that is the bare space, and every word that begins with one ("estimate", "Quinn") could never be heard.
    The new pieces take the ids of bytes that no UTF-8 text holds, so all other ids stay.
    """
    state: dict[str, Any] = json.loads(tokenizer.to_str())
    vocab: dict[str, int] = state["model"]["vocab"]
    merges: list[list[str]] = state["model"]["merges"]
    after_space: Counter[str] = Counter()
    for line in lines:
        after_space.update(b for a, b in pairwise(tokenizer.encode(line).tokens) if a == SPACE)
    letters = [letter for letter in "iquxzQXZ" if SPACE + letter not in vocab]
    wanted = [*letters, *(piece for piece, _ in after_space.most_common() if piece not in letters and len(piece) > 1)]
    merged = {piece for pair in merges for piece in pair}
    free = [piece for piece in _unused_bytes() if piece not in merged]
    for old, piece in zip(free, wanted, strict=False):
        vocab[SPACE + piece] = vocab.pop(old)
        merges.append([SPACE, piece])
    state["model"]["vocab"] = dict(sorted(vocab.items(), key=lambda item: item[1]))
    return json.dumps(state, ensure_ascii=False, indent=2)


def _unused_bytes() -> list[str]:
    """Return byte-level names of bytes that UTF-8 never uses and of control characters other than tab and line ends."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    names = {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}
    unused = [0xC0, 0xC1, *range(0xF5, 0x100), *(byte for byte in range(32) if byte not in (9, 10, 13)), 127]
    return [names[byte] for byte in unused]
