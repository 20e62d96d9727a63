"""Decisions that were spoken as such."""

# ruff: noqa: SIM905  (lists of words are easier to read as text)

from collections.abc import Iterator, Sequence
from re import Match

from pipelines.core import Decision, Evidence
from pipelines.minutes.extractive.questions import asks
from pipelines.minutes.language.cues import Cues, first_match
from pipelines.minutes.language.sentences import Sentence
from pipelines.minutes.language.wording import sentence_case, tokens

# "we decided on that": what was decided must be said.
_EMPTY = frozenset("that it this them those these so yes no then there here what you me us now 这个 那个".split())


def find_decisions(sentences: Sequence[Sentence], cues: Cues) -> tuple[Decision, ...]:
    """Find decisions in the order of speaking, each once; questions, denials and conditions are none."""
    found: dict[str, Decision] = {}
    for decision in _candidates(sentences, cues):
        found.setdefault(" ".join(tokens(decision.text)), decision)
    return tuple(found.values())


def _candidates(sentences: Sequence[Sentence], cues: Cues) -> Iterator[Decision]:
    for index, sentence in enumerate(sentences):
        if asks(sentence, cues):
            continue
        match = _decides(sentence.clean, cues)
        if match:
            yield Decision(text=sentence_case(_statement(sentence.clean, match, cues)), evidence=sentence.evidence)
        elif index and first_match(cues.decided_before, sentence.clean):
            before = sentences[index - 1]
            if not asks(before, cues) and len(tokens(before.clean)) > 3 and not _decides(before.clean, cues):
                cited = tuple(dict.fromkeys(before.segment_ids + sentence.segment_ids))
                yield Decision(
                    text=sentence_case(before.clean), evidence=Evidence(segment_ids=cited, quote=before.text)
                )


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
