"""A recording through MeetMemo's own splitter, engine and stitcher, in this process."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.audio.decode import decode_audio
from pipelines.audio.pcm import Pcm
from pipelines.audio.segmentation import SegmentationOptions, split_audio
from pipelines.core import SAMPLE_RATE, BlobRef, Chunk, ChunkResult, Transcript
from pipelines.models.catalogue import read_profile
from pipelines.models.profile import ModelProfile
from pipelines.transcript.language_detection import ChannelVote
from pipelines.transcript.spoken_languages import spoken_languages
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

    def __init__(
        self,
        model: Path,
        options: EngineOptions = EngineOptions(),  # noqa: B008 - frozen
        *,
        profile: ModelProfile | None = None,
    ) -> None:
        """Load a model; ``profile`` replaces what its folder says."""
        self.engine = WhisperEngine.load(model, options, profile=profile)
        self._segmentation = SegmentationOptions(window_s=read_profile(model).window_s)

    def transcript(self, pcm: Pcm, options: DecodeOptions) -> Transcript:
        """Transcribe int16 ``[n_channels, n_samples]``, each channel on its own."""
        drafts = list(split_audio(iter([pcm]), self._segmentation))
        chunks = {chunk.index: (chunk, draft.row(chunk)) for draft in drafts for chunk in draft.chunks}
        results = self._results(chunks, options)
        spans = [draft.stored(_NOWHERE) for draft in drafts]
        return stitch(
            spans,
            results,
            duration_s=pcm.shape[1] / SAMPLE_RATE,
            n_channels=len(pcm),
            languages=spoken_languages(spans, results, {}),
            model=self.engine.info,
        )

    def _results(
        self, chunks: Mapping[int, tuple[Chunk, npt.NDArray[np.int16]]], options: DecodeOptions
    ) -> dict[int, ChunkResult]:
        """Decode chunks; where the language is not given, their channels vote for it as in a cluster."""
        if options.language or not self.engine.is_multilingual:
            return self._decode(chunks, options)
        results: dict[int, ChunkResult] = {}
        for channel in {chunk.channel for chunk, _ in chunks.values()}:
            vote = ChannelVote(channel=channel)
            for chunk, _ in chunks.values():
                if chunk.channel == channel:
                    vote.hold(chunk)
            voters = self._decode(
                {chunk.index: chunks[chunk.index] for chunk in vote.choose_rows(complete=True)}, options
            )
            for index, result in voters.items():
                vote.add(index, result.passages)
            outcome = vote.result()
            again = {chunk.index: chunks[chunk.index] for chunk in vote.again(outcome)}
            results |= voters | self._decode(again, replace(options, expected=outcome.shares))
        return results

    def _decode(
        self, chunks: Mapping[int, tuple[Chunk, npt.NDArray[np.int16]]], options: DecodeOptions
    ) -> dict[int, ChunkResult]:
        rows = [DecodeRequest(pcm=pcm, index=index, options=options) for index, (_, pcm) in chunks.items()]
        firsts = range(0, len(rows), _ROWS_AT_ONCE)
        results = (result for first in firsts for result in self.engine.transcribe(rows[first : first + _ROWS_AT_ONCE]))
        return {result.index: result for result in results}
