"""Finds names of people and places in Latin script by capital letters, lists of names, and the words around them.

A name is masked where several signs agree: a given name, a title, *my name is*, a family name within a sentence. What
was once found is a name wherever it stands with a capital letter. There is no model: what no list holds and nothing
introduces is not found. False alarms are better than misses.
"""

# ruff: noqa: SIM905  (lists of words are easier to read as text)

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from pipelines.text.name_lists import FAMILY, GIVEN, is_common, is_stop_word, name_list, place_list

Entity = tuple[int, int, Literal["names", "places"]]

_TOKEN = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*\.?")
_WORD_END = re.compile(r"['’]s?$|\.$")
_SPELLED = re.compile(r"\b[A-Z](?:-[A-Z]){2,}\b")
_TITLES = frozenset(
    """
    mr mrs ms miss mister madam dr doctor prof professor sir lady lord captain judge justice senator president herr
    frau monsieur madame mademoiselle señor señora signor signora uncle aunt sergeant officer pastor rabbi imam
    """.split()
)
_INTRODUCTION = re.compile(
    r"\b(?:(?:my|his|her|their|your|the) (?:full |first |last |real |user ?)?name(?:'s|’s| is| was)|i am called"
    r"|call me|(?:surname|maiden name)(?: is|,)?|named|signed by|yours truly,?|ich hei(?:ß|ss)e|mein name ist"
    r"|je m['’]appelle|me llamo|mi chiamo|meu nome é|ik heet)\s+$",
    re.IGNORECASE,
)
_PRESENTING = re.compile(
    r"\b(?:i['’]?m|i am|this is|it['’]s|yes|no),?\s+$",
    re.IGNORECASE,
)
_ADDRESSING = re.compile(
    r"\b(?:speak(?:ing)? (?:to|with)|talk(?:ing)? (?:to|with)|sp[eo]ke (?:to|with)|ask(?:ed)? for|over to|thanks"
    r"|thank you|hello|hi|hey|dear|goodbye),?\s+$",
    re.IGNORECASE,
)
_OF_MONTH = re.compile(
    r"\b(?:last|next|in|of|until|till|by|since|this|early|late|mid|before|after|\d\w{0,3}),?\s+$", re.I
)
_CELTIC = re.compile(r"(?:Mc|Mac|O['’]|Fitz)[A-Z][a-z]+")
_IN = re.compile(
    r"\b(?:in|at|near|from|to|towards?|via|around|outside|through|across|visit(?:ing|ed)?|leav(?:e|ing)|reach(?:ed)?"
    r"|aus|nach|bei|à|en|de|dans|desde|hacia)\s+(?:the\s+)?$",
    re.IGNORECASE,
)
_ROAD = re.compile(
    r"(?:\b\d+[A-Za-z]?,?\s+)?(?:[A-Z][\w'’-]*\s+){1,3}"
    r"(?:Street|Road|Avenue|Lane|Drive|Square|Boulevard|Court|Terrace|Crescent|Close|Highway|Parkway|Alley)\b"
    r"|\b[A-ZÄÖÜ][\w-]+(?:straße|strasse|gasse|allee|platz)\b(?:\s\d+[a-z]?)?"
    r"|\b(?:Rue|Avenue|Calle|Via|Plaza)(?:\s(?:de|du|des|la|le|del|della))*(?:\s[A-Z][\w'’-]+){1,3}"
)
_NEVER = frozenset(
    """
    monday tuesday wednesday thursday friday saturday sunday january february march april june july august september
    october november december christmas easter ramadan hanukkah god jesus internet english british american german
    french spanish italian dutch polish russian chinese japanese korean indian irish scottish welsh swiss swedish danish
    norwegian finnish greek turkish portuguese brazilian mexican canadian australian european asian african arabic latin
    hebrew hindi mandarin cantonese austrian belgian czech hungarian romanian ukrainian
    """.split()
)
_PARTICLES = frozenset("de da di del della der den van von la le bin al el ibn st. ten ter zu".split())
_SENTENCE_ENDS = '.?!…:"“”'
_SHORTENED = frozenset("mr. mrs. ms. dr. prof. st. sr. jr.".split())
MAX_PLACE_WORDS = 4


