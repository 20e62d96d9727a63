"""Whether a recording is such speech as its model was trained on, by how sure the model is of its own text. Pure.

Models that were trained on little speech of one kind write fluent nonsense about any other, and no rule about a text's
form catches it. Their mean log-probability tells: measured for `mini-en` on 2026-11-30, recordings in synthetic voices
(12) had -0.26 to -0.07 nats a token, real voices (22, in English, German, Spanish and Mandarin) -1.04 to -0.72; with
`mini-zh-en` one of nine real ones, a single short phrase at -0.37, passes a limit of -0.5. A recording of both kinds is
told by what most of it is. A model that was trained on speech of all kinds is unsure of hard recordings too, and its
profile names no limit.
"""

from collections.abc import Iterable

from pipelines.core import ChunkResult
from pipelines.notes import Note, NoteCode


def training_notes(results: Iterable[ChunkResult], model: str, min_avg_logprob: float | None) -> tuple[Note, ...]:
    """Return a note where the mean over all text, weighted by its seconds, is below a limit; None: there is none."""
    if min_avg_logprob is None:
        return ()
    weights = [
        (sum(segment.end_s - segment.start_s for segment in result.segments), result.avg_logprob) for result in results
    ]
    seconds = sum(weight for weight, _ in weights)
    if seconds <= 0 or sum(weight * logprob for weight, logprob in weights) / seconds >= min_avg_logprob:
        return ()
    return (Note(code=NoteCode.UNLIKE_TRAINING, values={"model": model}),)
