"""Name the speakers of a transcript that has some already, and may be corrected, masked or matched with terms. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from pipelines.core import Segment, Transcript
from pipelines.speakers.labelling import with_speakers
from pipelines.speakers.voices import Diarization


def with_other_speakers(
    transcript: Transcript, diarization: Diarization, *, labels: Sequence[str], names: Sequence[str] = ()
) -> Transcript:
    """Return a transcript with the speakers of a diarization in place of its own; text and words stay.

    Segments part where the voice changes. One whose words do not make up its text (terms were written for what was
    heard, or it has none) stays whole, and keeps its words. ``labels`` name each channel in which no voices are told
    apart, ``names`` are those that were given to channels.
    """
    whole = {_place(segment): segment.words for segment in transcript.segments if not _parts(segment)}
    bare = [
        replace(
            segment,
            speaker=labels[segment.channel],
            words=segment.words if _parts(segment) else (),
        )
        for segment in transcript.segments
    ]
    named = with_speakers(
        replace(transcript, segments=tuple(bare), speakers=()), diarization, names=names, with_words=True
    )
    segments = (replace(each, words=whole.get(_place(each), each.words)) for each in named.segments)
    return replace(named, segments=tuple(segments))


def _parts(segment: Segment) -> bool:
    spelled = "".join(word.text for word in segment.words).strip()
    return bool(segment.words) and not segment.matches and spelled == segment.text.strip()


def _place(segment: Segment) -> tuple[int, float, float, str]:
    return segment.channel, segment.start_s, segment.end_s, segment.text.strip()
