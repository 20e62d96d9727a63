"""Numbers in speech: "twenty-five", "25" and 二十五 are the same."""

import re
from collections.abc import Iterator

from pipelines.text.number_words import CARDINALS, DIGITS_ZH, ORDINALS, SCALES, SCALES_ZH

_WORDS = CARDINALS | ORDINALS
# Words that count only beside other number words: "one of them", "the second thing", "a second".
_WEAK = frozenset({"one", "first", "second", "third", "zero"})

_CHINESE = re.compile(f"[{''.join(DIGITS_ZH)}{''.join(SCALES_ZH)}]+")
# Thousands are grouped by points, spaces and apostrophes where commas are decimal.
_GROUPED = re.compile(r"(?<=\d)[.  '’](?=\d{3}(?!\d))")
# Number words of other languages, as far as they mean nothing else; what is put together with them counts too.
_FOREIGN = {
    "de": "zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|zwanzig|dreißig|vierzig|fünfzig|sechzig|siebzig|"
    r"achtzig|neunzig|hundert|tausend|\w*(?:zehn|zig|hundert|tausend)|million(?:en)?|milliarden?",
    "fr": "deux|trois|quatre|cinq|sept|huit|dix|onze|douze|treize|quatorze|quinze|seize|vingts?|trente|quarante|"
    "cinquante|soixante|cents?|mille|millions?|milliards?",
    "es": "dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|doce|trece|catorce|quince|veinte|treinta|cuarenta|"
    r"cincuenta|sesenta|setenta|ochenta|noventa|cien|ciento|\w+cientos|mil|mill[oó]n(?:es)?",
    "it": "due|tre|quattro|cinque|otto|nove|dieci|undici|dodici|venti|trenta|quaranta|cinquanta|sessanta|settanta|"
    "ottanta|novanta|cento|mille|mila|milion[ei]|miliard[io]",
    "pt": "dois|duas|três|quatro|cinco|seis|sete|oito|nove|dez|onze|doze|vinte|trinta|quarenta|cinquenta|sessenta|"
    "setenta|oitenta|noventa|cem|cento|mil|milh(?:ão|ões)",
    "nl": r"twee|drie|vier|vijf|zes|zeven|acht|negen|tien|elf|twaalf|\w*(?:tig|honderd|duizend)|miljoen|miljard",
    "ru": r"два|две|двух|три|тр[её]х|четыре|четыр[её]х|пять|пяти|шесть|шести|семь|восемь|девять|десять|десяти|"
    r"двадцать|тридцать|сорок|пятьдесят|сто|двести|триста|\w*сот|тысяч\w*|миллион\w*|миллиард\w*",
}
_FOREIGN_WORDS = {code: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for code, words in _FOREIGN.items()}
_ITEM = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:st|nd|rd|th)?|\d+|[a-z]+", re.IGNORECASE)


def numbers_in(text: str) -> set[float]:
    """Return the numbers said in a text, in digits or in words, English or Chinese.

    Small words that are seldom meant as numbers ("one", "the second", 一) do not count on their own.
    """
    return set(_english(text)) | set(_chinese(text))


def grouped(text: str) -> str:
    """Return a text whose thousands are written without what groups them: "25.000" and "25 000" as 25000."""
    return _GROUPED.sub("", text)


def foreign_numbers(text: str, language: str) -> set[str]:
    """Return the number words (lower case) of a text in another language than English and Chinese, as written."""
    words = _FOREIGN_WORDS.get(language.partition("-")[0])
    return {match.group().casefold() for match in words.finditer(text)} if words else set()


def _english(text: str) -> Iterator[float]:
    number, last_end = _Number(), 0
    for match in _ITEM.finditer(text):
        word = match.group().casefold()
        adjoins = text[last_end : match.start()].strip() in ("", "-")
        last_end = match.end()
        if not number.goes_on(word, adjoins=adjoins):
            yield from number.value()
            number = _Number()
            number.begin(word)
    yield from number.value()


class _Number:
    """Parses a spoken number word by word: ``total`` up to its last thousand, ``current`` the rest."""

    def __init__(self) -> None:
        self._total = self._current = 0.0
        self._words: list[str] = []

    def value(self) -> Iterator[float]:
        """Give the number, if one was said."""
        if self._words and not (len(self._words) == 1 and self._words[0] in _WEAK):
            yield self._total + self._current

    def begin(self, word: str) -> None:
        """Take the first word, if it is one of a number."""
        if word[0].isdigit():
            self._current = float(re.sub(r"[^\d.]", "", word).rstrip("."))
        elif word in _WORDS:
            self._current = _WORDS[word]
        else:
            return
        self._words = [word]

    def goes_on(self, word: str, *, adjoins: bool) -> bool:
        """Take a word that belongs to the number before it, which it ``adjoins`` with nothing between them."""
        if not self._words:
            return False
        if word == "and" and self._words[-1] in SCALES:
            return True
        if adjoins and word in SCALES:
            self._scale(SCALES[word])
        elif adjoins and word in _WORDS and self._may_add(_WORDS[word]):
            self._current += _WORDS[word]
        else:
            return False
        self._words.append(word)
        return True

    def _scale(self, scale: int) -> None:
        scaled = max(self._current, 1) * scale
        if scale == SCALES["hundred"]:
            self._current = scaled
        else:
            self._total, self._current = self._total + scaled, 0.0

    def _may_add(self, value: int) -> bool:
        """Return whether a number word goes on with the number before it: "twenty | five", "three hundred | ten"."""
        last = self._words[-1]
        if last in SCALES:
            return value < 100
        return self._current % 100 in range(20, 100, 10) and 0 < value < 10 and not last[0].isdigit()


def _chinese(text: str) -> Iterator[float]:
    for match in _CHINESE.finditer(text):
        characters = match.group()
        if characters in ("一", "万", "千", "百", "亿", "零", "〇", "两"):
            continue
        if not any(character in SCALES_ZH for character in characters):
            yield float("".join(str(DIGITS_ZH[character]) for character in characters))
            continue
        total = section = digit = 0.0
        for character in characters:
            if character in DIGITS_ZH:
                digit = DIGITS_ZH[character]
                continue
            scale = SCALES_ZH[character]
            if scale >= 10_000:
                total, section = total + (section + digit or 1) * scale, 0.0
            else:
                section += (digit or 1) * scale
            digit = 0.0
        yield total + section + digit