@dataclass(frozen=True)
class _Token:
    text: str
    start: int
    end: int
    first: bool  # of its sentence

    @property
    def folded(self) -> str:
        return self.text.casefold()

    @property
    def capital(self) -> bool:
        return self.text[0].isupper()

    @property
    def shouted(self) -> bool:
        return len(self.text) > 1 and self.text.isupper()

    def has(self, names: Collection[str]) -> bool:
        return self.folded in names or any(part in names for part in re.split(r"['’-]", self.folded) if len(part) > 2)


def find_latin(text: str, *, language: str = "", known: Collection[str] = ()) -> Iterator[Entity]:
    """Yield the names of people and places in a text, ascending; some may overlap.

    ``known`` are names in lower case, word by word, that are names wherever they stand with a capital letter.
    """
    tokens = _tokens(text)
    if not tokens:
        return
    spoken_small = not any(token.capital for token in tokens if token.text != "I")
    roads = [match.span() for match in _ROAD.finditer(text)]
    places = list(_places(text, tokens, spoken_small))
    place_ends = {end for _, end in (*roads, *places)}
    on_road, on_person = bytearray(len(text)), bytearray(len(text))
    place_at: dict[int, tuple[int, int]] = {}
    for start, end in roads:
        yield start, end, "places"
        on_road[start:end] = b"\1" * (end - start)
    for start, end in places:
        place_at |= dict.fromkeys(range(start, end), (start, end))
    for start, end in _people(text, tokens, known, language, spoken_small):
        if all(on_road[start:end]):
            continue
        within = place_at.get(start)
        if within and end <= within[1] and (within[0] < start or _is_rather_place(text, start, end, place_ends)):
            continue
        on_person[start:end] = b"\1" * (end - start)
        yield start, end, "names"
    for start, end in places:
        if not any(on_person[start:end]) or _stands_after_place(text, start, place_ends):
            yield start, end, "places"
    for match in _SPELLED.finditer(text):
        yield *match.span(), "names"


def words_of(name: str) -> Iterator[str]:
    """Yield the words of a name that are names on their own, in lower case."""
    for match in _TOKEN.finditer(name):
        word = _WORD_END.sub("", match.group()).casefold()
        if len(word) > 2 and word not in _TITLES and word not in _PARTICLES and not is_stop_word(word):
            yield word


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    for match in _TOKEN.finditer(text):
        word = match.group()
        if word.casefold() not in _SHORTENED:
            word = _WORD_END.sub("", word)
        before = text[: match.start()].rstrip(" '’-–—(")
        ended = before.casefold().endswith(tuple(_SHORTENED))
        first = not before or (before[-1] in _SENTENCE_ENDS and not ended)
        tokens.append(_Token(word, match.start(), match.start() + len(word), first))
    return tokens


def _adjoins(text: str, before: _Token, after: _Token) -> bool:
    return text[before.end : after.start] in (" ", " - ", ". ", "-") and not after.first


def _is_rather_place(text: str, start: int, end: int, place_ends: Collection[int]) -> bool:
    """Return whether what might be a person or a place is one: it stands where places do, or nobody is called so."""
    name = text[start:end].casefold()
    nobody = " " not in name and name not in name_list(GIVEN) and place_list().is_large((name,))
    return nobody or _stands_after_place(text, start, place_ends)


def _stands_after_place(text: str, start: int, place_ends: Collection[int]) -> bool:
    """Return whether *in* or the like stands before a name, or another place and a comma."""
    before = text[max(0, start - 24) : start]
    return _IN.search(before) is not None or (before.endswith(", ") and start - 2 in place_ends)


