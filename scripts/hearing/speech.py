"""When somebody speaks in a recording: by its true turns where they have times, else by Silero."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from faster_whisper.audio import decode_audio
from faster_whisper.vad import VadOptions, get_speech_timestamps

from pipelines.core import SAMPLE_RATE
from scripts.hearing.corpus import Recording
from scripts.hearing.intervals import Interval

Pcm = npt.NDArray[np.float32]

_SILERO = VadOptions(min_silence_duration_ms=500, speech_pad_ms=0)
"""At Silero's usual threshold, and as faster-whisper runs it: not with the settings by which MeetMemo cuts."""


def speech_of(recording: Recording) -> list[list[Interval]]:
    """Return the intervals of speech for each channel of the truth."""
    turns = [[(turn.start_s, turn.end_s) for turn in channel.turns] for channel in recording.channels]
    return turns if all(turns) else [_silero(pcm) for pcm in pcm_of(recording.path, split=recording.split)]


def pcm_of(path: Path, *, split: bool) -> list[Pcm]:
    """Decode as faster-whisper does: float32 ``[n_samples]`` of the mix, or of the left and the right channel."""
    decoded = decode_audio(str(path), sampling_rate=SAMPLE_RATE, split_stereo=split)
    return list(decoded) if split else [decoded]


def _silero(pcm: Pcm) -> list[Interval]:
    found = get_speech_timestamps(pcm, _SILERO, sampling_rate=SAMPLE_RATE)
    return [(part["start"] / SAMPLE_RATE, part["end"] / SAMPLE_RATE) for part in found]
