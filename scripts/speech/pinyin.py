"""Convert Chinese to pinyin, by the package pypinyin, which knows where a character sounds otherwise.

The package is loaded where Chinese is met, so that English needs no more than before.
"""

import re

HANZI = re.compile(r"[\u4e00-\u9fff]")


def with_tones(text: str) -> str:
    """Replace each Chinese character with its syllable and tone, ``wo3 men5 tong2 yi4.``; other text and stops stay."""
    from pypinyin import Style, lazy_pinyin

    syllables = lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True)
    return re.sub(r" (?=[,.?!])", "", " ".join(syllables).translate(_STOPS))


def without_tones(text: str) -> str:
    """Spell ``text`` in plain letters, ``wo men tong yi``; ü is v. A text without Chinese comes back as it is."""
    if not HANZI.search(text):
        return text
    from pypinyin import lazy_pinyin

    return " ".join(lazy_pinyin(text))


_STOPS = str.maketrans("，。？！、", ",.?!,")
