"""What an arm heard of a recording, and how it crosses a pipe as JSON."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class HeardWord:
    """A word and its times in seconds."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True)
class HeardSegment:
    """A piece of a transcript; ``words`` are empty unless word times were asked for."""

    channel: int
    text: str
    start_s: float
    end_s: float
    words: tuple[HeardWord, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Heard:
    """The transcript of a recording; ``failure`` says why there is none."""

    segments: tuple[HeardSegment, ...]
    failure: str = ""

    def on(self, channel: int) -> tuple[HeardSegment, ...]:
        """Return the segments of a channel."""
        return tuple(segment for segment in self.segments if segment.channel == channel)

    def as_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Heard":
        """Read what `as_dict` wrote, or the transcript of MeetMemo's API, which has more fields."""
        return cls(segments=tuple(map(_segment, fields["segments"])), failure=fields.get("failure", ""))


def _segment(fields: dict[str, Any]) -> HeardSegment:
    return HeardSegment(
        channel=fields["channel"],
        text=fields["text"],
        start_s=fields["start_s"],
        end_s=fields["end_s"],
        words=tuple(
            HeardWord(text=word["text"], start_s=word["start_s"], end_s=word["end_s"]) for word in fields["words"]
        ),
    )
