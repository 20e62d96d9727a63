"""Tasks that were given or taken, with owner and due date where those were spoken."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from re import Match, Pattern

from pipelines.core import ActionItem, Evidence
from pipelines.minutes.extractive.questions import asks
from pipelines.minutes.language.cues import Cues, first_match
from pipelines.minutes.language.due_phrases import find_due, without_due
from pipelines.minutes.language.names import NameFinder
from pipelines.minutes.language.sentences import Sentence
from pipelines.minutes.language.terms import terms
from pipelines.minutes.language.wording import sentence_case, tokens
from pipelines.minutes.repetition import distinct

MIN_TASK_TOKENS = 2
MIN_CLAUSE_TOKENS = 3
# Too common to tell topics apart, yet work is done on them.
_MEETING_WORDS = frozenset({"agenda", "meeting", "item", "question"})
_LOOSE = " .?!。？！,，、；;"


@dataclass(frozen=True, kw_only=True)
class FoundAction:
    """A task and the index of the sentence that gave it."""

    item: ActionItem
    sentence: int


def find_actions(sentences: Sequence[Sentence], cues: Cues, names: NameFinder) -> tuple[FoundAction, ...]:
    """Find tasks in the order of speaking, each once.

    An owner is a name spoken in the cited sentences, or the sentence's speaker when it says "I will".
    """
    found: dict[str, FoundAction] = {}
    for index, sentence in enumerate(sentences):
        back = _assigned_back(sentence, cues, names)
        if back is not None:
            action = _adopt(found, sentences[index - 1], sentence, back, cues) if index else None
            if action is not None:
                found[_key(action.item)] = action
            continue
        for item in _in_sentence(sentence, cues, names):
            found.setdefault(_key(item), FoundAction(item=item, sentence=sentence.index))
    in_order = sorted(found.values(), key=lambda action: action.sentence)
    return distinct(in_order, lambda action: action.item.task, lambda action: (action.item.owner, action.item.due))


def _key(item: ActionItem) -> str:
    return " ".join(tokens(item.task)) + "|" + (item.owner or "").casefold()


def _assigned_back(sentence: Sentence, cues: Cues, names: NameFinder) -> str | None:
    match = first_match(cues.assigned_back, sentence.clean)
    if match is None or asks(sentence, cues):
        return None
    start = names.at_start(match.group("rest"))
    return start[0] if start else None


def owner_and_due(text: str, sentence: Sentence, cues: Cues, names: NameFinder) -> tuple[str | None, str | None]:
    """Return who is to do what a clause of a sentence says, and by when, as far as it says so."""
    item = _in_clause(_Clause(text=text, sentence=sentence, cues=cues, names=names, asked=False))
    due = find_due(text, chinese=cues.chinese)
    # "the budget for the coming year" is for that time, not due by then.
    lasting = due is not None and re.match(r"(?:for|during)\b", text[due.start :], re.IGNORECASE)
    return (item.owner if item else None), (due.text if due and not lasting else None)


def _adopt(
    found: dict[str, FoundAction], previous: Sentence, sentence: Sentence, owner: str, cues: Cues
) -> FoundAction | None:
    """Give the task of the sentence before to the owner named now; what it said becomes the task if it held none.

    None where that sentence gave its task to someone else, or only kept the meeting going.
    """
    cited = tuple(dict.fromkeys(previous.segment_ids + sentence.segment_ids))
    evidence = Evidence(segment_ids=cited, quote=previous.text)
    for key, action in found.items():
        if action.sentence == previous.index:
            if action.item.owner not in (None, owner):
                return None
            del found[key]
            return replace(action, item=replace(action.item, owner=owner, evidence=evidence))
    if asks(previous, cues) or first_match(
        (*cues.introduction, *cues.address, *cues.absent, *cues.topic_shift, *cues.explicit_question), previous.clean
    ):
        return None
    due = find_due(previous.clean, chinese=cues.chinese)
    task = sentence_case(without_due(previous.clean, due).rstrip(" .?!。？！"))
    item = ActionItem(
        task=task or sentence_case(previous.clean), owner=owner, due=due.text if due else None, evidence=evidence
    )
    return FoundAction(item=item, sentence=sentence.index)


def _in_sentence(sentence: Sentence, cues: Cues, names: NameFinder) -> Iterator[ActionItem]:
    asked = asks(sentence, cues)
    for text in _clauses(sentence.clean, cues):
        found = _in_clause(_Clause(text=text, sentence=sentence, cues=cues, names=names, asked=asked))
        if found is not None:
            yield found


def _clauses(text: str, cues: Cues) -> list[str]:
    clauses, start = [], 0
    for match in cues.clause_break.finditer(text):
        # "Peter and Anna will …" is one clause with two owners.
        if len(tokens(text[start : match.start()])) < MIN_CLAUSE_TOKENS:
            continue
        clauses.append(text[start : match.start()])
        start = match.end()
    return [*clauses, text[start:]]


@dataclass(frozen=True, kw_only=True)
class _Clause:
    """A clause of a sentence; ``asked``: the sentence is a question."""

    text: str
    sentence: Sentence
    cues: Cues
    names: NameFinder
    asked: bool

    def item(self, task: str, owner: str | None, *, needs_due: bool = False) -> ActionItem | None:
        """Make an action item; None for words that are no task, and for one without a due date that ``needs_due``."""
        task = task.strip(_LOOSE)
        due = find_due(task, chinese=self.cues.chinese)
        task = without_due(task, due).strip(_LOOSE)
        due = due or find_due(self.text, chinese=self.cues.chinese)
        if (needs_due and due is None) or not _is_task(task, self.cues):
            return None
        return ActionItem(
            task=sentence_case(task), owner=owner, due=due.text if due else None, evidence=self.sentence.evidence
        )


def _assigned_after(clause: _Clause, match: Match[str]) -> ActionItem | None:
    """Read "action item for Bob, review it"."""
    start = clause.names.at_start(match["rest"])
    return clause.item(_after_owner(start[1]), start[0]) if start else None


def _assigned_before(clause: _Clause, match: Match[str]) -> ActionItem | None:
    """Read "Bob will send it" and "Bob, can you send it?"."""
    owner = clause.names.at_end(match["who"])
    if not owner or (clause.asked and not _is_vocative(match, clause.text)):
        return None
    return clause.item(match["task"], owner)


def _requested(clause: _Clause, match: Match[str]) -> ActionItem | None:
    """Read "please send it" and "can you send it, Carol?"."""
    addressed = clause.names.at_start(clause.text[: match.start()].lstrip()) if match.start() else None
    task, named = match["task"], None
    if clause.asked or addressed is None:
        task, named = _split_vocative(task, clause.names)
    owner = addressed[0] if addressed else named
    polite = "please" in match.group().casefold() or clause.cues.chinese
    return clause.item(task, owner, needs_due=owner is None and not polite)


def _committed(clause: _Clause, match: Match[str]) -> ActionItem | None:
    """Read "I will send it"."""
    return clause.item(match["task"], clause.sentence.speaker or None)


def _weakly_committed(clause: _Clause, match: Match[str]) -> ActionItem | None:
    """Read "I can send it by Friday": a task only with a due date."""
    return clause.item(match["task"], clause.sentence.speaker or None, needs_due=True)


def _due(clause: _Clause, match: Match[str]) -> ActionItem | None:
    """Read "we need to send it by Friday": nobody's task, and one only with a due date."""
    return clause.item(match["task"], None, needs_due=True)


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """Patterns that give a task away, and how the item is read from one's match."""

    patterns: Callable[[Cues], Sequence[Pattern[str]]]
    read: Callable[[_Clause, Match[str]], ActionItem | None]
    holds_in_questions: bool = False


