"""Finds speech that no word of a row covers, and joins what is heard there when it is decoded again.

Whisper leaves sentences out, at the end of a window and in its middle, and is sure of what it wrote. A sequential
decoder recovers some by starting the next window at the last timestamp; a row of a batch has no next window. What
counts is what a voice activity detector hears where no word is.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

import numpy as np
import numpy.typing as npt

from pipelines.audio.vad import VoiceActivity, speech_model
from pipelines.audio.vad_options import FRAME_SAMPLES, VadOptions
from pipelines.core import SAMPLE_RATE, ChunkResult, DecodedSegment, UnheardSpeech, Word
from pipelines.text.typography import is_spoken
from pipelines.whisper.options import Pcm
from pipelines.whisper.quality import compression_ratio, split_units

MIN_UNHEARD_S = 1.0
"""Speech that may lie between words without being missed: breath, laughter, a word that is timed too short."""
SURROUNDINGS_S = 0.3
"""Decoded again on both sides of a hole: words that are timed too early or too late lose their beginnings there."""
SAME_TEXT = 0.7
"""Share of units in common from which text counts as heard before; less is a sentence built alike."""
VAD = VadOptions(threshold=0.5, threshold_off=0.35, pad_s=0.0, min_speech_s=0.25)
"""Surer than where recordings are cut: there doubt costs one decoding, here it would call music speech."""
_INT16_SCALE = np.float32(32767)

Stretch = tuple[float, float]
"""Start and end in seconds on the row's clock."""


@dataclass(frozen=True, kw_only=True)
class Hole:
    """A stretch of a row in which somebody speaks and no word is, and the samples ``[start, end)`` to decode again."""

    start_s: float
    end_s: float
    start: int
    end: int


def find_holes(result: ChunkResult, pcm: Pcm) -> list[Hole]:
    """Return the holes of a row's outcome, ascending. ``pcm`` is the row."""
    duration_s = len(pcm) / SAMPLE_RATE
    gaps = [gap for gap in gaps_between(covered(result.segments), duration_s) if gap[1] - gap[0] >= MIN_UNHEARD_S]
    return [_hole(speech, len(pcm)) for gap in gaps if (speech := _speech_in(pcm, gap))]


def covered(segments: Sequence[DecodedSegment]) -> Iterator[Stretch]:
    """Yield where words are; where they have no times, where segments are. Punctuation alone is no word."""
    for segment in segments:
        yield from ((word.start_s, word.end_s) for word in segment.words if is_spoken(word.text))
        if not segment.words and is_spoken(segment.text):
            yield segment.start_s, segment.end_s


def gaps_between(stretches: Iterable[Stretch], duration_s: float) -> list[Stretch]:
    """Return what of ``[0, duration_s]`` lies in no stretch, ascending; a stretch without length parts nothing."""
    gaps = []
    reached_s = 0.0
    for start_s, end_s in sorted(stretch for stretch in stretches if stretch[1] > stretch[0]):
        gaps.append((reached_s, start_s))
        reached_s = max(reached_s, end_s)
    gaps.append((reached_s, duration_s))
    return [(start_s, end_s) for start_s, end_s in gaps if end_s > start_s]


def _speech_in(pcm: Pcm, gap: Stretch) -> Stretch | None:
    """Return from where to where somebody speaks in a gap, if it is long enough in all."""
    first = round(gap[0] * SAMPLE_RATE)
    activity = VoiceActivity(VAD)
    speech = [*activity.push(_int16(pcm[first : round(gap[1] * SAMPLE_RATE)])), *activity.finish()]
    if sum(each.n_samples for each in speech) < MIN_UNHEARD_S * SAMPLE_RATE:
        return None
    return (first + speech[0].start) / SAMPLE_RATE, (first + speech[-1].end) / SAMPLE_RATE


def is_voiced(pcm: Pcm) -> bool:
    """Say whether voice activity is sure of a single frame of a row."""
    samples = _int16(pcm)
    frames = np.pad(samples, (0, -len(samples) % FRAME_SAMPLES)).reshape(-1, FRAME_SAMPLES)
    return bool(speech_model()(frames).max(initial=0.0) >= VAD.threshold)


def _int16(samples: Pcm) -> npt.NDArray[np.int16]:
    if samples.dtype != np.int16:
        samples = np.clip(samples, -1.0, 1.0).astype(np.float32) * _INT16_SCALE
    return samples.astype(np.int16, copy=False)


def _hole(speech: Stretch, n_samples: int) -> Hole:
    start_s, end_s = speech
    return Hole(
        start_s=start_s,
        end_s=end_s,
        start=max(0, round((start_s - SURROUNDINGS_S) * SAMPLE_RATE)),
        end=min(n_samples, round((end_s + SURROUNDINGS_S) * SAMPLE_RATE)),
    )


