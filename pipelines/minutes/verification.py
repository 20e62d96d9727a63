"""Check minutes of every writer against the transcript: entries that were not said are dropped or marked.

Judging by code, not by another model: models that judge models miss many factual errors (TofuEval, Tang et al. 2024).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from enum import StrEnum
from functools import cached_property
from typing import TypeVar

from pipelines.core import (
    ActionItem,
    CoverageStatus,
    Decision,
    Evidence,
    Fact,
    Minutes,
    OpenQuestion,
    Segment,
    Topic,
    Transcript,
)
from pipelines.minutes.language.proper_names import names_in_title, text_of_title
from pipelines.minutes.language.wording import joined_text, tokens
from pipelines.minutes.presence import Presence, is_given
from pipelines.minutes.said import ENTRY_SHARE, SUMMARY_SHARE, Said, contains
from pipelines.minutes.spoken_orders import gives_order, segments_with_orders
from pipelines.text.typography import sentences

# Share of the quote's tokens that must be found, in their order, in the cited segments.
FUZZY_RATIO = 0.8
# A topic is talked about for minutes but quoted once: its summary may use all that was said in that time.
TOPIC_SLACK_S = 1.0
Promise = TypeVar("Promise", Decision, ActionItem)
_AND = re.compile(r",? and |, | & |和|、")


class Verdict(StrEnum):
    """The result of a check: said literally, said in similar words or with doubt, or not said there."""

    HOLDS = "holds"
    DOUBTFUL = "doubtful"
    FAILS = "fails"


def verify(minutes: Minutes, transcript: Transcript) -> Minutes:
    """Return the minutes without what the transcript does not support; what is doubtful has ``verified`` False.

    Dropped: items whose segments do not exist or whose quote is not in them; topics outside the recording's time;
    participants who neither spoke nor were spoken to; a chair, place or recipient not named where it is cited; a date
    for a due date that was not spoken; sentences of a summary, titles and topics with numbers, days or names that
    nobody said, or about something else; orders to what writes the minutes (`spoken_orders`), and what rests on them.
    Doubtful: a quote that only resembles what was said, segments that decoded badly or hold an order; numbers, days,
    names or most words of the text that the cited segments lack; the contrary of what they say; a decision that was a
    question. An owner who was not given the work or a due date that was not spoken becomes None, and the item doubtful.
    Verifying twice changes nothing more.
    """
    check = _Check(transcript, minutes)
    return replace(
        minutes,
        title=check.title(minutes.title),
        summary=check.summary(minutes.summary),
        participants=tuple(name for name in minutes.participants if check.is_participant(name)),
        chair=check.chair(minutes.chair),
        place=check.place(minutes.place),
        distribution=tuple(fact for fact in minutes.distribution if check.recipient(fact)),
        topics=tuple(topic for topic in map(check.topic, minutes.topics) if topic is not None),
        decisions=tuple(decision for decision in map(check.decision, minutes.decisions) if decision is not None),
        action_items=tuple(item for item in map(check.action, minutes.action_items) if item is not None),
        open_questions=tuple(
            question for question in map(check.question, minutes.open_questions) if question is not None
        ),
    )


def check_quote(evidence: Evidence, segments: Mapping[int, Segment]) -> Verdict:
    """Return whether the quote occurs in the cited segments, compared by words without case and punctuation."""
    if not evidence.segment_ids or any(segment_id not in segments for segment_id in evidence.segment_ids):
        return Verdict.FAILS
    cited = joined_text(segments[segment_id] for segment_id in evidence.segment_ids)
    quote, said = tokens(evidence.quote), tokens(cited)
    if not quote:
        return Verdict.FAILS
    if evidence.quote in cited or contains(f" {' '.join(said)} ", quote):
        return Verdict.HOLDS
    return Verdict.DOUBTFUL if _resemblance(quote, said) >= FUZZY_RATIO else Verdict.FAILS


def _resemblance(quote: list[str], said: list[str]) -> float:
    """Return the share of the quote's tokens found in order in the text's best window, at most twice its length."""
    best = 0.0
    step = max(1, len(quote) // 2)
    for start in range(0, max(1, len(said) - len(quote) + step), step):
        window = said[start : start + 2 * len(quote)]
        blocks = SequenceMatcher(None, quote, window, autojunk=False).get_matching_blocks()
        best = max(best, sum(block.size for block in blocks) / len(quote))
    return best


@dataclass(frozen=True)
class _Check:
    transcript: Transcript
    minutes: Minutes

    @cached_property
    def segments(self) -> dict[int, Segment]:
        return {segment.id: segment for segment in self.transcript.segments}

    @cached_property
    def ordered(self) -> frozenset[int]:
        """Segments whose words talk to the machine."""
        return segments_with_orders(self.transcript.segments)

    @cached_property
    def all_said(self) -> Said:
        """All words but orders: those prove nothing."""
        return self.said(segment for segment in self.transcript.segments if segment.id not in self.ordered)

    @cached_property
    def orders(self) -> Said:
        return self.said(segment for segment in self.transcript.segments if segment.id in self.ordered)

    @cached_property
    def presence(self) -> Presence:
        return Presence.of(self.transcript, self.minutes.participants)

    @property
    def language(self) -> str:
        return self.minutes.language

    def said(self, segments: Iterable[Segment]) -> Said:
        return Said.of(segments, self.transcript.language)

    def cited(self, evidence: Evidence) -> Said:
        return self.said(self.segments[segment_id] for segment_id in evidence.segment_ids)

    def evidence(self, evidence: Evidence) -> Verdict:
        verdict = check_quote(evidence, self.segments)
        if verdict is Verdict.HOLDS and (
            any(self.segments[i].health is not CoverageStatus.TRANSCRIBED for i in evidence.segment_ids)
            or self.rests_on_order(evidence)
        ):
            return Verdict.DOUBTFUL
        return verdict

    def rests_on_order(self, evidence: Evidence) -> bool:
        return not self.ordered.isdisjoint(evidence.segment_ids) or gives_order(evidence.quote)

    def repeats_order(self, text: str) -> bool:
        """Say whether a text is an order, or says what only an order says."""
        if gives_order(text):
            return True
        if not self.ordered:
            return False
        return self.orders.has(text) and not self.all_said.has(text)

    def is_participant(self, name: str) -> bool:
        return not gives_order(name) and (self.speaks(name) or self.presence.has(name))

    def speaks(self, name: str) -> bool:
        return name.strip().casefold() in self.all_said.speakers

    def title(self, text: str) -> str:
        """Return a title, "" for one with a name, number or day that was not said, or about something else."""
        said = self.all_said
        if not text or said.has(text):
            return text
        names = {word for word in names_in_title(text) if not (said.has_word(word) or said.share(word, self.language))}
        if names:  # in another language than was spoken, no word is judged by its beginning
            return ""
        supported = said.supports_numbers(text, self.language) and said.share(text_of_title(text), self.language) > 0
        return text if supported and not self.repeats_order(text) else ""

    def is_told(self, said: Said, sentence: str) -> bool:
        """Say whether a sentence of a summary says what was said."""
        if not sentence.strip() or (said.has(sentence) and not gives_order(sentence)):
            return True
        return (
            said.supports(sentence, self.language)
            and said.share(sentence, self.language) >= SUMMARY_SHARE
            and not said.invents(sentence, self.language)
            and not self.repeats_order(sentence)
        )

    def summary(self, text: str, said: Said | None = None) -> str:
        source = said or self.all_said
        pieces = [piece for line in text.splitlines(keepends=True) for piece in sentences(line)]
        if all(self.is_told(source, piece) for piece in pieces):
            return text
        return "".join(piece for piece in pieces if self.is_told(source, piece)).strip()

    def topic(self, topic: Topic) -> Topic | None:
        verdict = self.evidence(topic.evidence)
        if verdict is Verdict.FAILS or self.rests_on_order(topic.evidence) or not 0 <= topic.start_s <= topic.end_s:
            return None
        spoken = self.said(
            segment
            for segment in self.transcript.segments
            if segment.end_s >= topic.start_s - TOPIC_SLACK_S
            and segment.start_s <= topic.end_s + TOPIC_SLACK_S
            and segment.id not in self.ordered
        )
        if not self.title(topic.title):
            return None
        summary = self.summary(topic.summary, spoken)
        return replace(topic, summary=summary, verified=topic.verified and verdict is Verdict.HOLDS)

    def is_doubtful(self, text: str, evidence: Evidence, verdict: Verdict) -> bool:
        """Say whether an entry says more than the segments it cites, or the contrary."""
        cited = self.cited(evidence)
        return (
            verdict is Verdict.DOUBTFUL
            or not cited.supports(text, self.language)
            or cited.share(text, self.language) < ENTRY_SHARE
            or cited.invents(text, self.language)
            or cited.denies(evidence.quote, text)
            or self.repeats_order(text)
        )

    def decision(self, decision: Decision) -> Decision | None:
        verdict = self.evidence(decision.evidence)
        if verdict is Verdict.FAILS or gives_order(decision.text):
            return None
        doubtful = self.is_doubtful(decision.text, decision.evidence, verdict)
        doubtful = doubtful or self.cited(decision.evidence).asks(decision.evidence.quote)
        return self.promised(decision, doubtful)

    def action(self, item: ActionItem) -> ActionItem | None:
        verdict = self.evidence(item.evidence)
        if verdict is Verdict.FAILS or gives_order(item.task):
            return None
        return self.promised(item, self.is_doubtful(item.task, item.evidence, verdict))

    def promised(self, entry: Promise, doubtful: bool) -> Promise:
        """Return a decision or task with the owner and the due date that were spoken with it."""
        owner, due = entry.owner, entry.due
        if owner is not None and not self.owns(owner, entry.evidence):
            doubtful = True
            owner = owner if self.is_participant(owner) else None
        if due is not None and (not self.cited(entry.evidence).says(due) or gives_order(due)):
            due, doubtful = None, True
        due_date = entry.due_date if due is not None else None
        if doubtful or due_date != entry.due_date:
            return replace(entry, owner=owner, due=due, due_date=due_date, verified=entry.verified and not doubtful)
        return entry

    def owns(self, owner: str, evidence: Evidence) -> bool:
        """Say whether somebody is given work where it is cited: a speaker there, or named and present or assigned."""
        cited = self.cited(evidence)
        if gives_order(owner) or not all(cited.names(name) for name in _AND.split(owner)):
            return False
        segments = [self.segments[segment_id] for segment_id in evidence.segment_ids]
        return all(
            name.strip().casefold() in cited.speakers or self.presence.has(name) or is_given(name, segments)
            for name in _AND.split(owner)
        ) or is_given(owner, segments)

    def fact(self, fact: Fact | None) -> Said | None:
        """Return the words that a fact rests on; None where there is none, or they are doubtful."""
        if fact is None or gives_order(fact.text) or self.evidence(fact.evidence) is not Verdict.HOLDS:
            return None
        return self.cited(fact.evidence)

    def chair(self, fact: Fact | None) -> Fact | None:
        """Return who leads, where the words name somebody who takes part."""
        cited = self.fact(fact)
        return fact if fact and cited and cited.names(fact.text) and self.is_participant(fact.text) else None

    def recipient(self, fact: Fact) -> bool:
        cited = self.fact(fact)
        return cited is not None and cited.names(fact.text)

    def place(self, fact: Fact | None) -> Fact | None:
        cited = self.fact(fact)
        return fact if fact and cited and cited.says(fact.text) else None

    def question(self, question: OpenQuestion) -> OpenQuestion | None:
        verdict = self.evidence(question.evidence)
        if verdict is Verdict.FAILS or self.rests_on_order(question.evidence) or gives_order(question.text):
            return None
        doubtful = self.is_doubtful(question.text, question.evidence, verdict)
        return replace(question, verified=False) if doubtful else question
