"""Recordings with their true words: a folder with ``truth.json``, a list of entries such as

    {"file": "call.flac", "language": "en", "seconds": 30.0, "channels": 2, "speakers": 2, "text": "Hello? Hello.",
     "turns": [{"speaker": "Ann", "channel": 0, "start": 0.5, "end": 0.9, "text": "Hello?"}, …],
     "words": [{"channel": 0, "start": 0.5, "end": 0.9, "text": "Hello?"}, …],
     "group": "phone"}

``turns`` and ``words`` may be null or absent, ``start`` and ``end`` null; ``group`` may be absent. A recording whose
turns all name their channel is a call with a speaker on each channel, and is transcribed channel by channel.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRUTH = "truth.json"
BY_CHARACTER = frozenset({"zh", "yue", "ja"})
"""Languages whose words are not told apart in writing."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")


@dataclass(frozen=True, kw_only=True)
class TimedText:
    """Words that are said from ``start_s`` to ``end_s`` of the recording."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True)
class TrueChannel:
    """All that is said on a channel, as one text, by sentence, by turn and by word.

    ``turns`` is empty unless all turns have times; ``words`` where the truth times none.
    """

    text: str
    sentences: tuple[str, ...]
    turns: tuple[TimedText, ...] = ()
    words: tuple[TimedText, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A recording and the truth about it; ``channels`` has one entry unless it is transcribed channel by channel."""

    path: Path
    language: str
    group: str
    duration_s: float
    channels: tuple[TrueChannel, ...]

    @property
    def split(self) -> bool:
        """Say whether each channel is transcribed on its own."""
        return len(self.channels) > 1


def load_corpus(folder: Path) -> list[Recording]:
    """Read a folder's truth; raises ``FileNotFoundError`` for a recording that is not there."""
    recordings = [_recording(folder, entry) for entry in json.loads((folder / TRUTH).read_text(encoding="utf-8"))]
    if missing := [str(recording.path) for recording in recordings if not recording.path.is_file()]:
        raise FileNotFoundError(", ".join(missing))
    return recordings


def _recording(folder: Path, entry: dict[str, Any]) -> Recording:
    turns, words = entry.get("turns") or [], entry.get("words") or []
    split = entry["channels"] > 1 and bool(turns) and all(turn.get("channel") is not None for turn in turns)
    if split:
        channels = tuple(
            _channel(
                " ".join(turn["text"] for turn in turns if turn["channel"] == number),
                [turn for turn in turns if turn["channel"] == number],
                [word for word in words if word["channel"] == number],
            )
            for number in range(entry["channels"])
        )
    else:
        channels = (_channel(entry["text"], turns, words),)
    return Recording(
        path=folder / entry["file"],
        language=entry["language"],
        group=entry.get("group") or group_of(entry["file"], entry["language"], split=split),
        duration_s=entry["seconds"],
        channels=channels,
    )


def _channel(text: str, turns: list[dict[str, Any]], words: list[dict[str, Any]]) -> TrueChannel:
    parts = [turn["text"] for turn in turns] or [text]
    return TrueChannel(
        text=text,
        sentences=tuple(sentence for part in parts for sentence in _SENTENCE_END.split(part.strip()) if sentence),
        turns=_timed(turns),
        words=_timed(words),
    )


def _timed(entries: list[dict[str, Any]]) -> tuple[TimedText, ...]:
    if any(entry["start"] is None or entry["end"] is None for entry in entries):
        return ()
    return tuple(TimedText(text=entry["text"], start_s=entry["start"], end_s=entry["end"]) for entry in entries)


def group_of(name: str, language: str, *, split: bool) -> str:
    """Return the group that a file's name and language tell, where the truth names none."""
    if name.startswith("meeting"):
        return "meetings"
    if split or name.startswith(("phone", "call")):
        return "phone"
    if language in BY_CHARACTER:
        return "zh, ja"
    return "English" if language == "en" else "other languages"