def _people(
    text: str, tokens: Sequence[_Token], known: Collection[str], language: str, spoken_small: bool
) -> Iterator[tuple[int, int]]:
    given, family = name_list(GIVEN), name_list(FAMILY)
    nouns_are_capital = language.startswith("de")
    position = 0
    while position < len(tokens):
        token = tokens[position]
        before = text[max(0, token.start - 40) : token.start]
        titled = position > 0 and _title_before(text, tokens[position - 1], token)
        introduced = _INTRODUCTION.search(before) is not None
        presented = _PRESENTING.search(before) is not None
        addressed = _ADDRESSING.search(before) is not None
        if spoken_small:
            begins = (introduced and not is_common(token.folded)) or (
                (titled or presented or addressed or token.folded in known)
                and token.has(given)
                and not is_common(token.folded)
            )
        elif _is_no_name(token, before, text[token.end : token.end + 3]) or (token.shouted and not introduced):
            begins = False
        elif titled or introduced or token.has(known) or _CELTIC.fullmatch(token.text):
            begins = True
        elif presented or addressed:
            unusual = not is_common(token.folded) and not place_list().holds((token.folded,))
            begins = token.has(given) or (unusual and (addressed or token.has(family)))
        elif token.has(given):
            begins = not is_common(token.folded) or not token.first or _family_follows(text, tokens, position)
        else:
            begins = not nouns_are_capital and not is_common(token.folded) and token.has(family)
            begins = begins and (not token.first or text[token.end : token.end + 1] in (",", "'", "’"))
        if not begins:
            position += 1
            continue
        last = _last_of_name(text, tokens, position, spoken_small=spoken_small)
        first = position - 1 if position and _goes_before(text, tokens[position - 1], token) else position
        yield tokens[first].start, tokens[last].end
        position = last + 1


def _is_no_name(token: _Token, before: str, after: str) -> bool:
    """Return whether a word is small, of the calendar, of a nation or a title; *May* is both a month and a name."""
    month = token.text == "May" and (_OF_MONTH.search(before) is not None or after.strip()[:1].isdigit())
    of_calendar = token.folded in _NEVER or month
    return not token.capital or of_calendar or token.folded.rstrip(".") in _TITLES


def _title_before(text: str, title: _Token, token: _Token) -> bool:
    return title.folded.rstrip(".") in _TITLES and text[title.end : token.start].strip(". ") == ""


def _goes_before(text: str, before: _Token, token: _Token) -> bool:
    """Return whether a word with a capital letter before a name is a given name that no list holds."""
    usual = is_common(before.folded) or before.folded in _NEVER or before.folded.rstrip(".") in _TITLES
    return before.capital and token.capital and not usual and not before.shouted and _adjoins(text, before, token)


def _family_follows(text: str, tokens: Sequence[_Token], position: int) -> bool:
    if position + 1 == len(tokens):
        return False
    after = tokens[position + 1]
    return _adjoins(text, tokens[position], after) and after.capital and after.has(name_list(FAMILY))


def _last_of_name(text: str, tokens: Sequence[_Token], position: int, *, spoken_small: bool) -> int:
    """Return the place of a name's last word: it goes on with capital letters, particles between them."""
    last = reached = position
    for i in range(position + 1, min(position + 5, len(tokens))):
        token = tokens[i]
        if not _adjoins(text, tokens[reached], token):
            break
        if spoken_small:
            if is_common(token.folded) or not token.has(name_list(FAMILY)):
                break
            last = i
        elif token.capital and token.folded not in _NEVER:
            last = i
        elif token.folded not in _PARTICLES:
            break
        reached = i
    return last


def _places(text: str, tokens: Sequence[_Token], spoken_small: bool) -> Iterator[tuple[int, int]]:
    listed = place_list()
    position = 0
    while position < len(tokens):
        found = 0
        if not (spoken_small or tokens[position].capital):
            position += 1
            continue
        for size in range(min(MAX_PLACE_WORDS, len(tokens) - position), 0, -1):
            run = tokens[position : position + size]
            if any(text[a.end : b.start] not in (" ", ", ", ". ", "-") for a, b in pairwise(run)):
                continue
            if listed.holds(tuple(token.folded for token in run)) and _stands_as_place(text, run, spoken_small):
                found = size
                break
        if found:
            yield tokens[position].start, tokens[position + found - 1].end
        position += found or 1


def _stands_as_place(text: str, run: Sequence[_Token], spoken_small: bool) -> bool:
    first = run[0]
    placed = _IN.search(text[max(0, first.start - 24) : first.start]) is not None
    common = len(run) == 1 and is_common(first.folded)
    if spoken_small:
        return placed and not common and place_list().is_large(tuple(token.folded for token in run))
    if not (first.capital and run[-1].capital) or (first.shouted and len(first.text) < 4):
        return False
    if len(run) == 1 and first.folded in _NEVER:
        return False
    if len(run) > 1 or placed:
        return not (common and first.first)
    return not common and (not first.first or place_list().is_large((first.folded,)))
