"""The schema of a language model's answer, and its parser: entry by entry, lenient in form, strict in content."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.core import ActionItem, Decision, Evidence, Fact, Minutes, OpenQuestion, Segment, Topic
from pipelines.minutes.llm.answer_text import framed

MAX_ENTRIES = 200
MAX_LINE = 600
MAX_SUMMARY = 6000

Line = Annotated[str, Field(max_length=MAX_LINE, min_length=1)]


class _Part(BaseModel):
    # Numbers as text, and fields nobody asked for, are forgiven.
    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True, coerce_numbers_to_str=True)


class _Quoted(_Part):
    segments: list[int] = Field(description="numbers of the lines that prove it")
    quote: Line = Field(description="literal words from these lines")


class TopicEntry(_Quoted):
    """A subject; its time is that of its first and last line."""

    title: Line
    summary: Annotated[str, Field(max_length=MAX_SUMMARY)]
    first: int
    last: int


class TextEntry(_Quoted):
    """A decision or an open question."""

    text: Line


class ActionEntry(_Quoted):
    """A task; owner and due stay null unless they were spoken."""

    task: Line
    owner: Line | None = None
    due: Line | None = None


class FactEntry(_Quoted):
    """A name or place that was spoken."""

    text: Line


class MeetingEntry(_Part):
    """The minutes of one meeting; ``meeting`` is its number in the prompt, ``check`` its codes there."""

    meeting: int
    check: str = Field(description="the meeting's three codes")
    title: str
    summary: str
    participants: list[str]
    chair: FactEntry | None = None
    place: FactEntry | None = None
    distribution: list[FactEntry] = []
    topics: list[TopicEntry]
    decisions: list[TextEntry]
    action_items: list[ActionEntry]
    open_questions: list[TextEntry]


class MinutesReply(_Part):
    """The whole answer."""

    meetings: list[MeetingEntry]


EXAMPLE: dict[str, list[dict[str, Any]]] = {
    "meetings": [
        {
            "meeting": 1,
            "check": "0c5e-77f2-9b1d",
            "title": "Office move",
            "summary": "The team chose the new office and settled who prepares the move.",
            "participants": ["Alice", "Bob"],
            "chair": {"text": "Alice", "segments": [0], "quote": "I am Alice and I will lead through this meeting"},
            "place": None,
            "distribution": [],
            "topics": [
                {
                    "title": "New office",
                    "summary": "Two offices were compared; the one near the station was chosen.",
                    "first": 0,
                    "last": 9,
                    "segments": [3],
                    "quote": "let's compare the two offices",
                }
            ],
            "decisions": [
                {"text": "Rent the office near the station", "segments": [7], "quote": "we take the one near it"}
            ],
            "action_items": [
                {
                    "task": "Sign the contract",
                    "owner": "Bob",
                    "due": "by Friday",
                    "segments": [8],
                    "quote": "Bob, you sign the contract by Friday",
                }
            ],
            "open_questions": [
                {"text": "Who pays for the parking spaces?", "segments": [9], "quote": "and who pays for parking?"}
            ],
        }
    ]
}


# What an answer must hold, whatever of it is empty.
REQUIRED = ("title", "summary", "participants", "topics", "decisions", "action_items", "open_questions")


@dataclass(frozen=True, kw_only=True)
class Draft:
    """Minutes as a model wrote them, not verified.

    ``faults`` say, in English, which entries could not be read; ``missing`` are required fields that are not there.
    """

    minutes: Minutes
    faults: tuple[str, ...] = field(default=())
    missing: tuple[str, ...] = field(default=())


_EXAMPLE = EXAMPLE["meetings"][0]
_KINDS = {name: str if name in ("title", "summary") else list for name in REQUIRED}

T = TypeVar("T", bound=_Part)


def answer_schema() -> dict[str, Any]:
    """Return the JSON Schema of an answer for servers that enforce one, without lengths (`read_draft` checks them).

    llama.cpp turns a length into that many rules of a grammar, and its Python server crashes on so many.
    """
    schema: dict[str, Any] = _without_lengths(MinutesReply.model_json_schema())
    return schema


def _without_lengths(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_lengths(item) for key, item in value.items() if key not in ("maxLength", "minLength")}
    return [_without_lengths(item) for item in value] if isinstance(value, list) else value


def read_meetings(text: str) -> dict[int, dict[str, Any]]:
    """Return the meetings in an answer by their numbers; empty when it is no JSON of the form that was asked for.

    The last complete object that has the frame counts, without the example of the prompt; thoughts, drafts and text
    around it are passed over. A bare meeting without its frame counts as number 1 where it has all required fields.
    """
    for found in framed(text, "meetings"):
        if entries := _numbered(found["meetings"]):
            return entries
    for found in framed(text, "summary"):
        if all(name in found for name in REQUIRED) and (entries := _numbered([found])):
            return entries
    return {}


def _numbered(meetings: object) -> dict[int, dict[str, Any]]:
    entries: dict[int, dict[str, Any]] = {}
    for entry in meetings if isinstance(meetings, list) else ():
        if isinstance(entry, dict) and not _is_example(entry):
            number = entry.get("meeting", 1)
            if isinstance(number, str) and number.isdigit():
                number = int(number)
            if isinstance(number, int):
                entries.setdefault(number, entry)
    return entries


def _is_example(entry: Mapping[str, Any]) -> bool:
    return all(entry.get(name) == _EXAMPLE[name] for name in ("title", "summary"))


def read_summary(text: str) -> tuple[str, str]:
    """Return title and summary of the answer to `prompts.merge_messages`; "" for a missing one."""
    found = next((found for found in framed(text, "summary") if not _is_example(found)), {})
    return _line(found.get("title")), _text(found.get("summary"))[:MAX_SUMMARY]


def read_draft(entry: Mapping[str, Any], segments: Mapping[int, Segment], *, language: str, model: str) -> Draft:
    """Turn one meeting of an answer into minutes; entries that cannot be read become faults."""
    faults: list[str] = []
    missing = tuple(name for name in REQUIRED if not isinstance(entry.get(name), _KINDS[name]))

    def entries(name: str, kind: type[T]) -> list[T]:
        return _entries(entry, name, kind, faults)

    def facts(listed: object) -> tuple[Fact, ...]:
        found = (
            _entries({"facts": [one for one in listed if one]}, "facts", FactEntry, faults)
            if isinstance(listed, list)
            else []
        )
        return tuple(Fact(text=fact.text, evidence=_evidence(fact)) for fact in found)

    return Draft(
        minutes=Minutes(
            title=_line(entry.get("title")),
            language=language,
            writer="llm",
            model=model,
            summary=_text(entry.get("summary"))[:MAX_SUMMARY],
            participants=_names(entry.get("participants")),
            chair=next(iter(facts([entry.get("chair")])), None),
            place=next(iter(facts([entry.get("place")])), None),
            distribution=facts(entry.get("distribution")),
            topics=tuple(_topic(found, segments) for found in entries("topics", TopicEntry)),
            decisions=tuple(
                Decision(text=found.text, evidence=_evidence(found)) for found in entries("decisions", TextEntry)
            ),
            action_items=tuple(
                ActionItem(task=found.task, owner=found.owner, due=found.due, evidence=_evidence(found))
                for found in entries("action_items", ActionEntry)
            ),
            open_questions=tuple(
                OpenQuestion(text=found.text, evidence=_evidence(found))
                for found in entries("open_questions", TextEntry)
            ),
        ),
        faults=(*(f"the field {name!r} is missing" for name in missing), *faults),
        missing=missing,
    )


def _entries(entry: Mapping[str, Any], name: str, kind: type[T], faults: list[str]) -> list[T]:
    listed = entry.get(name)
    if not isinstance(listed, list):
        if listed is not None:
            faults.append(f"{name} is not a list")
        return []
    found = []
    for index, value in enumerate(listed[:MAX_ENTRIES]):
        try:
            found.append(kind.model_validate(value))
        except ValidationError as error:
            what = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'entry'}: {one['msg']}" for one in error.errors())
            faults.append(f"{name}[{index}] cannot be read ({what})")
    return found


def _names(listed: object) -> tuple[str, ...]:
    names = [name.strip() for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    return tuple(dict.fromkeys(name for name in names if 0 < len(name) <= MAX_LINE))


def _evidence(found: _Quoted) -> Evidence:
    return Evidence(segment_ids=tuple(dict.fromkeys(found.segments)), quote=found.quote)


def _topic(found: TopicEntry, segments: Mapping[int, Segment]) -> Topic:
    """Give a topic that lies nowhere times that verification refuses."""
    first, last = segments.get(found.first), segments.get(found.last)
    known = first is not None and last is not None and first.start_s <= last.end_s
    return Topic(
        title=found.title,
        summary=found.summary,
        start_s=first.start_s if first is not None and known else -1.0,
        end_s=last.end_s if last is not None and known else -1.0,
        evidence=_evidence(found),
    )


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _line(value: object) -> str:
    return " ".join(_text(value).split())[:MAX_LINE]
