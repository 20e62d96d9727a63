"""``transcript.txt``: one segment a line, for people and for ``grep``.

Notes about the recording come first, what failed is said where it failed.
"""

from pipelines.core import CoverageStatus, Transcript
from pipelines.export.labels import labels_for
from pipelines.export.times import clock
from pipelines.text.cleaning import one_line


def transcript_txt(transcript: Transcript) -> bytes:
    """Render the transcript as UTF-8 text, each line with its speaker where speakers are known."""
    labels = labels_for(transcript.language)
    lines = []
    for segment in transcript.segments:
        speaker = f"{labels.speaker(one_line(segment.speaker))}{labels.colon}" if segment.speaker.strip() else ""
        lines.append((segment.start_s, segment.channel, f"{speaker}{one_line(segment.text)}"))
    for lost in transcript.coverage:
        if lost.health is CoverageStatus.FAILED:
            interval = f"{clock(lost.start_s)}–{clock(lost.end_s)}"
            lines.append((lost.start_s, lost.channel, f"[{interval} {labels.failed_here}]"))
    lines.sort(key=lambda line: line[:2])
    notes = [f"[{one_line(labels.note(note))}]" for note in transcript.notes]
    return "".join(f"{text}\n" for text in (*notes, *(text for _, _, text in lines))).encode()
