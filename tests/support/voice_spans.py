"""Spans of a loud and a quiet voice in a store, and what a Diarizer is asked about them."""

import hashlib

import numpy as np

from deployments.ports import DiarizationRequest, VoicesRequest
from pipelines.core import SAMPLE_RATE, Span
from pipelines.speakers.options import SpeakerOptions
from pipelines.storage.layout import JobKeys
from tests.fakes.store import MemoryStore
from tests.fakes.voices import noise

KEYS = JobKeys(tenant="t", job_id="j")
SPAN_S = 8.0
OPTIONS = SpeakerOptions(min_speakers=2, max_speakers=2)


def stored_span(store: MemoryStore, index: int, channel: int = 0) -> Span:
    """Four seconds of a loud voice, then a quiet one, behind the spans before."""
    sound = np.concatenate([noise(SPAN_S / 2, 0.9, index), noise(SPAN_S / 2, 0.002, index)])
    pcm = (sound * 32767).astype("<i2").tobytes()
    start = round(index * SPAN_S * SAMPLE_RATE)
    ref = store.put(KEYS.pcm(channel, index), pcm, sha256=hashlib.sha256(pcm).hexdigest())
    return Span(index=index, channel=channel, start=start, end=start + len(pcm) // 2, pcm=ref)


def hearing(span: Span) -> VoicesRequest:
    return VoicesRequest(tenant="t", job_id="j", span=span)


def telling(*spans: Span) -> DiarizationRequest:
    return DiarizationRequest(tenant="t", job_id="j", spans=spans, options=OPTIONS)
