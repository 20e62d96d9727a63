"""What was said in some segments, and whether a text says no more than that."""

# ruff: noqa: SIM905  (lists of words are easier to read as text)

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from pipelines.core import Segment
from pipelines.minutes.language.calendar_mentions import calendar_mentions
from pipelines.minutes.language.numbers import foreign_numbers, grouped, numbers_in
from pipelines.minutes.language.proper_names import has_capitals, names_in
from pipelines.minutes.language.stopwords import ENGLISH, stop_words
from pipelines.minutes.language.wording import clean, joined_text, tokens
from pipelines.text.language_names import spoken_code
from pipelines.text.typography import HAN

# Words of fewer letters turn up by chance where others meet.
LONG_WORD = 6
# Two forms of a word begin alike: "choosing", "choose".
STEM_LETTERS = 5
# Shares of a text's content words that were said: in an entry of what it cites, in a summary of all that was said.
ENTRY_SHARE = 0.5
SUMMARY_SHARE = 0.3
# So many content words, or pairs of ideographs, side by side are another matter, whatever stands beside them.
LONGEST_UNSAID = 4
LONGEST_UNSAID_ZH = 7
# Words before a quote that can deny it: "we will not, after all, rent the office".
N_BEFORE = 4

_NEGATIONS = frozenset(
    "not no never cannot without neither nor against nicht kein keine keinen nie ne pas jamais non nunca jamás não "
    "niet geen inte ikke не нет никогда нельзя".split()
)
_ANSWERS = frozenset({"no", "non", "não", "нет"})
_NEGATIONS_ZH = re.compile("不(?![过断同错])|没|未(?![来])|别(?![的人])")
_HAN = re.compile(f"[{HAN}]")


def contains(said: str, wanted: list[str]) -> bool:
    """Return whether the wanted tokens stand in what was said (`Said.line`), side by side and in order."""
    return f" {' '.join(wanted)} " in said


