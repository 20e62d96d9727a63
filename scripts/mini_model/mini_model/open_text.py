"""Sentences about anything, from Debian's `wordnet-base`, `fortunes` and `bible-kjv-text` packages."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

WORDNET = Path("/usr/share/wordnet")
FORTUNES = Path("/usr/share/games/fortunes")
_BIBLE = ("bible", "-f", "gen1:1-rev22:21")

_MIN_WORDS, _MAX_WORDS = 3, 24
_SPEAKABLE = re.compile(r"[A-Za-z',.?! -]+")
_ABBREVIATION = re.compile(r"[A-Z]{2,}|\b[A-Z]\.")
_DEBRIS = re.compile(r"[.,?!]{2,}|'\s|\s'|-\s|\s-|[a-z][A-Z]")


class MissingText(RuntimeError):
    """A Debian text package is not installed."""


def open_sentences() -> list[str]:
    """Return all usable sentences, each once, in the order of the packages.

    Raises `MissingText` naming the package to install.
    """
    for package, there in (("wordnet-base", WORDNET.is_dir()), ("fortunes", FORTUNES.is_dir())):
        if not there:
            raise MissingText(f"install the Debian package {package}")
    raw = (*_definitions(), *_fortunes(), *_verses())
    return list(dict.fromkeys(kept for line in raw if (kept := sentence_of(line))))


def sentence_of(text: str) -> str | None:
    """Return ``text`` as a clean sentence of 3 to 24 words, or None when a voice may misread it."""
    for old, new in (("’", "'"), ("`", "'"), ("--", ", "), ("_", ""), ('"', ""), ("“", ""), ("”", "")):
        text = text.replace(old, new)
    text = re.sub(r"\([^)]*\)", "", text)
    text = re.sub(r"\s+([,.?!])", r"\1", re.sub(r"\s+", " ", text)).strip(" ,-")
    if not _SPEAKABLE.fullmatch(text) or _ABBREVIATION.search(text) or _DEBRIS.search(text):
        return None
    if not _MIN_WORDS <= len(text.split()) <= _MAX_WORDS:
        return None
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".?!" else text + "."


def _definitions() -> Iterator[str]:
    """Yield WordNet's glosses: definitions and examples between semicolons."""
    for path in sorted(WORDNET.glob("data.*")):
        for line in path.read_text(encoding="utf-8", errors="ignore").splitlines():
            _, bar, gloss = line.partition("|")
            if bar:
                yield from gloss.split(";")


def _fortunes() -> Iterator[str]:
    for path in sorted(FORTUNES.rglob("*")):
        if not path.is_file() or path.suffix in (".dat", ".u8") or "off" in path.parts:
            continue
        for saying in path.read_text(encoding="utf-8", errors="ignore").split("\n%\n"):
            words = re.split(r"\n\s+--", saying)[0].replace("\n", " ")
            yield from re.split(r"(?<=[.?!])\s+", words)


def _verses() -> Iterator[str]:
    """Yield every third piece of the King James Bible between stops, so that its style does not outweigh the others."""
    try:
        text = subprocess.run(_BIBLE, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError as error:
        raise MissingText("install the Debian package bible-kjv-text") from error
    pieces = [
        piece.rstrip(":;")
        for line in text.splitlines()
        for piece in re.split(r"(?<=[.?!:;])\s+", line.partition(" ")[2])
    ]
    yield from pieces[::3]
