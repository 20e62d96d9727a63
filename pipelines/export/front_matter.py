"""Lays out what stands before the minutes: facts about the recording, and what its readers have to know."""

from collections.abc import Iterator, Sequence
from math import ceil

from pipelines.core import CoverageStatus, Speaker
from pipelines.export.blocks import Block, Line, Paragraph, Run, paragraph
from pipelines.export.material import Material
from pipelines.minutes.language.registry import decisions_recognised
from pipelines.text.cleaning import one_line
from pipelines.transcript.coverage import health_s


def facts(material: Material) -> Iterator[tuple[str, str]]:
    """Yield pairs of a label and what is known, in the order of print; what is not known is left out."""
    labels, minutes, transcript = material.labels, material.minutes, material.transcript
    participants = [material.person(name) for name in minutes.participants]
    known = [
        (labels.recording, material.title),
        (labels.date, minutes.held_on),
        (labels.duration, material.duration),
        (labels.language, _languages(material)),
        (labels.chair, one_line(minutes.chair.text) if minutes.chair else ""),
        (labels.place, one_line(minutes.place.text) if minutes.place else ""),
        (labels.participants, labels.list_separator.join(name for name in participants if name)),
        (labels.distribution, labels.list_separator.join(one_line(fact.text) for fact in minutes.distribution)),
        (labels.transcribed_with, one_line(transcript.model.name) if material.turns else ""),
        (labels.written_by, _writer(material)),
    ]
    yield from (fact for fact in known if fact[1])


def notes(material: Material) -> Iterator[Block]:
    """Yield what is to be known of the recording, who wrote this, and what of the recording is missing."""
    labels = material.labels
    for found in material.transcript.notes:
        yield paragraph(one_line(labels.note(found)), kind="warning")
    if names := [_inferred(material, speaker) for speaker in material.inferred.values()]:
        yield Paragraph(lines=(tuple(_listed(material, labels.inferred_names, names)),), kind="note")
    writers = {"extractive": labels.extractive_note, "llm": labels.model_note}
    if material.minutes.writer in writers:
        yield paragraph(writers[material.minutes.writer], kind="note")
    if not decisions_recognised(material.minutes):
        yield paragraph(labels.no_cues, kind="note")
    losses = labels.list_separator.join(
        phrase.format(material.clock(ceil(seconds)))
        for phrase, seconds in (
            (labels.suspect_s, health_s(material.transcript, CoverageStatus.SUSPECT)),
            (labels.failed_s, health_s(material.transcript, CoverageStatus.FAILED)),
        )
        if seconds
    )
    if losses:
        yield paragraph(labels.warning.format(losses, labels.quality), kind="warning")


def _inferred(material: Material, speaker: Speaker) -> Line:
    """Return a name and the words it was inferred from."""
    proof = speaker.evidence[0]
    quote = material.labels.quote.format(one_line(proof.quote))
    return (Run(text=f"{one_line(speaker.name)} – {quote} "), *material.times(proof))


def _listed(material: Material, phrase: str, entries: Sequence[Line]) -> Iterator[Run]:
    """Yield a phrase with the entries in its braces."""
    before, _, after = phrase.partition("{}")
    yield Run(text=before)
    for n, entry in enumerate(entries):
        if n:
            yield Run(text=material.labels.list_separator)
        yield from entry
    yield Run(text=after)


def _writer(material: Material) -> str:
    """Name what wrote the minutes, "" where nobody did."""
    labels = material.labels
    names = {
        "extractive": labels.extractive_writer,
        "llm": labels.model_writer.format(one_line(material.minutes.model)).strip(),
        "none": "",
    }
    return names[material.minutes.writer]


def _languages(material: Material) -> str:
    codes = [material.transcript.language, *(vote.language for vote in material.transcript.languages)]
    return material.labels.list_separator.join(
        dict.fromkeys(material.labels.language_name(one_line(code)) for code in codes if code)
    )
