"""The Diarizer: hears the voices of spans, and tells the speakers of a recording apart once all of it was heard."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import structlog

from deployments.ports import DiarizationRequest, EnrolmentRequest, SealedVoice, VoicesRequest
from deployments.telemetry import tracing
from deployments.workers.known_voices import KnownVoices, no_cipher
from pipelines.codec import decode, encode
from pipelines.core import Span
from pipelines.speakers.analysis import analyse
from pipelines.speakers.centroids import speaker_vectors
from pipelines.speakers.diarization import cluster
from pipelines.speakers.profiles import recognise
from pipelines.speakers.protocol import VoiceModels
from pipelines.speakers.sealing import VoiceCipher
from pipelines.speakers.voices import ChannelTurns, Diarization, SpanVoices
from pipelines.storage.layout import JobKeys
from pipelines.storage.protocol import BlobStore

if TYPE_CHECKING:
    from pipelines.audio.sandbox import Decoder

log = structlog.get_logger()

R = TypeVar("R")


class Diarizer:
    """Hears one span at a time: the networks are one thread's. Memory holds one span, or a recording's voices."""

    def __init__(
        self,
        *,
        store: BlobStore,
        load: Callable[[], VoiceModels],
        cipher: Callable[[], VoiceCipher | None] = no_cipher,
        decoder: Callable[[], "Decoder"] | None = None,
    ) -> None:
        """Take what loads the networks; it is called when the first span comes, and again should it raise.

        ``cipher`` gives what opens voice profiles; without it nobody has one. ``decoder`` makes what
        decodes clips, when one comes; without it they are decoded in this process, which trusts them.
        """
        self._store = store
        self._known = KnownVoices(store=store, cipher=cipher, decoder=decoder or _decoding_here, models=self._loaded)
        self._load = load
        self._models: VoiceModels | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="voices")

    async def hear(self, request: VoicesRequest) -> float:
        """Store the voices of a span, unless an earlier call did; see `deployments.ports.DiarizerPort.hear`."""
        with tracing.span("hear voices", request.traceparent, job_id=request.job_id):
            cpu_s = await self._in_thread(lambda: self._hear(request))
        log.info(
            "voices heard",
            action="hear",
            job_id=request.job_id,
            tenant=request.tenant,
            request_id=request.request_id,
            span=request.span.index,
            cpu_s=round(cpu_s, 3),
        )
        return cpu_s

    async def tell_apart(self, request: DiarizationRequest) -> Diarization:
        """Cluster the voices of each channel; see `deployments.ports.DiarizerPort.tell_apart`."""
        with tracing.span("tell voices apart", request.traceparent, job_id=request.job_id):
            return await self._in_thread(lambda: self._tell_apart(request))

    async def enrol(self, request: EnrolmentRequest) -> SealedVoice:
        """Seal a voice for its profile; see `deployments.ports.EnrolmentPort.enrol`."""
        sealed = await self._in_thread(lambda: self._known.enrol(request))
        log.info("voice heard", action="enrol", tenant=request.tenant, voice_id=request.voice_id)
        return sealed

    def close(self) -> None:
        """Wait for what is in hand. Blocks."""
        self._thread.shutdown()

    async def _in_thread(self, work: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _loaded(self) -> VoiceModels:
        self._models = self._models or self._load()
        return self._models

    def _hear(self, request: VoicesRequest) -> float:
        key = voices_key(request.tenant, request.job_id, request.span)
        if self._store.exists(key):
            return 0.0
        samples = np.frombuffer(self._store.get(request.span.pcm.key), "<i2")
        models = self._loaded()
        began_s = time.process_time()
        voices = analyse(samples, request.span.start, models)
        cpu_s = time.process_time() - began_s
        self._store.put(key, encode(voices))
        return cpu_s

    def _tell_apart(self, request: DiarizationRequest) -> Diarization:
        by_channel: dict[int, list[SpanVoices]] = {}
        for span in request.spans:
            stored = self._store.get(voices_key(request.tenant, request.job_id, span))
            by_channel.setdefault(span.channel, []).append(decode(SpanVoices, stored))
        channels = tuple(
            ChannelTurns(channel=channel, turns=cluster(heard, request.options))
            for channel, heard in sorted(by_channel.items())
        )
        known = self._known.of_job(request.tenant, request.job_id)
        recognised = [
            voice
            for each in (channels if known else ())
            for voice in recognise(each.channel, speaker_vectors(by_channel[each.channel], each.turns), known)
        ]
        return Diarization(channels=channels, recognised=tuple(recognised), n_known=len(known))


def voices_key(tenant: str, job_id: str, span: Span) -> str:
    """Return where the voices of a span are stored."""
    return JobKeys(tenant=tenant, job_id=job_id).voices(span.index, span.pcm.sha256)


def _decoding_here() -> "Decoder":
    from pipelines.audio.sandbox import DecodingHere  # with FFmpeg, which telling voices apart does without

    return DecodingHere
