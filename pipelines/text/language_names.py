"""Reads languages as people write them: names in any language, ISO 639 codes, BCP 47 tags, locales.

`language_code` gives Whisper's code, `language_tag` a BCP 47 tag; both raise `UnknownLanguage` with the nearest names.
The names are those of Unicode's CLDR (packages langcodes and language_data); beside them stand Whisper's own
(`pipelines.text.languages.NAMES`) and what Chinese calls itself and CLDR does not list.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal

from pipelines.text.chinese import CHINESE, ZhScript
from pipelines.text.languages import LANGUAGES, NAMES

if TYPE_CHECKING:
    from langcodes import Language

MAX_CHARS = 80
MAX_TAG_CHARS = 35  # RFC 5646, 4.4.1
N_NEAREST = 3
DETECT = frozenset({"", "auto"})
"""Spellings of no language: it is detected, or the one that was spoken."""

_CODES = {name: code for code, name in NAMES.items()}
_CLDR = {"jw": "jv"}
"""Whisper's codes that CLDR has under another."""
_WHISPER = {"cmn": "zh", "fil": "tl", "jv": "jw", "nb": "no"}
"""Whisper's codes of what langcodes calls otherwise."""
_SCRIPTS: dict[str | None, ZhScript] = {"Hans": "simplified", "Hant": "traditional"}
_CHINESE_NAMES = {
    "國語": "zh",
    "国语": "zh",
    "普通話": "zh",
    "汉语": "zh",
    "漢語": "zh",
    "华语": "zh",
    "華語": "zh",
    "简中": "zh-Hans",
    "正體中文": "zh-Hant",
    "繁中": "zh-Hant",
    "廣東話": "yue",
    "廣州話": "yue",
    "广州话": "yue",
}
_NO_LANGUAGE = frozenset({"", "mis", "mul", "und", "zxx"})  # of ISO 639-2: several, unknown, none
_MAX_CODE_CHARS = 3  # of ISO 639; longer ones are for private use
_NO_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # controls, halves of pairs: marisa_trie fails at some
_BRACKETS = str.maketrans("（）", "()")
_COMMAS = str.maketrans("，、", ",,")


class UnknownLanguage(ValueError):
    """A text names no language that can be had here; its message names the nearest ones."""


def is_open(text: str) -> bool:
    """Say whether a text leaves the language open."""
    return text.strip().casefold() in DETECT


def language_code(text: str) -> str | None:
    """Return Whisper's code of the language that a text names, None for one that is to be detected.

    Raises `UnknownLanguage` for no language, and for one that Whisper does not know.
    """
    if is_open(text):
        return None
    found = _language(text)
    code = _whisper_code(found) if found else None
    if code is None:
        raise UnknownLanguage(f"{_quoted(text)} is no language that can be transcribed; {_nearest(text)}")
    return code


