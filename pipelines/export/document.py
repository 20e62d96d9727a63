"""Arranges the content of a minutes document, independent of its format."""

from pipelines.core import Minutes, Transcript
from pipelines.export.appendices import appendices
from pipelines.export.blocks import Block, Content, Layout
from pipelines.export.front_matter import facts, notes
from pipelines.export.material import Material
from pipelines.export.overview import shorten
from pipelines.export.sections import sections
from pipelines.text.cleaning import one_line

MAX_TITLE_CHARS = 200


def minutes_content(transcript: Transcript, minutes: Minutes, title: str) -> Content:
    """Lay out the minutes of a recording called ``title``, with its transcript as an appendix."""
    material = Material(transcript, minutes, title)
    blocks = (*notes(material), *sections(material), *appendices(material))
    return _content(material, _title(material), tuple(facts(material)), blocks)


def arranged_content(transcript: Transcript, minutes: Minutes, title: str, layout: Layout) -> Content:
    """Return a document whose blocks a template arranged, with the notes and appendices that every one has."""
    material = Material(transcript, minutes, title)
    blocks = (*layout.blocks, *notes(material), *appendices(material))
    return _content(material, one_line(layout.title) or _title(material), (), blocks)


def _title(material: Material) -> str:
    return one_line(material.minutes.title) or material.title or material.labels.minutes_of_meeting


def _content(material: Material, title: str, found: tuple[tuple[str, str], ...], blocks: tuple[Block, ...]) -> Content:
    return Content(
        title=shorten(title, MAX_TITLE_CHARS),
        language=material.minutes.language,
        labels=material.labels,
        facts=found,
        blocks=blocks,
    )
