"""Languages as people write them: every code, name and name of its own leads to the code."""

import langcodes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.text.language_names import (
    MAX_CHARS,
    UnknownLanguage,
    display_name,
    language_code,
    language_codes,
    language_names,
    language_tag,
    same_language,
    zh_script,
)
from pipelines.text.languages import LANGUAGES, NAMES

CLDR = {code: langcodes.Language.get({"jw": "jv"}.get(code, code), normalize=False) for code in sorted(LANGUAGES)}
SPACE = st.text(" \t\n", max_size=3)


@pytest.mark.parametrize("code", sorted(LANGUAGES))
def test_names_of_a_language_lead_to_its_code(code: str) -> None:
    """Its codes of two and three letters, Whisper's name, its names in English, Chinese, French and its own."""
    cldr = CLDR[code]
    names = [cldr.display_name(other) for other in ("en", "zh", "fr")]
    for name in (code, cldr.to_alpha3(), cldr.to_alpha3(variant="B"), NAMES[code], cldr.autonym(), *names):
        assert language_code(name) == code, name
        assert language_tag(name) == code, name


@given(st.sampled_from(sorted(LANGUAGES)), st.sampled_from([str.upper, str.title, str.lower]), SPACE, SPACE)
def test_case_and_space_do_not_matter(code: str, case: object, before: str, after: str) -> None:
    """Neither in codes nor in names."""
    assert callable(case)
    for name in (code, NAMES[code]):
        assert language_code(before + case(name) + after) == code


@given(
    st.sampled_from(sorted(LANGUAGES)), st.sampled_from(["US", "gb", "419", "Latn", "Latn-RS"]), st.sampled_from("-_")
)
def test_regions_and_scripts_are_left_aside(code: str, rest: str, dash: str) -> None:
    """A tag or a locale names its language."""
    assert language_code(f"{code}{dash}{rest}") == code


@pytest.mark.parametrize(
    ("text", "code", "tag", "script"),
    [
        ("en-US", "en", "en-US", None),
        ("en_GB", "en", "en-GB", None),
        ("de_DE.UTF-8", "de", "de-DE", None),
        ("pt-BR", "pt", "pt-BR", None),
        ("ger", "de", "de", None),
        ("deu", "de", "de", None),
        ("fre", "fr", "fr", None),
        ("iw", "he", "he", None),
        ("arz", "ar", "arz", None),
        ("nb", "no", "no", None),
        ("fil", "tl", "tl", None),
        ("jv", "jw", "jw", None),
        ("Burmese", "my", "my", None),
        ("Flemish", "nl", "nl-BE", None),
        ("Brazilian Portuguese", "pt", "pt-BR", None),
        ("español (México)", "es", "es-MX", None),
        ("zh", "zh", "zh", None),
        ("cmn", "zh", "zh", None),
        ("Mandarin", "zh", "zh", None),
        ("中文", "zh", "zh", None),
        ("普通话", "zh", "zh", None),
        ("國語", "zh", "zh", None),
        ("zh-CN", "zh", "zh-CN", "simplified"),
        ("zh-Hans", "zh", "zh-Hans", "simplified"),
        ("zh-SG", "zh", "zh-SG", "simplified"),
        ("简体中文", "zh", "zh-Hans", "simplified"),
        ("zh-TW", "zh", "zh-TW", "traditional"),
        ("zh-HK", "zh", "zh-HK", "traditional"),
        ("zh-Hant", "zh", "zh-Hant", "traditional"),
        ("zh_Hant_TW", "zh", "zh-Hant-TW", "traditional"),
        ("cmn-Hant", "zh", "zh-Hant", "traditional"),
        ("繁體中文", "zh", "zh-Hant", "traditional"),
        ("Traditional Chinese", "zh", "zh-Hant", "traditional"),
        ("Chinese (Taiwan)", "zh", "zh-TW", "traditional"),
        ("中文（繁體）", "zh", "zh-Hant", "traditional"),
        ("yue", "yue", "yue", None),
        ("zh-yue", "yue", "yue", None),
        ("yue-HK", "yue", "yue-HK", "traditional"),
        ("廣東話", "yue", "yue", None),
        ("sr-Latn", "sr", "sr-Latn", None),
        ("", None, None, None),
        ("  ", None, None, None),
        ("AUTO", None, None, None),
    ],
)
def test_spellings(text: str, code: str | None, tag: str | None, script: str | None) -> None:
    """What people write, as Whisper's code, as a tag, and the script it asks for."""
    assert (language_code(text), language_tag(text), zh_script(text)) == (code, tag, script)