def language_codes(value: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the codes of several languages, each once: a list, or one text with commas between; see `language_code`.

    None, "" and ``auto`` alone stand for every language: (). Raises `UnknownLanguage` for ``auto`` among others too.
    """
    codes = [language_code(part) for part in split_languages(value)]
    if None in codes and any(codes):
        raise UnknownLanguage("auto stands for every language, and cannot be one of several")
    return tuple(dict.fromkeys(filter(None, codes)))


def split_languages(value: str | Iterable[str] | None) -> list[str]:
    """Return the languages of a list, or of a text with commas between, as they are written, without empty ones."""
    texts = [value] if isinstance(value, str) else value or ()
    parts = (part.strip() for text in texts for part in text.translate(_COMMAS).split(","))
    return [part for part in parts if part]


def language_tag(text: str) -> str | None:
    """Return the BCP 47 tag of the language that a text names, region and script kept; None for the one spoken.

    Whisper's codes stay as they are. Raises `UnknownLanguage`.
    """
    if is_open(text):
        return None
    found = _language(text)
    tag = found.to_tag() if found and _is_known(found) else ""
    if not 0 < len(tag) <= MAX_TAG_CHARS:
        raise UnknownLanguage(f"{_quoted(text)} is no language; {_nearest(text)}")
    language, dash, rest = tag.partition("-")
    return _WHISPER.get(language, language) + dash + rest


def zh_script(text: str) -> ZhScript | None:
    """Return the script that the name of a language asks for: Chinese of Taiwan is written in traditional characters.

    None for names that leave it open, for other languages and for what is no language.
    """
    found = _language(text)
    if found is None or _whisper_code(found) not in CHINESE or not (found.script or found.territory):
        return None
    return _SCRIPTS.get(found.script or found.maximize().script)


def spoken_code(tag: str) -> str:
    """Return Whisper's code for a BCP 47 tag; what Whisper does not know keeps its first part."""
    found = _language(tag)
    return (_whisper_code(found) if found else None) or tag.strip().casefold().replace("_", "-").partition("-")[0]


def same_language(one: str, other: str) -> bool:
    """Say whether two BCP 47 tags name one language as it is written: Mandarin and Cantonese do."""
    first, second = spoken_code(one), spoken_code(other)
    return first == second or {first, second} <= CHINESE


def display_name(tag: str, language: Literal["en", "zh"]) -> str:
    """Return the name of a language in English or Chinese; a tag of none stays as it is."""
    from language_data.names import code_to_names  # 28 MB of names, which only few processes show

    code = spoken_code(tag)
    names: dict[str, str] = code_to_names(_CLDR.get(code, code))
    return names.get(language) or names.get("en") or tag


@cache
def language_names() -> dict[str, dict[str, str]]:
    """Return the names of Whisper's languages by code, then by ``en`` and ``zh``."""
    return {code: {"en": display_name(code, "en"), "zh": display_name(code, "zh")} for code in sorted(LANGUAGES)}


def _language(text: str) -> "Language | None":
    """Read a name, code, tag or locale; None for no language."""
    text = " ".join(text.translate(_BRACKETS).split())
    return None if not text or len(text) > MAX_CHARS or _NO_NAME.search(text) else _read(text)


@lru_cache(maxsize=1024)
def _read(text: str) -> "Language | None":
    return _tagged(text) or _named(text) or _qualified(text)


def _tagged(text: str) -> "Language | None":
    """Read ``en``, ``eng``, ``en-US``, ``en_GB``, ``de_DE.UTF-8``."""
    from langcodes import Language

    tag = text.partition(".")[0].partition("@")[0].replace("_", "-")
    if not tag.isascii():
        return None
    try:
        found = Language.get(tag, normalize=tag.casefold() not in LANGUAGES)
    except ValueError:
        return None
    return found if _is_known(found) else None


def _is_known(language: "Language") -> bool:
    from langcodes import tag_is_valid

    code = language.language or ""
    return code not in _NO_LANGUAGE and len(code) <= _MAX_CODE_CHARS and tag_is_valid(code)


def _named(text: str) -> "Language | None":
    """Read the name of a language in any language."""
    from langcodes import Language
    from language_data.names import get_trie_value, normalize_name

    name = normalize_name(text).removesuffix(" language") if text.strip("-") == text else ""
    own = _CODES.get(name) or _CHINESE_NAMES.get(name)
    if own:
        return Language.get(own, normalize=False)
    names = _all_names()
    return Language.get(get_trie_value(names, name)) if name and name in names else None


@cache
def _all_names() -> Any:
    """Load CLDR's names of languages in all languages: a trie of 650 kB."""
    from language_data.names import load_trie
    from language_data.util import data_filename

    return load_trie(data_filename("trie/und/name_to_language.marisa"))


def _qualified(text: str) -> "Language | None":
    """Read ``Chinese (Taiwan)`` and ``Serbian (Cyrillic)``: a language with a territory or a script in brackets."""
    from langcodes import Language

    name, bracket, qualifier = text.removesuffix(")").partition("(")
    found = _named(name) if bracket and text.endswith(")") else None
    if found is None:
        return None
    for kind in ("territory", "script"):
        try:
            return found.update(Language.find_name(kind, qualifier.strip()))
        except LookupError:
            continue
    return None


def _whisper_code(language: "Language") -> str | None:
    """Return Whisper's code of a language or of the one that it is a kind of; Chinese has too many kinds for that."""
    from langcodes.data_dicts import MACROLANGUAGES

    code = language.language or ""
    own = _WHISPER.get(code, code)
    if own in LANGUAGES:
        return own
    wider = MACROLANGUAGES.get(code)
    return wider if wider in LANGUAGES and wider not in CHINESE else None


def _quoted(text: str) -> str:
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text.strip())
    return f"'{shown}'" if len(shown) <= MAX_CHARS else f"'{shown[: MAX_CHARS - 1]}…'"


def _nearest(text: str) -> str:
    """Name the languages whose English name or code resembles a text most."""
    wanted = text.strip().casefold()[:MAX_CHARS]
    known = LANGUAGES if len(wanted) <= 3 else _CODES
    close = get_close_matches(wanted, sorted(known), n=N_NEAREST, cutoff=0.0)
    codes = [name if name in LANGUAGES else _CODES[name] for name in close]
    return "nearest: " + ", ".join(f"{NAMES[code].title()} ({code})" for code in codes)
