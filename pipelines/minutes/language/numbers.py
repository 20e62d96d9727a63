"""Numbers in speech: "twenty-five", "25" and 二十五 are the same."""

# ruff: noqa: SIM905  (lists of words are easier to read as text)

import re
from collections.abc import Iterator

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9}
_ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fifth": 5, "eighth": 8, "ninth": 9, "twelfth": 12,
}  # fmt: skip
_CARDINALS = {word: value for value, word in enumerate(_UNITS)} | {
    word: 10 * (index + 2) for index, word in enumerate(_TENS)
}
WORDS: dict[str, int] = (
    _CARDINALS
    | _ORDINALS
    | {f"{word}th": value for word, value in _CARDINALS.items() if f"{word}th" not in ("fiveth", "eightth", "nineth")}
    | {f"{word[:-1]}ieth": value for word, value in _CARDINALS.items() if word in _TENS}
)
# Words that count only beside other number words: "one of them", "the second thing", "a second".
_WEAK = frozenset({"one", "first", "second", "third", "zero"})

_CHINESE_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_CHINESE_SCALES = {"十": 10, "百": 100, "千": 1_000, "万": 10_000, "亿": 10**8}
_CHINESE = re.compile("[零〇一二两三四五六七八九十百千万亿]+")
_ITEM = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:st|nd|rd|th)?|\d+|[a-z]+", re.IGNORECASE)


def numbers_in(text: str) -> set[float]:
    """The numbers said in a text, in digits or in words, English or Chinese.

    Small words that are seldom meant as numbers ("one", "the second", 一) do not count on their own.
    """
    return set(_english(text)) | set(_chinese(text))


def _english(text: str) -> Iterator[float]:
    total = current = 0.0
    words: list[str] = []
    last_end = 0

    def flush() -> Iterator[float]:
        if words and not (len(words) == 1 and words[0] in _WEAK):
            yield total + current

    for match in _ITEM.finditer(text):
        word = match.group().casefold()
        gap = text[last_end : match.start()]
        last_end = match.end()
        if word[0].isdigit():
            yield from flush()
            total = current = 0.0
            words = []
            digits = re.sub(r"[^\d.]", "", word).rstrip(".")
            value = float(digits)
            current, words = value, [word]
            continue
        if words and gap.strip() in ("", "-") and word in _SCALES:
            scale = _SCALES[word]
            if scale == 100:
                current = max(current, 1) * scale
            else:
                total, current = total + max(current, 1) * scale, 0.0
            words.append(word)
        elif word in WORDS:
            value = WORDS[word]
            joins = words and gap.strip() in ("", "-") and _continues(current, value, words[-1])
            if not joins:
                yield from flush()
                total = current = 0.0
                words = []
            current += value
            words.append(word)
        elif word == "and" and words and words[-1] in _SCALES:
            continue
        else:
            yield from flush()
            total = current = 0.0
            words = []
    yield from flush()


def _continues(current: float, value: int, last: str) -> bool:
    """Whether a number word goes on with the number before it: "twenty | five", "three hundred | ten"."""
    if last in _SCALES:
        return value < 100
    return current % 100 in range(20, 100, 10) and 0 < value < 10 and not last[0].isdigit()


def _chinese(text: str) -> Iterator[float]:
    for match in _CHINESE.finditer(text):
        characters = match.group()
        if characters in ("一", "万", "千", "百", "亿", "零", "〇", "两"):
            continue
        if not any(character in _CHINESE_SCALES for character in characters):
            yield float("".join(str(_CHINESE_DIGITS[character]) for character in characters))
            continue
        total = section = digit = 0.0
        for character in characters:
            if character in _CHINESE_DIGITS:
                digit = _CHINESE_DIGITS[character]
                continue
            scale = _CHINESE_SCALES[character]
            if scale >= 10_000:
                total, section = total + (section + digit or 1) * scale, 0.0
            else:
                section += (digit or 1) * scale
            digit = 0.0
        yield total + section + digit
