"""Brings phrases of ideographs to whole words, for titles: function words were taken out character by character."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from pipelines.minutes.language.torn_words_zh import TORN_WORDS
from pipelines.text.typography import HAN

# An ideograph that stands beside a phrase this often belongs to it.
COMPLETE = 0.8
MAX_COMPLETED = 8
MIN_SAID = 2
EDGES = frozenset("的了是在和与跟对把被给从向到就都也还很又再不没有这那个些们我你他她它吗呢吧啊呃嗯说做让为当")

_IDEOGRAPHS = re.compile(f"[{HAN}]+")
_NUMBER = "一二三四五六七八九十百千万两几某每各0-9"
# What counts is left behind where numbers are taken out: 三位校长 is about the 校长.
_COUNTED = re.compile(f"[{_NUMBER}]?(?:块钱|[位级块线名件届场期条次])(?=.{{2}})")
_ENDS_WITH_NUMBER = re.compile(f"[{_NUMBER}]$")
# Of meetings themselves, not of what they are about.
NO_SUBJECT = ("感谢", "欢迎", "分钟", "块钱", "当中", "环节")
_BACKWARDS = frozenset(word[::-1] for word in TORN_WORDS)


def whole_words(phrase: str, text: str) -> str:
    """Return a phrase without the halves of words at its ends: 产品例 becomes 产品例会, 级教师 becomes 教师."""
    phrase = _completed(phrase, text)
    if phrase.startswith(NO_SUBJECT) and len(phrase) > 3:
        return phrase[2:]
    counted = _COUNTED.match(phrase)
    if counted and (
        re.match(f"[{_NUMBER}]", phrase)
        or _mostly(bool(_ENDS_WITH_NUMBER.search(before)) for before, _ in _around(phrase, text))
    ):
        return phrase[counted.end() :]
    phrase = _mended(phrase, [after for _, after in _around(phrase, text)], TORN_WORDS)
    beginnings = [before[::-1] for before, _ in _around(phrase, text)]
    return _mended(phrase[::-1], beginnings, _BACKWARDS)[::-1]


def _mended(phrase: str, followed_by: Sequence[str], words: Collection[str]) -> str:
    """Return a phrase with the rest of the word that it tears at its end, or without that word's half."""
    rests = [_rest_of_word(phrase, after, words) for after in followed_by]
    rest, count = Counter(rests).most_common(1)[0] if rests else ("", 0)
    if rest and count >= COMPLETE * len(rests):
        return phrase + rest
    return phrase[:-1] if _mostly(map(bool, rests)) and len(phrase) > 2 else phrase


def _rest_of_word(phrase: str, after: str, words: Collection[str]) -> str:
    """Return what of a word that a phrase tears stands after it, "" where the phrase ends with a whole one."""
    if phrase[-2:] in words:
        return ""
    rests = (after[:n] for n in range(1, len(after) + 1))
    return next((rest for rest in rests if any(phrase[-n:] + rest in words for n in (1, 2, 3))), "")


def _around(phrase: str, text: str) -> list[tuple[str, str]]:
    """Return the two characters before and after each place where a phrase stands."""
    return [
        (text[max(0, match.start() - 2) : match.start()], text[match.end() : match.end() + 2])
        for match in re.finditer(phrase, text)
    ]


def _mostly(judgements: Iterable[bool]) -> bool:
    found = list(judgements)
    return sum(found) * 2 > len(found)


def _completed(phrase: str, text: str) -> str:
    """Return a phrase with the ideographs that nearly always stand beside it: 心化 becomes 中心化.

    Function words are taken out character by character, and tear words that hold one.
    """
    while len(phrase) < MAX_COMPLETED:
        n_said = text.count(phrase)
        beside = Counter(text[match.start() - 1] + phrase for match in re.finditer(phrase, text) if match.start())
        beside.update(phrase + text[match.end()] for match in re.finditer(phrase, text) if match.end() < len(text))
        longer, count = max(beside.items(), key=lambda item: item[1], default=("", 0))
        if (
            n_said < MIN_SAID
            or count < COMPLETE * n_said
            or not _IDEOGRAPHS.fullmatch(longer)
            or _has_edge(longer, phrase)
        ):
            break
        phrase = longer
    return phrase


def _has_edge(longer: str, phrase: str) -> bool:
    """Say whether the added ideograph is a word of its own that titles neither begin nor end with."""
    return (longer[0] if longer.endswith(phrase) else longer[-1]) in EDGES
