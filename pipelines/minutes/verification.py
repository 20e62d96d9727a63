"""Check minutes of every writer against the transcript: entries that were not said are dropped or marked.

Judging by code, not by another model: models that judge models miss many factual errors (TofuEval, Tang et al. 2024).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from enum import StrEnum
from functools import cached_property
from itertools import pairwise

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
from pipelines.minutes.language.numbers import numbers_in
from pipelines.minutes.language.stopwords import ENGLISH
from pipelines.minutes.language.wording import clean, joined_text, tokens
from pipelines.text.typography import sentences

# Share of the quote's tokens that must be found, in their order, in the cited segments.
FUZZY_RATIO = 0.8
# A topic is talked about for minutes but quoted once: its summary may use all that was said in that time.
TOPIC_SLACK_S = 1.0
# Words of fewer letters turn up by chance where others meet.
LONG_WORD = 6


class Verdict(StrEnum):
    """The result of a check: said literally, said in similar words or with doubt, or not said there."""

    HOLDS = "holds"
    DOUBTFUL = "doubtful"
    FAILS = "fails"


def verify(minutes: Minutes, transcript: Transcript) -> Minutes:
    """Return the minutes without what the transcript does not support; what is doubtful has ``verified`` False.

    Dropped: items whose segments do not exist or whose quote is not in them, topics outside the recording's time,
    participants never named, a chair, place or recipient not named where it is cited, a date for a due date that was
    not spoken, sentences of a summary with numbers nobody said.
    Doubtful: a quote that only resembles what was said, segments that decoded badly, numbers or names in the text
    that the cited segments lack. An owner or due date that was not spoken becomes None, and the item doubtful.
    Verifying twice changes nothing more.
    """
    check = _Check(transcript)
    return replace(
        minutes,
        summary=check.summary(minutes.summary),
        participants=tuple(name for name in minutes.participants if check.is_known(name)),
        chair=check.person(minutes.chair),
        place=check.place(minutes.place),
        distribution=tuple(fact for fact in minutes.distribution if check.person(fact) is not None),
        topics=tuple(topic for topic in map(check.topic, minutes.topics) if topic is not None),
        decisions=tuple(decision for decision in map(check.decision, minutes.decisions) if decision is not None),
        action_items=tuple(item for item in map(check.action, minutes.action_items) if item is not None),
        open_questions=tuple(
            question for question in minutes.open_questions if check.question(question) is not Verdict.FAILS
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
    if evidence.quote in cited or contains(said, quote):
        return Verdict.HOLDS
    return Verdict.DOUBTFUL if _resemblance(quote, said) >= FUZZY_RATIO else Verdict.FAILS


def contains(said: list[str], wanted: list[str]) -> bool:
    """Return whether the wanted tokens stand in what was said, side by side and in order."""
    return f" {' '.join(wanted)} " in f" {' '.join(said)} "


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

    @cached_property
    def segments(self) -> dict[int, Segment]:
        return {segment.id: segment for segment in self.transcript.segments}

    @cached_property
    def all_said(self) -> "_Said":
        return _Said.of(self.transcript.segments)

    def cited(self, evidence: Evidence) -> "_Said":
        return _Said.of(self.segments[segment_id] for segment_id in evidence.segment_ids)

    def is_known(self, name: str) -> bool:
        return self.all_said.names(name)

    def evidence(self, evidence: Evidence) -> Verdict:
        verdict = check_quote(evidence, self.segments)
        if verdict is Verdict.HOLDS and any(
            self.segments[segment_id].health is not CoverageStatus.TRANSCRIBED for segment_id in evidence.segment_ids
        ):
            return Verdict.DOUBTFUL
        return verdict

    def summary(self, text: str) -> str:
        if self.all_said.supports_numbers(text):
            return text
        kept = [sentence for sentence in sentences(text) if self.all_said.supports_numbers(sentence)]
        return "".join(kept).strip()

    def topic(self, topic: Topic) -> Topic | None:
        if self.evidence(topic.evidence) is Verdict.FAILS:
            return None
        if not 0 <= topic.start_s <= topic.end_s:
            return None
        spoken = _Said.of(
            segment
            for segment in self.transcript.segments
            if segment.end_s >= topic.start_s - TOPIC_SLACK_S and segment.start_s <= topic.end_s + TOPIC_SLACK_S
        )
        if spoken.supports_numbers(topic.summary):
            return topic
        kept = "".join(sentence for sentence in sentences(topic.summary) if spoken.supports_numbers(sentence))
        return replace(topic, summary=kept.strip())

    def decision(self, decision: Decision) -> Decision | None:
        verdict = self.evidence(decision.evidence)
        if verdict is Verdict.FAILS:
            return None
        cited = self.cited(decision.evidence)
        owner = decision.owner if decision.owner is None or cited.names(decision.owner) else None
        due = decision.due if decision.due is None or cited.says(decision.due) else None
        due_date = decision.due_date if due is not None else None
        doubtful = verdict is Verdict.DOUBTFUL or not cited.supports(decision.text)
        doubtful = doubtful or (owner, due) != (decision.owner, decision.due)
        return replace(decision, owner=owner, due=due, due_date=due_date, verified=decision.verified and not doubtful)

    def action(self, item: ActionItem) -> ActionItem | None:
        verdict = self.evidence(item.evidence)
        if verdict is Verdict.FAILS:
            return None
        cited = self.cited(item.evidence)
        owner, due = item.owner, item.due
        doubtful = verdict is Verdict.DOUBTFUL or not cited.supports(item.task)
        if owner is not None and not cited.names(owner):
            doubtful = True
            owner = owner if self.is_known(owner) else None
        if due is not None and not cited.says(due):
            due, doubtful = None, True
        due_date = item.due_date if due is not None else None
        if doubtful or due_date != item.due_date:
            return replace(item, owner=owner, due=due, due_date=due_date, verified=item.verified and not doubtful)
        return item

    def person(self, fact: Fact | None) -> Fact | None:
        """Return who is named, or speaks, in words that were said."""
        if fact is None or self.evidence(fact.evidence) is not Verdict.HOLDS:
            return None
        return fact if self.cited(fact.evidence).names(fact.text) else None

    def place(self, fact: Fact | None) -> Fact | None:
        if fact is None or self.evidence(fact.evidence) is not Verdict.HOLDS:
            return None
        return fact if self.cited(fact.evidence).says(fact.text) else None

    def question(self, question: OpenQuestion) -> Verdict:
        verdict = self.evidence(question.evidence)
        if verdict is Verdict.HOLDS and not self.cited(question.evidence).supports(question.text):
            return Verdict.DOUBTFUL
        return verdict


@dataclass(frozen=True)
class _Said:
    """The words of some segments, and their speakers (lower case)."""

    text: str
    speakers: frozenset[str]

    @classmethod
    def of(cls, segments: Iterable[Segment]) -> "_Said":
        cited = tuple(segments)
        speakers = (segment.speaker.strip().casefold() for segment in cited)
        return cls(text=joined_text(cited), speakers=frozenset(speaker for speaker in speakers if speaker))

    @cached_property
    def tokens(self) -> list[str]:
        return tokens(self.text)

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(self.tokens)

    @cached_property
    def letters(self) -> str:
        return "".join(self.tokens)

    @cached_property
    def clean_tokens(self) -> list[str]:
        return tokens(clean(self.text))

    @cached_property
    def numbers(self) -> frozenset[float]:
        return frozenset(numbers_in(self.text) | numbers_in(clean(self.text)))

    def says(self, text: str) -> bool:
        """Say whether the text was said word by word, hesitations aside, or all its numbers and content words were."""
        wanted = tokens(clean(text)) or tokens(text)
        if not wanted:
            return False
        if contains(self.tokens, wanted) or contains(self.clean_tokens, wanted):
            return True
        words = {word for word in wanted if word not in ENGLISH and not numbers_in(word)}
        return self.supports_numbers(text) and words <= self.words and bool(words or numbers_in(text))

    def names(self, name: str) -> bool:
        """Return whether a person was named, or spoke."""
        return name.strip().casefold() in self.speakers or (
            bool(tokens(name)) and (contains(self.tokens, tokens(name)) or contains(self.clean_tokens, tokens(name)))
        )

    def supports_numbers(self, text: str) -> bool:
        wanted = numbers_in(text)
        return not wanted or wanted <= self.numbers or contains(self.clean_tokens, tokens(text))

    def supports(self, text: str) -> bool:
        """Return whether every number and every name in the text was said."""
        if contains(self.clean_tokens, tokens(text)):
            return True
        return self.supports_numbers(text) and all(map(self.has_word, _capitalised(text)))

    def has_word(self, word: str) -> bool:
        """Return whether a word was said; a long one may have been recognised in pieces ("meet memo")."""
        return word in self.words or (len(word) >= LONG_WORD and word in self.letters)


def _capitalised(text: str) -> list[str]:
    """Return words with a capital letter inside a sentence: names, for the most part."""
    words = text.split()
    return [
        token
        for before, word in pairwise(words)
        if word[:1].isupper() and not before.endswith((".", "?", "!", ":"))
        for token in tokens(word)
        if token not in ENGLISH
    ]