@pytest.mark.parametrize(
    "text",
    [
        *("klingon", "tlh", "ga", "nan", "wuu", "xx", "zz", "mul", "und", "x-en", "en-", "en--", "-", "?", ")"),
        *("Deutsch!", "Englishman"),
        *("e n", "English (Deutsch", "English (nowhere)", "a\nb", "x" * 100_000, "\ud800", "\0", "\0en", "en\0"),
    ],
)
def test_what_is_refused(text: str) -> None:
    """What Whisper does not speak, and what is no language, in one short printable line with three that are."""
    with pytest.raises(UnknownLanguage) as caught:
        language_code(text)
    words = str(caught.value)
    assert "is no language that can be transcribed; nearest: " in words
    assert words.count("(") - words.split(";")[0].count("(") == 3
    assert len(words) < MAX_CHARS + 200
    assert words.isprintable()


def test_the_nearest_are_near() -> None:
    """A slip of the finger finds its language."""
    for slip, meant in {"Englsh": "English (en)", "germn": "German (de)", "Potuguese": "Portuguese (pt)"}.items():
        with pytest.raises(UnknownLanguage, match="nearest: ") as caught:
            language_code(slip)
        assert str(caught.value).split("nearest: ")[1].startswith(meant)


@given(st.text(max_size=100))
def test_any_text_is_a_language_or_refused(text: str) -> None:
    """Nothing else happens, and a tag may stand for more languages than can be transcribed."""
    try:
        code = language_code(text)
    except UnknownLanguage:
        assert zh_script(text) is None
    else:
        assert code is None or code in LANGUAGES
        assert (language_tag(text) is None) == (code is None)


def test_tags_of_languages_that_nobody_transcribes() -> None:
    """Minutes may be in any language there is."""
    assert [language_tag(text) for text in ("ga", "Irish", "tlh", "gsw-CH")] == ["ga", "ga", "tlh", "gsw-CH"]
    for text in ("xx", "mul", "x-en", "Deutsch!", "en-x-" + "-".join(["nothing"] * 5)):
        with pytest.raises(UnknownLanguage, match="is no language; nearest"):
            language_tag(text)


def test_several() -> None:
    """A list or a text with commas, each language once; ``auto`` stands for all."""
    assert language_codes("en, zh-TW，Deutsch、en-US,") == ("en", "zh", "de")
    assert language_codes(["English,fr", "", "EN"]) == ("en", "fr")
    for every in (None, "", "auto", [], [""], ["auto"]):
        assert language_codes(every) == ()
    with pytest.raises(UnknownLanguage, match="auto stands for every language"):
        language_codes("en,auto")
    with pytest.raises(UnknownLanguage, match="'klingon'"):
        language_codes(["en", "klingon"])


def test_each_language_has_a_name_in_english_and_chinese() -> None:
    """No two the same, none is its code, none has a line end."""
    names = language_names()
    assert names.keys() == LANGUAGES
    assert (names["ba"], names["bo"], names["jw"]) == (
        {"en": "Bashkir", "zh": "巴什基尔语"},
        {"en": "Tibetan", "zh": "藏语"},
        {"en": "Javanese", "zh": "爪哇语"},
    )
    for language in ("en", "zh"):
        shown = [pair[language] for pair in names.values()]
        assert len(set(shown)) == len(LANGUAGES)
        assert all(name.strip() == name and name not in LANGUAGES for name in shown)
    assert (display_name("zh-TW", "en"), display_name("xx", "en")) == ("Chinese", "xx")


def test_whispers_own_names() -> None:
    """They are one clean line each: the last of a list has kept a line end."""
    assert all(name == " ".join(name.split()) and name for name in NAMES.values())
    assert NAMES["zh"] == "chinese"


def test_the_same_language() -> None:
    """Tags of one language, however written; Mandarin and Cantonese are written alike."""
    assert same_language("en-US", "en")
    assert same_language("jv", "jw")
    assert same_language("zh-Hant", "yue")
    assert not same_language("de", "nl")
    assert not same_language("ga", "gd")
