"""A recording through MeetMemo's own splitter, engine and stitcher, in this process."""

from pathlib import Path

import numpy as np

from pipelines.audio import decode_audio
from pipelines.catalogue import read_profile
from pipelines.core import BlobRef, Span
from pipelines.decoding import DecodeOptions, Row
from pipelines.pcm import SAMPLE_RATE
from pipelines.segmentation import SegmentationOptions, split_audio
from pipelines.stitching import stitch
from pipelines.whisper import WhisperEngine

_ROWS_AT_ONCE = 8
_LONGEST_S = 3600


def product_text(model: Path, recording: Path) -> str:
    """What the product writes down of the first channel, with its usual options."""
    engine = WhisperEngine.load(model)
    pcm = np.concatenate(list(decode_audio(recording, max_duration_s=_LONGEST_S)), axis=1)[:1]
    window_s = read_profile(model).window_s
    drafts = list(split_audio(iter([pcm]), SegmentationOptions(window_s=window_s)))
    rows = [
        Row(
            pcm=draft.row(chunk),
            index=chunk.index,
            options=DecodeOptions(language="en"),
        )
        for draft in drafts
        for chunk in draft.chunks
    ]
    firsts = range(0, len(rows), _ROWS_AT_ONCE)
    results = [result for first in firsts for result in engine.transcribe(rows[first : first + _ROWS_AT_ONCE])]
    spans = [
        Span(
            index=draft.index,
            channel=draft.channel,
            start=draft.start,
            end=draft.end,
            pcm=BlobRef(key="none", n_bytes=0),
            chunks=draft.chunks,
        )
        for draft in drafts
    ]
    found = {result.index: result for result in results}
    duration_s = pcm.shape[1] / SAMPLE_RATE
    transcript = stitch(spans, found, duration_s=duration_s, n_channels=1, languages=(), model=engine.info)
    return transcript.text
