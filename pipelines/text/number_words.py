"""List the words of numbers, English and Chinese."""

# ruff: noqa: SIM905  (lists of words are easier to read as text)

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_IRREGULAR = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip


def _ordinal(word: str) -> str:
    return _IRREGULAR.get(word) or (f"{word[:-1]}ieth" if word.endswith("y") else f"{word}th")


CARDINALS = {word: n for n, word in enumerate(_UNITS)} | {word: 10 * n for n, word in enumerate(_TENS, start=2)}
ORDINALS = {_ordinal(word): n for word, n in CARDINALS.items()}
SCALES = {"hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9}

DIGITS_ZH = {character: n for n, character in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
SCALES_ZH = {"十": 10, "百": 100, "千": 1_000, "万": 10_000, "亿": 10**8}
