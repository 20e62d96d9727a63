"""Decisions that were spoken as such."""

# ruff: noqa: SIM905  (lists of words are easier to read as text)

from collections.abc import Iterator, Sequence
from dataclasses import replace
from re import Match

from pipelines.core import Decision, Evidence
from pipelines.minutes.extractive.actions import owner_and_due
from pipelines.minutes.extractive.questions import asks
from pipelines.minutes.language.cues import Cues, first_match
from pipelines.minutes.language.names import NameFinder
from pipelines.minutes.language.sentences import Sentence
from pipelines.minutes.language.terms import terms
from pipelines.minutes.language.wording import sentence_case, tokens
from pipelines.minutes.repetition import says_the_same

# "we decided on that": what was decided must be said.
_EMPTY = frozenset("that it this them those these so yes no then there here what you me us now 这个 那个".split())


def find_decisions(sentences: Sequence[Sentence], cues: Cues, names: NameFinder) -> tuple[Decision, ...]:
    """Find decisions in the order of speaking, each once; questions, denials and conditions are none.

    One that is said again cites both places, in the fuller words; its owner and due date may come from either.
    """
    found: list[Decision] = []
    for decision in _candidates(sentences, cues, names):
        same = next((index for index, other in enumerate(found) if says_the_same(other.text, decision.text)), None)
        if same is None:
            found.append(decision)
        else:
            found[same] = _joined(found[same], decision)
    return tuple(found)


def _joined(before: Decision, again: Decision) -> Decision:
    kept, other = (again, before) if len(tokens(again.text)) > len(tokens(before.text)) else (before, again)
    cited = tuple(dict.fromkeys(kept.evidence.segment_ids + other.evidence.segment_ids))
    return replace(
        kept,
        evidence=replace(kept.evidence, segment_ids=cited),
        owner=kept.owner or other.owner,
        due=kept.due or other.due,
    )


def _candidates(sentences: Sequence[Sentence], cues: Cues, names: NameFinder) -> Iterator[Decision]:
    for index, sentence in enumerate(sentences):
        if asks(sentence, cues):
            continue
        match = _decides(sentence.clean, cues)
        if match:
            statement = _statement(sentence.clean, match, cues)
            owner, due = owner_and_due(statement, sentence, cues, names)
            yield Decision(
                text=sentence_case(_content(statement, cues)), evidence=sentence.evidence, owner=owner, due=due
            )
        elif index and first_match(cues.decided_before, sentence.clean):
            before = sentences[index - 1]
            if not asks(before, cues) and len(tokens(before.clean)) > 3 and not _decides(before.clean, cues):
                cited = tuple(dict.fromkeys(before.segment_ids + sentence.segment_ids))
                owner, due = owner_and_due(before.clean, before, cues, names)
                yield Decision(
                    text=sentence_case(before.clean),
                    evidence=Evidence(segment_ids=cited, quote=before.text),
                    owner=owner,
                    due=due,
                )


def _content(statement: str, cues: Cues) -> str:
    """Return a decision without "we decided to": a list of decisions need not say so in every line."""
    opening = first_match(cues.decision_opening, statement)
    rest = statement[opening.end() :].lstrip(" ,:，：") if opening else ""
    return rest if terms(rest) else statement


def _decides(text: str, cues: Cues) -> Match[str] | None:
    for pattern in cues.decision:
        for match in pattern.finditer(text):
            content = [token for token in tokens(match.group("what")) if token not in _EMPTY]
            if content and not first_match(cues.decision_veto, text[: match.start()]):
                return match
    return None


def _statement(text: str, match: Match[str], cues: Cues) -> str:
    """Cut from the cue to the clause's end: "okay so we decided to wait, and Bob will call" → "we decided to wait"."""
    statement = text[match.start() :]
    clause_break = cues.clause_break.search(statement, match.start("what") - match.start())
    return statement[: clause_break.start()] if clause_break else statement
