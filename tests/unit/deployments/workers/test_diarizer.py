"""The Diarizer over a store, with networks that tell loud from quiet."""

import pytest

from deployments.workers.diarizer import Diarizer
from pipelines.core import SAMPLE_RATE, BlobRef, Span
from pipelines.errors import BlobMissing, ModelUnavailable
from tests.fakes.store import MemoryStore
from tests.fakes.voices import LoudnessModels
from tests.support.voice_spans import KEYS, hearing, stored_span, telling


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


async def test_speakers_have_one_number_over_all_spans(store: MemoryStore) -> None:
    """Spans are heard one by one, in any order; channels are told apart each for itself."""
    diarizer = Diarizer(store=store, load=LoudnessModels)
    spans = [stored_span(store, 0), stored_span(store, 1), stored_span(store, 2, channel=1)]
    for span in reversed(spans):
        assert await diarizer.hear(hearing(span)) > 0
    first, second = (await diarizer.tell_apart(telling(*spans))).channels
    diarizer.close()
    assert (first.channel, second.channel) == (0, 1)
    assert [(turn.speaker, round(turn.start_s)) for turn in first.turns] == [(0, 0), (1, 4), (0, 8), (1, 12)]
    assert [(turn.speaker, round(turn.start_s)) for turn in second.turns] == [(0, 16), (1, 20)]


async def test_a_stored_span_is_not_heard_again(store: MemoryStore) -> None:
    """Not by another Diarizer either, unless its samples are others."""
    first, models = LoudnessModels(), LoudnessModels()
    span = stored_span(store, 0)
    await Diarizer(store=store, load=lambda: first).hear(hearing(span))
    assert first.n_windows > 0
    other = Diarizer(store=store, load=lambda: models)
    assert await other.hear(hearing(span)) == 0.0
    assert models.n_windows == 0
    recut = Span(index=0, channel=0, start=0, end=span.end, pcm=stored_span(store, 1).pcm)
    assert await other.hear(hearing(recut)) > 0
    assert models.n_windows > 0


async def test_what_is_missing_is_said(store: MemoryStore) -> None:
    """Samples, or the voices of a span."""
    diarizer = Diarizer(store=store, load=LoudnessModels)
    gone = Span(index=0, channel=0, start=0, end=SAMPLE_RATE, pcm=BlobRef(key=KEYS.pcm(0, 0), n_bytes=2, sha256="0"))
    with pytest.raises(BlobMissing):
        await diarizer.hear(hearing(gone))
    with pytest.raises(BlobMissing):
        await diarizer.tell_apart(telling(gone))


async def test_networks_are_loaded_once_and_again_after_a_failure(store: MemoryStore) -> None:
    """A fault in loading is told to each caller, and tried again."""
    found: list[LoudnessModels] = []
    n_calls = 0

    def load() -> LoudnessModels:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 1:
            raise ModelUnavailable("cannot read the weights")
        found.append(LoudnessModels())
        return found[-1]

    diarizer = Diarizer(store=store, load=load)
    spans = [stored_span(store, 0), stored_span(store, 1)]
    with pytest.raises(ModelUnavailable):
        await diarizer.hear(hearing(spans[0]))
    for span in spans:
        assert await diarizer.hear(hearing(span)) > 0
    assert len(found) == 1
