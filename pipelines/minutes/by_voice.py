"""Who decided and who took a task by their voice, whoever wrote the minutes. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipelines.core import ActionItem, Decision, Evidence, Minutes, Segment, Transcript
from pipelines.minutes.language.cues import Cues, first_match
from pipelines.minutes.language.registry import cues_for
from pipelines.minutes.language.wording import clean, tokens

MAX_SEGMENTS_AFTER = 3
"""A task that was given to nobody is taken in the next few segments, if at all."""


def by_voice(minutes: Minutes, transcript: Transcript) -> Minutes:
    """Return minutes whose decisions say by whose voice they were made, and whose tasks have the owners that took them.

    A task without an owner goes to the voice that says "I will …" in the words that prove it, or to another one that
    says "I will do that" right after them; that sentence is cited as well. Owners who were named stay. Doing it twice
    changes nothing more.
    """
    cues = cues_for(transcript.language, transcript.text)
    spoken = {segment.id: segment for segment in transcript.segments}
    order = [segment for segment in transcript.segments if segment.text.strip()]
    return replace(
        minutes,
        decisions=tuple(_decided(each, spoken) for each in minutes.decisions),
        action_items=tuple(_owned(each, spoken, order, cues) for each in minutes.action_items),
    )


def _decided(decision: Decision, spoken: Mapping[int, Segment]) -> Decision:
    return replace(decision, by=_voice(decision.evidence, spoken))


def _owned(item: ActionItem, spoken: Mapping[int, Segment], order: Sequence[Segment], cues: Cues) -> ActionItem:
    if item.owner:
        return item
    voice = _voice(item.evidence, spoken)
    if voice and first_match((*cues.commitment, *cues.weak_commitment), clean(item.evidence.quote)):
        return replace(item, owner=voice)
    last = max((n for n, segment in enumerate(order) if segment.id in item.evidence.segment_ids), default=None)
    for segment in () if last is None or not voice else order[last + 1 : last + 1 + MAX_SEGMENTS_AFTER]:
        if segment.speaker and segment.speaker != voice and first_match(cues.acceptance, clean(segment.text)):
            cited = (*item.evidence.segment_ids, segment.id)
            return replace(item, owner=segment.speaker, evidence=replace(item.evidence, segment_ids=cited))
    return item


def _voice(evidence: Evidence, spoken: Mapping[int, Segment]) -> str | None:
    """Return whose voice says a quote, None where that is nobody's or several people's."""
    cited = [spoken[i] for i in evidence.segment_ids if i in spoken]
    quote = " ".join(tokens(evidence.quote))
    holding = [each for each in cited if (said := " ".join(tokens(each.text))) and (said in quote or quote in said)]
    voices = {segment.speaker.strip() for segment in holding or cited}
    return voices.pop() or None if len(voices) == 1 else None
