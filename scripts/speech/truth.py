"""The true words of a recording, with their times: the dataclasses beside every sample, as JSON."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TrueSegment:
    """One sentence: ``voice`` speaks it as ``speaker`` on ``channel`` from ``start_s`` to ``end_s``.

    The times are those of the first and last sound with the margin that `voices.speak` leaves: up to 40 ms before
    and 60 ms after.
    """

    channel: int
    speaker: str
    voice: str
    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, kw_only=True)
class TrueTopic:
    """A subject of the meeting and the time from its introduction to its last word."""

    title: str
    start_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True)
class TrueAction:
    """Somebody is asked to do something; ``due`` is the spoken day or None when no day is spoken."""

    owner: str
    task: str
    due: str | None


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Everything known about a recording.

    Segments are ordered by start time; those of different channels may overlap. Decisions, tasks and questions are
    literal parts of segment texts, in the order in which they are spoken.
    """

    duration_s: float
    channels: int
    language: str
    segments: tuple[TrueSegment, ...]
    topics: tuple[TrueTopic, ...] = ()
    decisions: tuple[str, ...] = ()
    action_items: tuple[TrueAction, ...] = ()
    open_questions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All words of all channels in the order in which the sentences begin."""
        return " ".join(segment.text for segment in self.segments)

    def channel_text(self, channel: int) -> str:
        """Return the words spoken on one channel."""
        return " ".join(segment.text for segment in self.segments if segment.channel == channel)


def save_truth(truth: Truth, path: Path) -> None:
    """Write ``truth`` as JSON."""
    path.write_text(json.dumps(asdict(truth), indent=1) + "\n", encoding="utf-8")


def load_truth(path: Path) -> Truth:
    """Read what `save_truth` wrote; raises ``TypeError`` when a field is missing or unknown."""
    fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Truth(
        **fields
        | {
            "segments": tuple(TrueSegment(**segment) for segment in fields["segments"]),
            "topics": tuple(TrueTopic(**topic) for topic in fields["topics"]),
            "decisions": tuple(fields["decisions"]),
            "action_items": tuple(TrueAction(**action) for action in fields["action_items"]),
            "open_questions": tuple(fields["open_questions"]),
        }
    )
