"""Clips of recordings for people to listen to: WAV files, levelled, so that a quiet speaker is heard."""

import io
import warnings

with warnings.catch_warnings():
    # pydub warns that it found no ffmpeg, which WAV does not need, and that Python will drop a module it has a
    # replacement for.
    warnings.simplefilter("ignore")
    from pydub import AudioSegment
    from pydub.effects import normalize

from pipelines.core import SAMPLE_BYTES, SAMPLE_RATE

HEADROOM_DB = 1.0
MAX_GAIN_DB = 30.0  # more would only make noise loud


def wav_clip(pcm: bytes) -> bytes:
    """Make a mono WAV file of int16 samples at 16 kHz, its peak raised to 1 dB below full scale."""
    clip = AudioSegment(data=pcm, sample_width=SAMPLE_BYTES, frame_rate=SAMPLE_RATE, channels=1)
    if len(pcm) and clip.max:  # silence has no level
        loudest_db = float(clip.max_dBFS)
        clip = normalize(clip, headroom=HEADROOM_DB) if loudest_db > -MAX_GAIN_DB else clip.apply_gain(MAX_GAIN_DB)
    file = io.BytesIO()
    clip.export(file, format="wav")
    return file.getvalue()