def fill(result: ChunkResult, hole: Hole, heard: ChunkResult, n_samples: int) -> ChunkResult:
    """Insert what was heard in a hole; where nothing new was, or nothing sound, the hole stays unheard.

    ``heard`` counts from ``hole.start`` on. A segment with the hole in its middle is parted, and the new words stay
    between those beside it. The whole's likelihood is weighted by length of the row's ``n_samples``, its temperature
    the higher one.
    """
    offset_s = hole.start / SAMPLE_RATE
    around = [part for segment in result.segments for part in _parted(segment, hole)]
    room = _room(around, hole, n_samples)
    shifted = (_inside(shift(segment, offset_s), hole) for segment in heard.segments)
    segments = [_within(segment, room) for segment in shifted if segment is not None]
    if heard.error or heard.suspect or not segments or _repeats(around, segments, hole):
        unheard = UnheardSpeech(start_s=round(hole.start_s, 2), end_s=round(hole.end_s, 2))
        return replace(result, unheard=(*result.unheard, unheard))
    joined = tuple(sorted((*around, *segments), key=lambda segment: segment.start_s))
    share = (hole.end - hole.start) / n_samples
    return replace(
        result,
        segments=joined,
        avg_logprob=(1 - share) * result.avg_logprob + share * heard.avg_logprob,
        compression_ratio=compression_ratio("".join(segment.text for segment in joined)),
        temperature=max(result.temperature, heard.temperature),
        n_attempts=max(result.n_attempts, heard.n_attempts),
        unheard=(*result.unheard, *(shift_unheard(each, offset_s) for each in heard.unheard)),
    )


def _inside(segment: DecodedSegment, hole: Hole) -> DecodedSegment | None:
    """Return the part of a segment whose words lie mostly in the hole, not in its surroundings."""
    if not segment.words:
        middle_s = (segment.start_s + segment.end_s) / 2
        return segment if hole.start_s <= middle_s <= hole.end_s else None
    words = tuple(word for word in segment.words if hole.start_s <= (word.start_s + word.end_s) / 2 <= hole.end_s)
    return segment_of(words) if words else None


def _parted(segment: DecodedSegment, hole: Hole) -> tuple[DecodedSegment, ...]:
    """Cut a segment where the hole lies between its words."""
    before = tuple(word for word in segment.words if word.start_s < hole.start_s)
    after = segment.words[len(before) :]
    return (segment_of(before), segment_of(after)) if before and after else (segment,)


def _room(around: Sequence[DecodedSegment], hole: Hole, n_samples: int) -> Stretch:
    """Return from where to where nothing is around a hole."""
    taken = list(covered(around))
    return (
        max((end_s for _, end_s in taken if end_s <= hole.start_s), default=0.0),
        min((start_s for start_s, _ in taken if start_s >= hole.end_s), default=n_samples / SAMPLE_RATE),
    )


def _within(segment: DecodedSegment, room: Stretch) -> DecodedSegment:
    """Cut a segment's times, and its words', to a room that holds their middles."""
    low_s, high_s = room
    if segment.words:
        return segment_of(
            [replace(w, start_s=max(low_s, w.start_s), end_s=min(high_s, w.end_s)) for w in segment.words]
        )
    return replace(segment, start_s=max(low_s, segment.start_s), end_s=min(high_s, segment.end_s))


def segment_of(words: Sequence[Word]) -> DecodedSegment:
    """Make a segment of its words."""
    text = "".join(word.text for word in words)
    return DecodedSegment(start_s=words[0].start_s, end_s=words[-1].end_s, text=text, words=tuple(words))


def _repeats(around: Sequence[DecodedSegment], segments: Sequence[DecodedSegment], hole: Hole) -> bool:
    """Say whether the text beside the hole is the same: it was heard, with a wrong time."""
    found = split_units("".join(segment.text for segment in segments))
    before = split_units("".join(s.text for s in around if s.start_s < hole.start_s))[-len(found) :]
    after = split_units("".join(s.text for s in around if s.start_s >= hole.start_s))[: len(found)]
    return any(SequenceMatcher(None, beside, found, autojunk=False).ratio() >= SAME_TEXT for beside in (before, after))


def shift(segment: DecodedSegment, offset_s: float) -> DecodedSegment:
    """Move a segment and its words later by ``offset_s``."""
    return replace(
        segment,
        start_s=round(segment.start_s + offset_s, 2),
        end_s=round(segment.end_s + offset_s, 2),
        words=tuple(
            replace(word, start_s=round(word.start_s + offset_s, 2), end_s=round(word.end_s + offset_s, 2))
            for word in segment.words
        ),
    )


def shift_unheard(unheard: UnheardSpeech, offset_s: float) -> UnheardSpeech:
    """Move unheard speech later by ``offset_s``."""
    return UnheardSpeech(start_s=round(unheard.start_s + offset_s, 2), end_s=round(unheard.end_s + offset_s, 2))
