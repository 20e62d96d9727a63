"""Lays out what follows the minutes: where the recording could not be transcribed well, and the transcript."""

from collections.abc import Iterator

from pipelines.core import CoverageStatus
from pipelines.export.blocks import Block, Heading, Line, Run, SpokenTurn, Table, cell, paragraph
from pipelines.export.material import Material, anchor
from pipelines.export.turns import Turn, troubles
from pipelines.text.cleaning import one_line


def appendices(material: Material) -> Iterator[Block]:
    """Yield the notes on quality, if there are any, and the transcript, if anything was said."""
    yield from _quality(material)
    yield from _spoken(material)


def _quality(material: Material) -> Iterator[Block]:
    found = troubles(material.transcript)
    if not found:
        return
    labels = material.labels
    yield Heading(text=labels.quality, new_page=True)
    yield paragraph(labels.quality_intro)
    split = material.transcript.n_channels > 1
    rows = tuple(
        (
            cell(f"{material.clock(trouble.start_s)}–{material.clock(trouble.end_s)}"),
            *([cell(str(trouble.channel + 1))] if split else []),
            cell(labels.failed if trouble.health is CoverageStatus.FAILED else labels.suspect),
            cell(labels.reason_text(one_line(trouble.note))),
        )
        for trouble in found
    )
    header = (labels.time, *([labels.channel] if split else []), labels.state, labels.reason)
    yield Table(header=header, rows=rows, shares=(0.22, 0.13, 0.2, 0.45) if split else (0.25, 0.22, 0.53))


def _spoken(material: Material) -> Iterator[Block]:
    labels = material.labels
    if not material.turns:  # a note on top says so
        return
    yield Heading(text=labels.transcript, new_page=not troubles(material.transcript))
    for n, turn in enumerate(material.turns):
        yield SpokenTurn(
            anchor=anchor(n),
            time=material.clock(turn.start_s),
            speaker=labels.speaker(one_line(turn.speaker)),
            text=(*_language_mark(material, n), *_turn_text(material, turn)),
        )


def _language_mark(material: Material, n: int) -> Line:
    """Name the language of a turn where it changes; a recording in one language needs no names."""
    turns = material.turns
    before = next((turn.language for turn in reversed(turns[:n]) if turn.language), material.transcript.language)
    language = turns[n].language
    if not language or language == before:
        return ()
    return (Run(text=f"[{material.labels.language_name(one_line(language))}] ", look="faint"),)


def _turn_text(material: Material, turn: Turn) -> Line:
    if turn.health is CoverageStatus.FAILED:
        until = f"{material.clock(turn.start_s)}–{material.clock(turn.end_s)}"
        return (Run(text=f"[{until} {material.labels.failed_here}]", look="faint"),)
    text = Run(text=one_line(turn.text))
    if turn.health is CoverageStatus.SUSPECT:
        return text, Run(text=f" [{material.labels.suspect_here}]", look="faint")
    return (text,)
