"""Small independent readers of SubRip and WebVTT, as strict as the formats' descriptions."""

import html
import re
from dataclasses import dataclass

_SRT_TIME = re.compile(r"(\d{2,}):([0-5]\d):([0-5]\d),(\d{3}) --> (\d{2,}):([0-5]\d):([0-5]\d),(\d{3})")
_VTT_TIME = re.compile(r"(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3}) --> (\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})")
_VOICE = re.compile(r"<v ([^>\n]+)>(.*)</v>", re.DOTALL)


@dataclass(frozen=True)
class ReadCue:
    """A cue as a player would show it."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    voice: str = ""


def read_srt(data: bytes) -> list[ReadCue]:
    """Parse SubRip; raises AssertionError where a block is malformed or numbers skip."""
    cues = []
    for number, block in enumerate(_blocks(data.decode()), start=1):
        assert block[0] == str(number)
        cues.append(ReadCue(*_times(_SRT_TIME, block[1]), lines=tuple(block[2:])))
        assert block[2:], "a cue without text"
    return cues


def read_vtt(data: bytes) -> list[ReadCue]:
    """Parse WebVTT with voice spans; raises AssertionError for markup or arrows in the text."""
    header, *blocks = _blocks(data.decode())
    assert header == ["WEBVTT"]
    cues = []
    for block in blocks:
        text, voice = "\n".join(block[1:]), ""
        if match := _VOICE.fullmatch(text):
            voice, text = html.unescape(match[1]), match[2]
        assert "<" not in text
        assert "-->" not in text
        assert re.fullmatch(r"(?:[^&]|&(?:amp|lt|gt);)+", text), text
        cues.append(ReadCue(*_times(_VTT_TIME, block[0]), lines=tuple(html.unescape(text).split("\n")), voice=voice))
    return cues


def _blocks(text: str) -> list[list[str]]:
    return [block.split("\n") for block in text.rstrip("\n").split("\n\n")] if text else []


def _times(pattern: re.Pattern[str], line: str) -> tuple[int, int]:
    match = pattern.fullmatch(line)
    assert match, f"no time line: {line!r}"
    h1, m1, s1, f1, h2, m2, s2, f2 = map(int, match.groups())
    return ((h1 * 60 + m1) * 60 + s1) * 1000 + f1, ((h2 * 60 + m2) * 60 + s2) * 1000 + f2
