"""Languages and fonts of Word documents.

Word keeps three languages and fonts for each text (ECMA-376-1, 17.3.2.20 and 17.3.2.26): for Latin, for East Asian and
for complex scripts, which are those that need shaping or another direction. It chooses by character.
"""

import re
from dataclasses import dataclass

LATIN_FONT = "Calibri"
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")

# By ISO code: the tag that Word knows, and a font that comes with Word or its systems.
_EAST_ASIAN = {
    "zh": ("zh-CN", "Microsoft YaHei"),
    "zh-hant": ("zh-TW", "Microsoft JhengHei"),
    "zh-hk": ("zh-HK", "Microsoft JhengHei"),
    "zh-tw": ("zh-TW", "Microsoft JhengHei"),
    "yue": ("zh-HK", "Microsoft JhengHei"),
    "ja": ("ja-JP", "Yu Gothic"),
    "ko": ("ko-KR", "Malgun Gothic"),
}
_COMPLEX = {
    "ar": ("ar-SA", "Arial"),
    "fa": ("fa-IR", "Arial"),
    "he": ("he-IL", "Arial"),
    "iw": ("he-IL", "Arial"),
    "ps": ("ps-AF", "Arial"),
    "sd": ("sd-Arab-PK", "Arial"),
    "ug": ("ug-CN", "Arial"),
    "ur": ("ur-PK", "Arial"),
    "yi": ("yi-Hebr", "Arial"),
    "dv": ("dv-MV", "MV Boli"),
    "as": ("as-IN", "Nirmala UI"),
    "bn": ("bn-IN", "Nirmala UI"),
    "gu": ("gu-IN", "Nirmala UI"),
    "hi": ("hi-IN", "Nirmala UI"),
    "kn": ("kn-IN", "Nirmala UI"),
    "ml": ("ml-IN", "Nirmala UI"),
    "mr": ("mr-IN", "Nirmala UI"),
    "ne": ("ne-NP", "Nirmala UI"),
    "or": ("or-IN", "Nirmala UI"),
    "pa": ("pa-IN", "Nirmala UI"),
    "sa": ("sa-IN", "Nirmala UI"),
    "si": ("si-LK", "Nirmala UI"),
    "ta": ("ta-IN", "Nirmala UI"),
    "te": ("te-IN", "Nirmala UI"),
    "km": ("km-KH", "Leelawadee UI"),
    "lo": ("lo-LA", "Leelawadee UI"),
    "th": ("th-TH", "Leelawadee UI"),
    "my": ("my-MM", "Myanmar Text"),
    "bo": ("bo-CN", "Microsoft Himalaya"),
}


@dataclass(frozen=True, kw_only=True)
class WordLanguages:
    """The language tags and fonts of a document for Latin, East Asian and complex scripts."""

    latin: str = "en-US"
    east_asian: str = "zh-CN"
    complex: str = "ar-SA"
    east_asian_font: str = "Microsoft YaHei"
    complex_font: str = "Arial"


def word_languages(language: str) -> WordLanguages:
    """Return what a document in a language declares; a tag that is none counts as English."""
    if not _LANGUAGE_TAG.fullmatch(language) or language == "en":
        return WordLanguages()
    base, *parts = language.lower().split("-")
    if base in _COMPLEX:
        tag, font = _COMPLEX[base]
        return WordLanguages(complex=language if parts else tag, complex_font=font)
    found = next((_EAST_ASIAN[key] for key in (f"{base}-{part}" for part in parts) if key in _EAST_ASIAN), None)
    found = found or _EAST_ASIAN.get(base)
    if found:
        return WordLanguages(east_asian=found[0], east_asian_font=found[1])
    return WordLanguages(latin=language)