@dataclass(frozen=True)
class Said:
    """The words of some segments, their speakers (lower case), and the language they are in ("" when unknown)."""

    text: str
    speakers: frozenset[str]
    language: str = ""

    @classmethod
    def of(cls, segments: Iterable[Segment], language: str = "") -> "Said":
        """Take the words of segments, in the order given."""
        cited = tuple(segments)
        speakers = (segment.speaker.strip().casefold() for segment in cited)
        said = frozenset(speaker for speaker in speakers if speaker)
        return cls(text=joined_text(cited), speakers=said, language=language)

    @cached_property
    def tokens(self) -> list[str]:
        return tokens(self.text)

    @cached_property
    def line(self) -> str:
        """All tokens, a space around each."""
        return f" {' '.join(self.tokens)} "

    @cached_property
    def clean_line(self) -> str:
        """Tokens as in `line`, without hesitations."""
        return f" {' '.join(tokens(clean(self.text)))} "

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(self.tokens) | {token[:-2] for token in self.tokens if token.endswith("'s")}

    @cached_property
    def letters(self) -> str:
        return "".join(self.tokens)

    @cached_property
    def stems(self) -> frozenset[str]:
        return frozenset(_stem(word) for word in self.words)

    @cached_property
    def pairs(self) -> frozenset[str]:
        return frozenset(_pairs(self.text))

    @cached_property
    def numbers(self) -> frozenset[float]:
        readings = dict.fromkeys((self.text, clean(self.text), grouped(self.text)))
        return frozenset(number for text in readings for number in numbers_in(text))

    @cached_property
    def days(self) -> frozenset[str]:
        return calendar_mentions(self.text, lenient=True)

    def has(self, text: str) -> bool:
        """Say whether a text was said word by word, hesitations aside."""
        wanted = tokens(text)
        return bool(wanted) and (contains(self.line, wanted) or contains(self.clean_line, wanted))

    def says(self, text: str) -> bool:
        """Say whether the text was said word by word, hesitations aside, or all its numbers and content words were."""
        wanted = tokens(clean(text)) or tokens(text)
        if not wanted:
            return False
        if contains(self.line, wanted) or contains(self.clean_line, wanted):
            return True
        words = {word for word in wanted if word not in ENGLISH and not numbers_in(word)}
        return self.supports_numbers(text) and words <= self.words and bool(words or numbers_in(text))

    def names(self, name: str) -> bool:
        """Return whether a person was named, or spoke."""
        return name.strip().casefold() in self.speakers or self.has(name)

    def supports_numbers(self, text: str, language: str = "") -> bool:
        """Return whether every number, weekday, month and other day of a text was said."""
        if contains(self.clean_line, tokens(text)):
            return True
        days = calendar_mentions(text)
        return self._numbers_said(text, language) and (not days or days <= self.days)

    def _numbers_said(self, text: str, language: str) -> bool:
        wanted = numbers_in(text)
        if wanted and wanted - self.numbers and numbers_in(grouped(text)) - self.numbers:
            return False
        return all(word in self.words for word in foreign_numbers(text, language))

    def supports(self, text: str, language: str = "") -> bool:
        """Return whether every number, day and name in the text was said."""
        if contains(self.clean_line, tokens(text)):
            return True
        return self.supports_numbers(text, language) and self.supports_names(text, language)

    def supports_names(self, text: str, language: str = "") -> bool:
        """Return whether every name in the text was said; names of a language in another script cannot be judged."""
        written = language or self.language
        if self._is_foreign(written) and not has_capitals(self.text):
            return True
        return all(map(self.has_word, names_in(text, written)))

    def _is_foreign(self, language: str) -> bool:
        """Say whether a text in a language is in another one than was spoken."""
        return bool(language and self.language) and spoken_code(language) != spoken_code(self.language)

    def has_word(self, word: str) -> bool:
        """Return whether a word was said, or is a speaker; a long one may have been recognised in pieces."""
        bare = word.removesuffix("'s").removesuffix("s'")
        if any(form in self.words for form in (word, bare, bare.removesuffix("s"), f"{bare}s")):
            return True
        if len(bare) >= LONG_WORD and bare in self.letters:
            return True
        return any(bare in tokens(speaker) for speaker in self.speakers) or (
            bool(_HAN.match(bare)) and bare in self.text
        )

    def share(self, text: str, language: str) -> float:
        """Return the share (0 to 1) of a text's content words that were said, 1 where languages differ or it has none.

        Words count by their beginnings, ideographs by pairs.
        """
        found = self._found(text, language)
        return sum(found) / len(found) if found else 1.0

    def invents(self, text: str, language: str) -> bool:
        """Say whether a text holds so many content words side by side that were not said: a matter of its own."""
        longest = LONGEST_UNSAID_ZH if _HAN.search(text) else LONGEST_UNSAID
        marks = "".join("1" if said else "0" for said in self._found(text, language))
        return "0" * longest in marks

    def _found(self, text: str, language: str) -> list[bool]:
        """Say of each content word of a text, and each pair of ideographs, whether it was said."""
        if self._is_foreign(language):
            return []
        stops = stop_words(spoken_code(language or self.language or "en")).words | ENGLISH
        words = [word for word in tokens(text) if not _HAN.match(word) and word not in stops and word.isalpha()]
        found = [pair in self.pairs for pair in _pairs(text)]
        return found + [_stem(word) in self.stems or self.has_word(word) for word in words]

    def denies(self, quote: str, text: str) -> bool:
        """Say whether the words around a quote deny it and the text does not, or the other way round."""
        wanted, written = tokens(quote), tokens(text)
        at = _position(self.tokens, wanted)
        if at is None:
            return False
        said = self.tokens[max(0, at - N_BEFORE) : at + len(wanted)]
        literal = _position(said, written)
        if literal is not None:
            return _negated([word for word in said[max(0, literal - N_BEFORE) : literal] if word not in _ANSWERS])
        return _negated(said) != _negated(written)

    def asks(self, quote: str) -> bool:
        """Say whether the sentence that a quote stands in is a question."""
        at = self.text.casefold().find(quote.strip().casefold().rstrip(".?!。？！"))
        if at < 0:
            return False
        end = re.search(r"[.?!。？！؟](?:\s|$)|[。？！]", self.text[at + len(quote.strip().rstrip(".?!。？！")) :])
        return end is not None and end.group()[0] in "?？؟"


def _position(said: list[str], wanted: list[str]) -> int | None:
    return next((i for i in range(len(said)) if said[i : i + len(wanted)] == wanted), None)


def _negated(words: list[str]) -> bool:
    return any(word in _NEGATIONS or word.endswith("n't") for word in words) or bool(
        _NEGATIONS_ZH.search("".join(word for word in words if _HAN.match(word)))
    )


def _stem(word: str) -> str:
    return word[:STEM_LETTERS]


def _pairs(text: str) -> list[str]:
    """Return the pairs of ideographs that stand side by side."""
    return [text[i : i + 2] for i in range(len(text) - 1) if _HAN.match(text[i]) and _HAN.match(text[i + 1])]
