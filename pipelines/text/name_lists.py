"""Lists of names: given and family names of many countries (Faker), countries and towns (GeoNames), everyday words.

Read when first asked for.
"""

# ruff: noqa: SIM905  (lists of words are easier to read as text)

import importlib
import lzma
import pkgutil
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final, Literal

import stopwordsiso

from pipelines.text.given_names import GIVEN_NAMES

NameKind = Literal["first", "last"]
GIVEN: Final = "first"
FAMILY: Final = "last"

PLACES = Path(__file__).parent / "places" / "geonames.txt.xz"
"""Names of places, one a line; ``scripts/make-places`` makes it, and NOTICE beside it names its source."""
WELL_KNOWN: Final = "*"
"""Begins a line of `PLACES` with a place that many know."""

_EVERYDAY = frozenset(
    """
    will mark may rose grace hope art bill frank chase drew pat rich summer dawn faith joy june april august page
    young black white brown green king long day best love case book cook baker bush ford bell bird bishop price power
    english french german german's cross field fields fox friend gold hall hand hunt lake lane law little
    major marks marsh moon moore's nice park parks pool rice rock sharp short snow stone street strong sweet
    water waters weather wood woods dean duke star sunny sky
    monday sunday java sage
    chance cash angel prince princess precious treasure
    bank branch bridge brook brooks camp castle church close college court cove crane creek down east north south
    west eve ever flower forest fort garden gates glass good grant great guy heath held hill hills holiday home house
    justice lady lamb land lord love low luck may mercy mill mills mine mobile moss most mount nation new noble old
    order orange owl penny pike place plant point pope post read reading rain reed reef rivers road robin
    rush same sand scout shore silver singer smart sole spark spring steel storm still summers swan
    temple town trout true union valley victory wall ward warm web weeks well wells wild winter wise worth
    yes thanks hello please sorry sales great happy special general bluetooth google amazon microsoft apple tesla linux
    docker kubernetes option band bend bath battle bay beach normal split of date data team man men can sent
    office manager support service doctor uncle aunt sister brother mother father mom dad mum baby honey dear
    european american british spanish chinese indian irish scottish welsh dutch japanese italian russian swiss polish
    """.split()
)
_NAMES_AMONG_STOP_WORDS = frozenset("ann anne".split())


@dataclass(frozen=True)
class PlaceList:
    """Names of places in lower case, without accents, a space between words; ``large`` are those that many know."""

    every: frozenset[str]
    large: frozenset[str]

    def holds(self, words: tuple[str, ...]) -> bool:
        """Return whether a place is called so."""
        return plain(" ".join(words)) in self.every

    def is_large(self, words: tuple[str, ...]) -> bool:
        """Return whether a place that many know is called so."""
        return plain(" ".join(words)) in self.large


def is_common(word: str) -> bool:
    """Return whether a lower-case word is an everyday one: on its own, at a sentence's beginning, it is no name."""
    return word in _EVERYDAY or is_stop_word(word)


def is_stop_word(word: str) -> bool:
    """Return whether a lower-case word is one that every text has, and no name wherever it stands."""
    return word in _stop_words()


@cache
def _stop_words() -> frozenset[str]:
    return frozenset(stopwordsiso.stopwords("en")) - _NAMES_AMONG_STOP_WORDS


@cache
def name_list(kind: NameKind) -> frozenset[str]:
    """Return given or family names in Latin script, in lower case, of all countries that Faker knows."""
    import faker.providers.person as countries  # only jobs that hide names read them

    found: set[str] = set(GIVEN_NAMES) if kind == GIVEN else set()
    for module in pkgutil.iter_modules(countries.__path__):
        provider = importlib.import_module(f"{countries.__name__}.{module.name}").Provider
        for attribute, values in vars(provider).items():
            if attribute.startswith(f"{kind}_name") and isinstance(values, Iterable):
                found |= {name.casefold() for name in values if _is_word(name)}
    return frozenset(found)


@cache
def place_list() -> PlaceList:
    """Return the places that GeoNames knows: countries, states of the USA, towns of 15,000 inhabitants and more."""
    lines = lzma.decompress(PLACES.read_bytes()).decode().splitlines()
    large = frozenset(line[1:] for line in lines if line.startswith(WELL_KNOWN))
    return PlaceList(every=large.union(line for line in lines if not line.startswith(WELL_KNOWN)), large=large)


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """Return a text without its accents."""
    if text.isascii():
        return text
    return "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))


def _is_word(name: object) -> bool:
    return isinstance(name, str) and len(name) > 1 and is_latin(name) and " " not in name


def is_latin(name: str) -> bool:
    """Return whether all letters of a name are of the Latin script."""
    return all(not letter.isalpha() or unicodedata.name(letter, "").startswith("LATIN") for letter in name)
