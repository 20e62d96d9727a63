"""Sounds of words in Latin letters, by rules of English spelling: coarse, for names that no dictionary holds. Pure.

A sound is one character: the consonants ``B C D F G H J K L M N P R S T V W X Y Z 0``, where ``C`` is that of "chip",
``J`` of "jam", ``X`` of "ship" and ``0`` of "thin", and the vowels ``A E O``: recognisers keep consonants and vary
vowels.
"""

import re
import unicodedata

from pipelines.text.number_words import CARDINALS

_LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "e", "œ": "e", "ı": "i"})
_FIGURES = {str(number): word for word, number in CARDINALS.items() if number < 10}

# The first rule that fits at a place counts; ^ and $ are the word's ends.
_RULES: tuple[tuple[re.Pattern[str], str | None], ...] = tuple(
    (re.compile(pattern), sounds)
    for pattern, sounds in (
        (r"^[kgp]n", "N"),
        (r"^wr", "R"),
        (r"^ps", "S"),
        (r"^x", "Z"),
        (r"^mc(?![aeiouy])", "MAK"),
        (r"tsch|tch|cz", "C"),
        (r"sch(?=[lmnrw])|sz|sh", "X"),
        (r"sch", "SK"),
        (r"chr", "KR"),
        (r"ch", "C"),
        (r"ck|cq", "K"),
        (r"sc(?=[eiy])", "S"),
        (r"cc(?=[eiy])", "KS"),
        (r"cia", "XA"),
        (r"c(?=[eiy])", "S"),
        (r"c", "K"),
        (r"dge|dg(?=[iy])", "J"),
        (r"gh(?=[aeiou])", "G"),
        (r"gh", ""),
        (r"g(?=[eiy])", "J"),
        (r"[st]ion", "XAN"),
        (r"th", "0"),
        (r"ph", "F"),
        (r"qu", "KW"),
        (r"q", "K"),
        (r"rh", "R"),
        (r"wh", "W"),
        (r"mb$", "M"),
        (r"x", "KS"),
        (r"y(?=[aeiou])", "Y"),
        (r"(?<=[aeiou])[wh](?![aeiouy])", ""),
        (r"(?:(?<=[aeiouy][^aeiouy])|(?<=[aeiouy][^aeiouy]{2}))e$", ""),
        (r"ee|ea|ie|ei|ey|ay|ai", "E"),
        (r"oo|ou|ow|au|aw|eu|ew|oa", "O"),
        (r"a[aeiouy]*", "A"),
        (r"[eiy][aeiouy]*", "E"),
        (r"[ou][aeiouy]*", "O"),
        (r"[a-z]", None),  # itself
    )
)
_LETTER_NAMES = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        "E BE SE DE E EF JE EC A JE KE EL EM EN O PE KO AR ES TE YO VE DOBOLYO EKS WA ZE".split(),  # noqa: SIM905
        strict=True,
    )
)
_REPEATED = re.compile(r"(.)\1+")
_WORD = re.compile(r"[a-z]+|[0-9]")
_INITIALS = re.compile(r"[A-Z]{2,6}")
_VOWEL = re.compile("[aeiouy]")


def english_sounds(text: str) -> str:
    """Return the sounds of a text; letters that are no Latin ones say nothing, figures are read one by one.

    Words without a vowel are read letter by letter.
    """
    plain = unicodedata.normalize("NFKD", text.casefold().replace("’", "").replace("'", ""))
    bare = "".join(character for character in plain if not unicodedata.combining(character)).translate(_LETTERS)
    return "".join(_of_word(_FIGURES.get(word, word)) for word in _WORD.findall(bare))


def spelled_out(text: str) -> str:
    """Return the sounds of initials that are read letter by letter, such as ``CRM``; "" for any other text."""
    return "".join(_LETTER_NAMES[letter] for letter in text.casefold()) if _INITIALS.fullmatch(text) else ""


def _of_word(word: str) -> str:
    if not _VOWEL.search(word):
        return "".join(_LETTER_NAMES[letter] for letter in word)
    sounds, at = "", 0
    while at < len(word):
        match, heard = next((found, heard) for pattern, heard in _RULES if (found := pattern.match(word, at)))
        sounds += match[0].upper() if heard is None else heard
        at = match.end()
    return _REPEATED.sub(r"\1", sounds)
