"""The shape of a language's cues: how decisions, tasks, questions and people sound in it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from re import Pattern

from pipelines.minutes.language.stopwords import MIXED, StopWords


def patterns(*sources: str) -> tuple[Pattern[str], ...]:
    """Compile cue patterns; casing does not matter, recognisers get it wrong."""
    return tuple(re.compile(source, re.IGNORECASE) for source in sources)


def first_match(candidates: Iterable[Pattern[str]], text: str) -> re.Match[str] | None:
    """Return the first pattern's match that is found in a text."""
    return next((match for pattern in candidates if (match := pattern.search(text))), None)


@dataclass(frozen=True, kw_only=True)
class Cues:
    """Cue patterns of one language, all applied to `Sentence.clean`.

    Named groups: ``what`` (of a decision, a question, a topic), ``task``, ``who`` (a phrase that ends with the
    owner), ``rest`` (a phrase that starts with the owner and goes on with the task), ``person``.
    """

    chinese: bool
    clause_break: Pattern[str]
    stops: StopWords = MIXED

    question: tuple[Pattern[str], ...] = ()  # the sentence asks
    tag_question: tuple[Pattern[str], ...] = ()  # only seeks assent: "right?"
    procedural_question: tuple[Pattern[str], ...] = ()  # keeps the meeting going: "any other comments?"
    explicit_question: tuple[Pattern[str], ...] = ()  # "the open question is"
    answer: tuple[Pattern[str], ...] = ()
    no_answer: tuple[Pattern[str], ...] = ()  # "I don't know"

    decision: tuple[Pattern[str], ...] = ()
    decision_opening: tuple[Pattern[str], ...] = ()  # says that something is decided, not what: "we decided to"
    decision_veto: tuple[Pattern[str], ...] = ()  # denied, conditional or reported
    decided_before: tuple[Pattern[str], ...] = ()  # "that's decided": the sentence before is the decision

    assigned_before: tuple[Pattern[str], ...] = ()  # who, task: "Alice will send it"
    assigned_after: tuple[Pattern[str], ...] = ()  # rest: "action item for Bob, review it"
    assigned_back: tuple[Pattern[str], ...] = ()  # rest: "write that down as an action item for Bob"
    commitment: tuple[Pattern[str], ...] = ()  # task: "I will send it"
    weak_commitment: tuple[Pattern[str], ...] = ()  # counts only with a due date
    acceptance: tuple[Pattern[str], ...] = ()  # of what was asked just before: "sure, I'll do that"
    request: tuple[Pattern[str], ...] = ()  # task: "can you send it", "please send it"
    duty: tuple[Pattern[str], ...] = ()  # task: "we need to send it"; counts only with a due date
    deadline: tuple[Pattern[str], ...] = ()  # task: "the deadline for the contract is"
    task_veto: tuple[Pattern[str], ...] = ()  # talk, not work: "can you hear me"

    topic_shift: tuple[Pattern[str], ...] = ()  # what: "let's move on to the budget"
    topic_opening: tuple[Pattern[str], ...] = ()  # how speech on another subject begins: "now let's turn"
    topic_closing: tuple[Pattern[str], ...] = ()  # how speech on a subject ends: "thank you"
    meeting_name: tuple[Pattern[str], ...] = ()  # what: "welcome to the product meeting"
    introduction: tuple[Pattern[str], ...] = ()  # person: "this is Alice from"
    address: tuple[Pattern[str], ...] = ()  # person: "thank you, Bob"
    absent: tuple[Pattern[str], ...] = ()  # person: "Bob cannot join"


# For languages without cues of their own: question marks and thanks are all that is known.
OTHER = Cues(
    chinese=False,
    clause_break=re.compile(r";\s+"),
    question=patterns(r"[?？؟]$"),
    topic_closing=patterns(
        r"\b(?:gracias|merci|danke|obrigad[oa]|grazie|dank (?:u|je)|tack|takk|tak|kiitos|dziękuję|děkuji|mulțumesc|"
        r"köszönöm|teşekkür\w*|terima kasih|cảm ơn|спасибо|дякую|благодаря|ευχαριστώ)\b",
        r"ありがとう|감사합니다|고맙습니다|شكرا|תודה|متشکرم|धन्यवाद|ধন্যবাদ|ขอบคุณ",
    ),
)
