"""Writing systems: which letters a language is written with, and whether a text may be in it by its letters."""

import unicodedata
from collections import Counter
from functools import cache

_LATIN = frozenset({"LATIN"})
_CYRILLIC = frozenset({"CYRILLIC"})
_ARABIC = frozenset({"ARABIC"})
_DEVANAGARI = frozenset({"DEVANAGARI"})
_HAN = frozenset({"CJK"})
_KOREAN = frozenset({"HANGUL", "CJK"})
_JAPANESE = frozenset({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"})

_BY_LANGUAGE = {
    **dict.fromkeys(("zh", "yue"), _HAN),
    "ja": _JAPANESE,
    "ko": _KOREAN,
    **dict.fromkeys(("ru", "uk", "be", "bg", "mk", "kk", "mn", "tg", "tt", "ba"), _CYRILLIC),
    **dict.fromkeys(("ar", "fa", "ur", "ps", "sd"), _ARABIC),
    **dict.fromkeys(("he", "yi"), frozenset({"HEBREW"})),
    **dict.fromkeys(("hi", "mr", "ne", "sa"), _DEVANAGARI),
    **dict.fromkeys(("bn", "as"), frozenset({"BENGALI"})),
    "gu": frozenset({"GUJARATI"}),
    "pa": frozenset({"GURMUKHI"}),
    "ta": frozenset({"TAMIL"}),
    "te": frozenset({"TELUGU"}),
    "kn": frozenset({"KANNADA"}),
    "ml": frozenset({"MALAYALAM"}),
    "si": frozenset({"SINHALA"}),
    "th": frozenset({"THAI"}),
    "lo": frozenset({"LAO"}),
    "km": frozenset({"KHMER"}),
    "my": frozenset({"MYANMAR"}),
    "bo": frozenset({"TIBETAN"}),
    "ka": frozenset({"GEORGIAN"}),
    "hy": frozenset({"ARMENIAN"}),
    "el": frozenset({"GREEK"}),
    "am": frozenset({"ETHIOPIC"}),
    **dict.fromkeys(("sr", "bs", "az", "uz", "tk"), _LATIN | _CYRILLIC),
}
"""First words of the Unicode names of a language's letters; one that is not here is written in Latin letters."""

_BY_TAG = {"Latn": _LATIN, "Cyrl": _CYRILLIC, "Arab": _ARABIC, "Deva": _DEVANAGARI, "Hans": _HAN, "Hant": _HAN}


def scripts_of(language: str) -> frozenset[str]:
    """Return the scripts of a language (a BCP 47 tag), as Unicode names letters."""
    primary, *rest = language.split("-")
    named = next((_BY_TAG[part.title()] for part in rest if part.title() in _BY_TAG), None)
    return named or _BY_LANGUAGE.get(primary.lower(), _LATIN)


def may_be_in(text: str, language: str) -> bool:
    """Return whether a text may be in a language by its letters; one without letters may be in any.

    Names in Latin letters stand in texts of all scripts, so that one letter of another script's own is enough; a text
    in Latin letters holds more of them than others.
    """
    counted = letters(text)
    if not counted:
        return True
    scripts = scripts_of(language)
    own = sum(counted[script] for script in scripts)
    return 2 * own > counted.total() if "LATIN" in scripts else own > 0


def letters(text: str) -> Counter[str]:
    """Count the letters of a text by script."""
    return Counter(_script(character) for character in text if character.isalpha())


@cache
def _script(character: str) -> str:
    name = unicodedata.name(character, "").removeprefix("FULLWIDTH ").removeprefix("HALFWIDTH ")
    return name.partition(" ")[0]
