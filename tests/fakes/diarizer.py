"""`CodedDiarizer`: hears the numbers of `tests.fakes.engine.coded_pcm`, and gives every few of them another speaker."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from deployments.ports import DiarizationRequest, VoicesRequest
from pipelines.codec import decode
from pipelines.core import SAMPLE_RATE
from pipelines.speakers.references import References
from pipelines.speakers.voices import ChannelTurns, Diarization, RecognisedVoice, SpeakerTurn
from pipelines.storage.layout import JobKeys
from pipelines.storage.protocol import BlobStore
from tests.fakes.engine import PAUSE_S, WORD_S

NUMBERS_OF_A_TURN = 4
N_SPEAKERS = 2
_WORD, _STEP = round(WORD_S * SAMPLE_RATE), round((WORD_S + PAUSE_S) * SAMPLE_RATE)


def speaker_of(number: int) -> int:
    """Return who says a number: they take turns."""
    return (number - 1) // NUMBERS_OF_A_TURN % N_SPEAKERS


def in_turns(numbers: Sequence[int]) -> list[tuple[str, list[int]]]:
    """Return who says which numbers, by name, in order."""
    return [(f"Speaker {who + 1}", list(own)) for who, own in groupby(numbers, key=speaker_of)]


class CodedDiarizer:
    """A `deployments.ports.DiarizerPort`. ``heard`` counts, by job and span, what was not stored before.

    ``known`` are recognised, or the references of a request, in the order of speaking. ``fail`` is raised for every
    span, ``fail_last`` when voices are to be told apart. While ``gate`` is not set, calls wait.
    """

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self.heard: Counter[tuple[str, int]] = Counter()
        self.n_calls = 0
        self.known: tuple[RecognisedVoice, ...] = ()
        self.fail: Exception | None = None
        self.fail_last: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def hear(self, request: VoicesRequest) -> float:
        self.n_calls += 1
        await self.gate.wait()
        if self.fail:
            raise self.fail
        key = JobKeys(tenant=request.tenant, job_id=request.job_id).voices(request.span.index, request.span.pcm.sha256)
        if self._store.exists(key):
            return 0.0
        self._store.put(key, self._store.get(request.span.pcm.key))
        self.heard[request.job_id, request.span.index] += 1
        return 0.5

    async def tell_apart(self, request: DiarizationRequest) -> Diarization:
        if self.fail_last:
            raise self.fail_last
        keys = JobKeys(tenant=request.tenant, job_id=request.job_id)
        channels: dict[int, list[SpeakerTurn]] = {}
        for span in request.spans:
            pcm = np.frombuffer(self._store.get(keys.voices(span.index, span.pcm.sha256)), "<i2")
            for at in range(0, len(pcm), _STEP):
                turn = SpeakerTurn(
                    speaker=speaker_of(int(pcm[at])),
                    start_s=(span.start + at) / SAMPLE_RATE,
                    end_s=(span.start + at + _WORD) / SAMPLE_RATE,
                )
                channels.setdefault(span.channel, []).append(turn)
        if self._store.exists(keys.known_voices):
            references = decode(References, self._store.get(keys.known_voices)).voices
            self.known = tuple(
                RecognisedVoice(channel=channel, speaker=n, name=each.name, similarity=0.8)
                for channel in channels
                for n, each in enumerate(references)
            )
        return Diarization(
            channels=tuple(ChannelTurns(channel=channel, turns=tuple(turns)) for channel, turns in channels.items()),
            recognised=self.known,
            n_known=len(self.known),
        )
