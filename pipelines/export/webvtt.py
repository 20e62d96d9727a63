"""``transcript.vtt``: WebVTT subtitles (W3C WebVTT), with voice spans where speakers are known.

What is not in the main language stands in language spans.
"""

from html import escape

from pipelines.core import Transcript
from pipelines.export.subtitles import Subtitles
from pipelines.export.times import timestamp
from pipelines.notes import Note
from pipelines.text.cleaning import one_line


def transcript_vtt(transcript: Transcript, subtitles: Subtitles) -> bytes:
    """Render WebVTT: ``HH:MM:SS.mmm``, ``<v Name>`` spans, ``&``, ``<`` and ``>`` escaped (so never ``-->``).

    Notes about the recording become comments, which players do not show.
    """
    blocks = ["WEBVTT\n", *(f"NOTE {_comment(note)}\n" for note in transcript.notes)]
    for cue in subtitles.cues():
        times = f"{timestamp(cue.start_ms, '.')} --> {timestamp(cue.end_ms, '.')}"
        text = "\n".join(escape(line, quote=False) for line in cue.lines)
        if cue.language not in ("", transcript.language):
            text = f"<lang {escape(cue.language)}>{text}</lang>"
        name = escape(" ".join(cue.speaker.split()), quote=False)
        blocks.append(f"{times}\n<v {name}>{text}</v>\n" if name else f"{times}\n{text}\n")
    return "\n".join(blocks).encode()


def _comment(note: Note) -> str:
    return one_line(note.text).replace("-->", "→")
