"""Passages: the pieces of a transcript and its minutes that are found, each with its second and its speaker."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from pipelines.core import Evidence, Minutes, Segment, Transcript


class PassageKind(StrEnum):
    """What a passage is: a segment of the transcript, or an entry of the minutes."""

    SPEECH = "speech"
    SUMMARY = "summary"
    TOPIC = "topic"
    DECISION = "decision"
    ACTION = "action"
    QUESTION = "question"

    @property
    def in_minutes(self) -> bool:
        return self is not PassageKind.SPEECH


@dataclass(frozen=True, kw_only=True)
class Passage:
    """Text on the recording's clock.

    ``segment_id`` is the segment it is, or the first that proves it; None where nothing does. ``speaker`` is who says
    it, of an action its owner. ``language`` is that of the text, without a region.
    """

    kind: PassageKind
    text: str
    start_s: float
    end_s: float
    speaker: str = ""
    language: str = ""
    segment_id: int | None = None


def passages_of(transcript: Transcript, minutes: Minutes | None = None) -> tuple[Passage, ...]:
    """Return what can be found of a transcript as it is published, and of its minutes; segments without text are not.

    Both are masked before they are stored, so no passage holds what is masked.
    """
    said = [
        Passage(
            kind=PassageKind.SPEECH,
            text=segment.text.strip(),
            start_s=segment.start_s,
            end_s=segment.end_s,
            speaker=segment.speaker,
            language=_language(segment.language or transcript.language),
            segment_id=segment.id,
        )
        for segment in transcript.segments
        if segment.text.strip()
    ]
    written = _minutes(minutes, {segment.id: segment for segment in transcript.segments}) if minutes else ()
    return (*said, *written)


def _minutes(minutes: Minutes, segments: dict[int, Segment]) -> Iterator[Passage]:
    language = _language(minutes.language)

    def entry(kind: PassageKind, text: str, evidence: Evidence, owner: str | None = None) -> Passage:
        proof = next((segments[i] for i in evidence.segment_ids if i in segments), None)
        return Passage(
            kind=kind,
            text=text,
            start_s=proof.start_s if proof else 0.0,
            end_s=proof.end_s if proof else 0.0,
            speaker=owner or (proof.speaker if proof else ""),
            language=language,
            segment_id=proof.id if proof else None,
        )

    if minutes.summary.strip():
        yield Passage(kind=PassageKind.SUMMARY, text=minutes.summary, start_s=0.0, end_s=0.0, language=language)
    for topic in minutes.topics:
        yield entry(PassageKind.TOPIC, f"{topic.title}: {topic.summary}", topic.evidence)
    for decision in minutes.decisions:
        yield entry(PassageKind.DECISION, decision.text, decision.evidence)
    for action in minutes.action_items:
        yield entry(PassageKind.ACTION, action.task, action.evidence, action.owner)
    for question in minutes.open_questions:
        yield entry(PassageKind.QUESTION, question.text, question.evidence)


def _language(code: str) -> str:
    return code.partition("-")[0].lower()
