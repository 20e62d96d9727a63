"""Styled text → clusters of glyphs: fonts chosen, directions resolved, complex scripts shaped.

Directions are resolved by fpdf2's implementation of the bidirectional algorithm (Unicode Standard Annex 9), glyphs are
chosen and placed by HarfBuzz. Text that needs neither takes a short way: nearly all text of most documents.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import uharfbuzz as hb
from reportlab.lib.colors import Color

from pipelines.export.pdf.fonts import MISSING, REGULAR, Face, Glyph, face_for, is_ignorable
from pipelines.text.direction import has_right_to_left
from pipelines.text.typography import is_mark

_SPACE = re.compile(r"\s+")
_LAST_LATIN = "\u024f"


@dataclass(frozen=True, kw_only=True)
class Ink:
    """Style and link target of a stretch of text."""

    bold: bool = False
    colour: Color | None = None
    link: str = ""


Styled = tuple[str, Ink]


class Cluster(NamedTuple):
    """The least text that cannot be taken apart, its glyphs from left to right, its width in ems.

    ``level`` is its embedding level by Unicode Standard Annex 9, odd when it runs from right to left.
    """

    text: str
    face: Face
    ink: Ink
    advance: float
    glyphs: tuple[Glyph, ...]
    level: int = 0


def shape(source: Sequence[Styled], *, right_to_left: bool, language: str) -> list[Cluster]:
    """Return the clusters of a paragraph in logical order; every run of whitespace is one space, none comes first."""
    text, inks = _spaced(source)
    levels = _levels(text, right_to_left=right_to_left) if has_right_to_left(text) else [0] * len(text)
    faces, text = _faces(text, inks)
    clusters: list[Cluster] = []
    at = 0
    for (face, level), group in groupby(zip(faces, levels, strict=True)):
        end = at + sum(1 for _ in group)
        run = text[at:end]
        if face.shaped or level % 2 or not (run.isascii() or all(map(_stands_alone, run))):
            clusters += _shaped(run, face, inks[at:end], level, language)
        else:
            clusters += [
                Cluster(character, face, ink, glyphs[0].advance, glyphs, level)
                for character, ink in zip(run, inks[at:end], strict=True)
                for glyphs in (face.plain(character),)
            ]
        at = end
    return clusters


def in_visual_order(line: Sequence[Cluster]) -> list[Cluster]:
    """Return the clusters of a line from left to right (Unicode Standard Annex 9, rule L2)."""
    ordered = list(line)
    levels = [cluster.level for cluster in line]
    for level in range(max(levels, default=0), 0, -1):
        at = 0
        for inside, group in groupby(ordered, key=lambda cluster: cluster.level >= level):
            end = at + sum(1 for _ in group)
            if inside:
                ordered[at:end] = ordered[at:end][::-1]
            at = end
    return ordered


def _spaced(source: Sequence[Styled]) -> tuple[str, list[Ink]]:
    """Join the texts, write whitespace as single spaces; return the text and the ink of each character."""
    texts: list[str] = []
    inks: list[Ink] = []
    after_space = True
    for text, ink in source:
        spaced = _SPACE.sub(" ", text)
        if after_space and spaced.startswith(" "):
            spaced = spaced[1:]
        if spaced:
            texts.append(spaced)
            inks += [ink] * len(spaced)
            after_space = spaced.endswith(" ")
    return "".join(texts), inks


def _levels(text: str, *, right_to_left: bool) -> list[int]:
    """Return the embedding level of each character."""
    from fpdf.bidi import BidiParagraph  # with the first document that needs it: fpdf2 takes 45 MB of a process
    from fpdf.enums import TextDirection

    paragraph = BidiParagraph(text=text, base_direction=TextDirection.RTL if right_to_left else TextDirection.LTR)
    levels = [int(right_to_left)] * len(text)
    for character in paragraph.get_characters():
        levels[character.character_index] = character.embedding_level
    return levels


def _faces(text: str, inks: Sequence[Ink]) -> tuple[list[Face], str]:
    """Choose each character's font; returns them and the text, in which what no font has is `MISSING`."""
    if text.isascii():
        return [REGULAR.bold if ink.bold and REGULAR.bold else REGULAR for ink in inks], text
    faces: list[Face] = []
    characters: list[str] = []
    face = REGULAR
    for character, ink in zip(text, inks, strict=True):
        found = _face(character, face)
        face = found or REGULAR
        if found is None:
            character = MISSING
        cut = face.bold if ink.bold and face.bold and face.bold.has(character) else face
        faces.append(cut)
        characters.append(character)
    return faces, "".join(characters)


def _face(character: str, before: Face) -> Face | None:
    """Choose a character's font after one in the font ``before``, where marks, joiners and shared punctuation stay."""
    if character <= _LAST_LATIN:
        return REGULAR if REGULAR.has(character) else None
    if is_ignorable(character):
        return before
    stays = is_mark(character) or (before.shaped and not REGULAR.has(character))
    return before if stays and before.has(character) else face_for(character)


def _stands_alone(character: str) -> bool:
    return not is_mark(character) and not is_ignorable(character)


def _shaped(run: str, face: Face, inks: Sequence[Ink], level: int, language: str) -> list[Cluster]:
    """Shape a run of one font and level; its clusters are in logical order."""
    buffer = hb.Buffer()
    buffer.add_codepoints([ord(character) for character in run])
    buffer.guess_segment_properties()
    buffer.direction = "rtl" if level % 2 else "ltr"
    if language.isascii() and language.replace("-", "").isalnum():
        buffer.language = language
    hb.shape(face.hb_font, buffer)
    glyphs: dict[int, list[Glyph]] = {}
    scale = face.per_em
    for info, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
        glyph = Glyph(info.codepoint, place.x_advance * scale, place.x_offset * scale, place.y_offset * scale)
        glyphs.setdefault(info.cluster, []).append(glyph)
    starts = sorted(glyphs)
    return [
        Cluster(
            run[start:end],
            face,
            inks[start],
            sum(glyph.advance for glyph in glyphs[start]),
            tuple(glyphs[start]),
            level,
        )
        for start, end in zip(starts, [*starts[1:], len(run)], strict=True)
    ]
