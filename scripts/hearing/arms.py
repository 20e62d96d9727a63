"""The arms that listen in one process: MeetMemo's engine and faster-whisper's pipelines, with the same weights."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel

from pipelines.audio.decode import decode_audio
from pipelines.codec import encode
from pipelines.whisper.engine import EngineOptions
from pipelines.whisper.options import DecodeOptions
from scripts.hearing.heard import Heard, HeardSegment, HeardWord
from scripts.hearing.speech import pcm_of
from scripts.in_process import Product

_LONGEST_S = 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class Task:
    """A recording to hear, its language given; ``split``: each channel on its own.

    ``window_s``: longest window of faster-whisper, whole seconds; 0: the model's.
    """

    path: str
    language: str
    split: bool = False
    window_s: int = 0


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to hear: with how many beams, and whether every word gets times."""

    beam: int = 1
    word_times: bool = False


class Arm(Protocol):
    """Hears recordings, one way or another."""

    def hear(self, tasks: Sequence[Task], options: Options) -> list[Heard]:
        """Transcribe recordings, in order."""


class Engine:
    """MeetMemo's splitter, engine and stitcher, recording by recording."""

    def __init__(self, model: Path, threads: int) -> None:
        self._product = Product(model, EngineOptions(intra_threads=threads))
        self._product.engine.warm_up()  # with the encoder of a replica

    def hear(self, tasks: Sequence[Task], options: Options) -> list[Heard]:
        """See `Arm`."""
        return [self._one(task, options) for task in tasks]

    def _one(self, task: Task, options: Options) -> Heard:
        blocks = decode_audio(Path(task.path), channels="split" if task.split else "mix", max_duration_s=_LONGEST_S)
        decoding = DecodeOptions(language=task.language, beam_size=options.beam, word_timestamps=options.word_times)
        transcript = self._product.transcript(np.concatenate(list(blocks), axis=1), decoding)
        return Heard.from_dict(json.loads(encode(transcript)))


class FasterWhisper:
    """faster-whisper, recording by recording and channel by channel.

    ``batch_size`` 0: its sequential pipeline, window after window, without the text before, which confuses small
    models; else its batched one, which always cuts by voice activity.
    """

    def __init__(self, model: Path, threads: int, *, vad: bool = False, batch_size: int = 0) -> None:
        self._whisper = WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=threads)
        self._batched = BatchedInferencePipeline(self._whisper) if batch_size else None
        self._own = (
            {"batch_size": batch_size} if batch_size else {"vad_filter": vad, "condition_on_previous_text": False}
        )

    def hear(self, tasks: Sequence[Task], options: Options) -> list[Heard]:
        """See `Arm`."""
        return [self._one(task, options) for task in tasks]

    def _one(self, task: Task, options: Options) -> Heard:
        segments: list[HeardSegment] = []
        for channel, pcm in enumerate(pcm_of(Path(task.path), split=task.split)):
            found, _ = (self._batched or self._whisper).transcribe(
                pcm,
                language=task.language,
                beam_size=options.beam,
                word_timestamps=options.word_times,
                chunk_length=task.window_s or None,
                **self._own,
            )
            segments += _segments(channel, found)
        return Heard(segments=tuple(segments))


def _segments(channel: int, found: Iterable[Any]) -> Iterable[HeardSegment]:
    for segment in found:
        yield HeardSegment(
            channel=channel,
            text=segment.text,
            start_s=segment.start,
            end_s=segment.end,
            words=tuple(HeardWord(text=word.word, start_s=word.start, end_s=word.end) for word in segment.words or ()),
        )
