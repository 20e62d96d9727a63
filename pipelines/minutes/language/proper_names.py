"""Names in a written text: capital letters where the sentence does not ask for one, and Chinese titles."""

# ruff: noqa: E501, SIM905  (patterns and lists of words are easier to read in long lines)

import re

from pipelines.minutes.language.stopwords import ENGLISH
from pipelines.minutes.language.wording import tokens
from pipelines.text.given_names import FAMILY_NAMES, GIVEN_NAMES
from pipelines.text.language_names import spoken_code
from pipelines.text.typography import HAN, KANA

# Latin, Greek, Cyrillic: the scripts with capital letters.
_LETTER = "A-Za-zÀ-ÖØ-öø-ɏͰ-Ͽ\u0400-\u04ff"
# Letters and digits side by side are one word, of whatever scripts, except where words have no spaces between them.
_BESIDE = rf"[^\W_{HAN}{KANA}]"
_WORD = re.compile(rf"(?<!{_BESIDE})[{_LETTER}](?:[{_LETTER}\d]|(?:['’-](?=[{_LETTER}])))*+(?!{_BESIDE})")
_OPENS = re.compile(r"(?:^|[.?!:…。？！：•\"“”„«»(（「『*#]|[-–—])\s*$")
# In Chinese and Japanese no word of the language has capital letters.
_IDEOGRAPHIC = re.compile(f"[{HAN}{KANA}]")
_ACTS = re.compile(
    r"(?:['’]s|,)? (?:will|shall|must|would|agreed|said|asked|told|proposed|reported|promised|gets|got|receives?|received|takes|"
    r"took|is to|has|had|wants|wanted|offered|presented|explained|leads|led|chairs|chaired|joined|called|approved|"
    r"pays|paid|sends|owns|confirmed|announced)\b"
)
# Begin sentences and act, but are nobody's names.
_GROUPS = frozenset(
    "everyone everybody nobody someone somebody management participants speakers attendees members customers customer "
    "agent caller team staff sales marketing engineering finance legal support work discussion discussions parties "
    "company today yesterday tomorrow one both others people users clients client employees".split()
)
_TITLE_WORDS = frozenset(
    "meeting meetings minutes review planning plan plans update updates discussion status sync call weekly monthly daily "
    "quarterly annual strategy project report summary decision decisions session team kickoff retrospective interview "
    "overview agenda conversation notes standup briefing workshop committee board general assembly recap budget "
    "call conference talk topics topic points action items besprechung sitzung protokoll réunion reunión riunione".split()
)
_TITLE_WORDS_ZH = re.compile("会议|周会|例会|月会|讨论|纪要|记录|总结|计划|安排|项目|汇报|沟通|评审|议程|会")
_NOUNS_IN_CAPITALS = frozenset({"de", "lb"})
_TITLED_ZH = re.compile(
    f"(?<![一-鿿])?[{''.join(sorted(FAMILY_NAMES))}钱金白石龙万史毛江向马温柳施](?:总监|总(?![结共之是的体计额数量部])|经理|主任|老师|教授|博士|先生|女士|部长|院长|董事长)"
)


def has_capitals(text: str) -> bool:
    """Say whether a text is in a script with capital letters, for the most part."""
    letters = [character for character in text if character.isalpha()]
    return 2 * sum(character.islower() or character.isupper() for character in letters) >= len(letters)


def names_in(text: str, language: str = "en") -> frozenset[str]:
    """Return the words (lower case) of a text that name somebody or something, and Chinese names with titles.

    In German, where every noun has a capital letter, only given names count, and what stands beside one.
    """
    german = spoken_code(language) in _NOUNS_IN_CAPITALS
    found: set[str] = set(_TITLED_ZH.findall(text))
    words = list(_WORD.finditer(text))
    for index, match in enumerate(words):
        word = match.group()
        if not word[0].isupper() or word.casefold() in ENGLISH:
            continue
        before = words[index - 1] if index else None
        after = words[index + 1] if index + 1 < len(words) else None
        given = word.casefold() in GIVEN_NAMES
        if german:
            beside = before is not None and _adjoins(text, before, match) and before.group().casefold() in GIVEN_NAMES
            named = given or beside
        elif _OPENS.search(text[: match.start()]) and not _IDEOGRAPHIC.search(text):
            bare = word.casefold().replace("’", "'").removesuffix("'s")
            acts = bare != word.casefold() or bool(_ACTS.match(text, match.end()))
            acts = acts and bare not in _GROUPS and bare not in ENGLISH
            named = given or acts or (after is not None and _adjoins(text, match, after) and _is_name(after.group()))
        else:
            named = True
        if named:
            found.update(token.removesuffix("'s") for token in tokens(word) if token not in ENGLISH)
    return frozenset(found)


def names_in_title(text: str) -> frozenset[str]:
    """Return the capitalised words (lower case) of a title that meetings are not usually called by.

    Its first word counts only as the first one of a sentence would.
    """
    later = {word.group().casefold() for word in list(_WORD.finditer(text))[1:] if word.group()[0].isupper()}
    bare = {word.replace("’", "'").removesuffix("'s") for word in later}
    return frozenset(word for word in bare | names_in(text) if word not in ENGLISH and word not in _TITLE_WORDS)


def text_of_title(text: str) -> str:
    """Return what is left of a title without the usual words for meetings."""
    left = _WORD.sub(lambda match: "" if match.group().casefold() in _TITLE_WORDS else match.group(), text)
    return _TITLE_WORDS_ZH.sub("", left)


def _adjoins(text: str, one: re.Match[str], other: re.Match[str]) -> bool:
    return text[one.end() : other.start()] == " "


def _is_name(word: str) -> bool:
    return word[0].isupper() and word[1:].islower() and word.casefold() not in ENGLISH