# The first rule that finds a task in a clause decides.
_RULES = (
    _Rule(patterns=lambda cues: cues.assigned_after, read=_assigned_after, holds_in_questions=True),
    _Rule(patterns=lambda cues: cues.assigned_before, read=_assigned_before, holds_in_questions=True),
    _Rule(patterns=lambda cues: cues.request, read=_requested, holds_in_questions=True),
    _Rule(patterns=lambda cues: cues.commitment, read=_committed),
    _Rule(patterns=lambda cues: cues.weak_commitment, read=_weakly_committed),
    _Rule(patterns=lambda cues: cues.deadline, read=_due),
    _Rule(patterns=lambda cues: cues.duty, read=_due),
)


def _in_clause(clause: _Clause) -> ActionItem | None:
    for rule in _RULES:
        if clause.asked and not rule.holds_in_questions:
            continue
        for pattern in rule.patterns(clause.cues):
            for match in pattern.finditer(clause.text):
                if found := rule.read(clause, match):
                    return found
    return None


def _is_vocative(match: Match[str], clause: str) -> bool:
    """Return whether the sentence asks the named person ("Bob, can you …?"), not about them ("Will Bob …?")."""
    return " you" in clause[: match.start("task")].casefold() or "please" in clause.casefold()


def _after_owner(rest: str) -> str:
    for opening in ("to ", "is to ", "will ", "should ", "please "):
        if rest.casefold().startswith(opening):
            return rest[len(opening) :]
    return rest


def _split_vocative(task: str, names: NameFinder) -> tuple[str, str | None]:
    """Split a name that is called at the end: "check it, Carol?"."""
    bare = task.rstrip(" .?!。？！")
    comma = max(bare.rfind(","), bare.rfind("，"))
    if comma > 0:
        called = bare[comma + 1 :].strip()
        if called and names.at_end(called) == called:
            return bare[:comma], called
    return task, None


def _is_task(task: str, cues: Cues) -> bool:
    return (
        len(tokens(task)) >= MIN_TASK_TOKENS
        and bool(terms(task) or _MEETING_WORDS & set(tokens(task)))
        and not first_match(cues.task_veto, task)
    )
