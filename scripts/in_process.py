"""A recording through MeetMemo's own splitter, engine and stitcher, in this process."""

from pathlib import Path

import numpy as np

from pipelines.audio.decode import decode_audio
from pipelines.audio.pcm import Pcm
from pipelines.audio.segmentation import SegmentationOptions, split_audio
from pipelines.core import SAMPLE_RATE, BlobRef, Transcript
from pipelines.models.catalogue import read_profile
from pipelines.transcript.stitching import stitch
from pipelines.whisper.engine import EngineOptions, WhisperEngine
from pipelines.whisper.options import DecodeOptions, DecodeRequest

_NOWHERE = BlobRef(key="none", n_bytes=0)
_ROWS_AT_ONCE = 8
_LONGEST_S = 3600


def product_text(model: Path, recording: Path, language: str = "en") -> str:
    """Transcribe the first channel of a recording with the product's usual options."""
    pcm = np.concatenate(list(decode_audio(recording, max_duration_s=_LONGEST_S)), axis=1)[:1]
    return product_transcript(model, pcm, DecodeOptions(language=language)).text


def product_transcript(model: Path, pcm: Pcm, options: DecodeOptions) -> Transcript:
    """Transcribe one channel, int16 ``[1, n_samples]``."""
    return Product(model).transcript(pcm, options)


class Product:
    """Transcribes many recordings with one model."""

    def __init__(self, model: Path, options: EngineOptions = EngineOptions()) -> None:  # noqa: B008 - frozen
        self.engine = WhisperEngine.load(model, options)
        self._segmentation = SegmentationOptions(window_s=read_profile(model).window_s)

    def transcript(self, pcm: Pcm, options: DecodeOptions) -> Transcript:
        """Transcribe int16 ``[n_channels, n_samples]``, each channel on its own."""
        drafts = list(split_audio(iter([pcm]), self._segmentation))
        rows = [
            DecodeRequest(pcm=draft.row(chunk), index=chunk.index, options=options)
            for draft in drafts
            for chunk in draft.chunks
        ]
        firsts = range(0, len(rows), _ROWS_AT_ONCE)
        results = [result for first in firsts for result in self.engine.transcribe(rows[first : first + _ROWS_AT_ONCE])]
        return stitch(
            [draft.stored(_NOWHERE) for draft in drafts],
            {result.index: result for result in results},
            duration_s=pcm.shape[1] / SAMPLE_RATE,
            n_channels=len(pcm),
            languages=(),
            model=self.engine.info,
        )
