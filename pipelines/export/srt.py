"""``transcript.srt``: SubRip subtitles.

SubRip has no escapes: players read ``<b>`` and ``{\\an8}`` as commands and ``-->`` as a time line, so text
that would be taken for one of these is written with look-alike characters instead.
"""

import re

from pipelines.export.subtitles import Subtitles
from pipelines.export.times import timestamp

_TAG_START = re.compile(r"<(?=[A-Za-z/!])")


def transcript_srt(subtitles: Subtitles) -> bytes:
    """Render SubRip: numbered cues, ``HH:MM:SS,mmm``, speakers named where they change."""
    blocks = []
    for number, cue in enumerate(subtitles.cues(name_speakers=True), start=1):
        times = f"{timestamp(cue.start_ms, ',')} --> {timestamp(cue.end_ms, ',')}"
        text = "\n".join(_harmless(line) for line in cue.lines)
        blocks.append(f"{number}\n{times}\n{text}\n")
    return "\n".join(blocks).encode()


def _harmless(line: str) -> str:
    return _TAG_START.sub("‹", line).replace("-->", "→").replace("{\\", "(\\")
