"""``transcript.vtt``: WebVTT subtitles (W3C WebVTT), with voice spans where speakers are known."""

from html import escape

from pipelines.core import Transcript
from pipelines.export.subtitles import subtitle_cues
from pipelines.export.times import timestamp


def transcript_vtt(transcript: Transcript) -> bytes:
    """Render WebVTT: ``HH:MM:SS.mmm``, ``<v Name>`` spans, ``&``, ``<`` and ``>`` escaped (so never ``-->``)."""
    blocks = ["WEBVTT\n"]
    for cue in subtitle_cues(transcript):
        times = f"{timestamp(cue.start_ms, '.')} --> {timestamp(cue.end_ms, '.')}"
        text = "\n".join(escape(line, quote=False) for line in cue.lines)
        name = escape(" ".join(cue.speaker.split()), quote=False)
        blocks.append(f"{times}\n<v {name}>{text}</v>\n" if name else f"{times}\n{text}\n")
    return "\n".join(blocks).encode()
