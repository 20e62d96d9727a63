"""The engine without weights keeps the contract, and reads back what was coded."""

import numpy as np
import pytest

from pipelines.whisper.options import DecodeOptions, DecodeRequest
from tests.contracts.engine import EngineContract, Pcm
from tests.fakes.engine import FakeEngine, coded_pcm


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(languages=("en", "de"))


class TestFakeEngine(EngineContract):
    """`FakeEngine` under the contract of all engines."""

    @pytest.fixture
    def speech(self) -> list[Pcm]:
        return [coded_pcm([1, 2, 3]), coded_pcm([40, 5]), coded_pcm(range(100, 120))]


def test_coded_numbers_are_read_back_with_their_times(engine: FakeEngine) -> None:
    """Every number is heard once, where it sounds."""
    (result,) = engine.transcribe(
        [DecodeRequest(pcm=coded_pcm([7, 7, 9]), options=DecodeOptions(word_timestamps=True))]
    )
    assert result.segments[0].text == " w7 w7 w9"
    assert [(word.start_s, word.end_s) for word in result.segments[0].words] == [(0.0, 0.4), (0.5, 0.9), (1.0, 1.4)]


def test_recorded_sound_has_a_word_per_second(engine: FakeEngine) -> None:
    """Real recordings get stable words too, so that whole pipelines run without weights."""
    noise = np.random.default_rng(2).normal(0, 3000, 40_000).astype(np.int16)
    first, second = engine.transcribe([DecodeRequest(pcm=noise), DecodeRequest(pcm=noise)])
    assert len(first.segments[0].text.split()) == 3
    assert first == second


def test_poisoned_row_fails_alone() -> None:
    """A poison number makes its row fail and no other."""
    engine = FakeEngine(poison={13})
    bad, good = engine.transcribe([DecodeRequest(pcm=coded_pcm([12, 13])), DecodeRequest(pcm=coded_pcm([14]))])
    assert "w13" in bad.error
    assert not good.error
    assert engine.batch_sizes == [2]
