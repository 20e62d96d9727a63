"""The loaded model: which encoder it is told to use, pooled output, and times of words that are aligned with it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pipelines.errors import ConfigurationError, ModelUnavailable
from pipelines.whisper.ct2_model import MAX_POOLING, EngineOptions, Isolator, RowFailure, WhisperModel, pooled
from pipelines.whisper.encoding.encoder import EncoderChoice
from pipelines.whisper.engine import WhisperEngine
from pipelines.whisper.log_mel import LogMel
from pipelines.whisper.options import Attempt
from pipelines.whisper.tokenizer import Vocabulary
from tests.contracts.engine import Pcm
from tests.support.recordings import samples_of, truth
from tests.support.whisper_networks import MINI_EN


@given(
    n_rows=st.integers(1, 3), n_steps=st.integers(0, 40), width=st.integers(1, 5), pooling=st.integers(1, MAX_POOLING)
)
def test_pooled_steps_are_means_of_neighbours(n_rows: int, n_steps: int, width: int, pooling: int) -> None:
    """Each step is the mean of as many, as long as they are on average; those left over at the end are dropped."""
    encoded = torch.randn(n_rows, n_steps, width, generator=torch.Generator().manual_seed(n_steps))
    output = pooled(encoded, pooling)
    assert output.shape == (n_rows, n_steps // pooling, width)
    for i in range(n_steps // pooling):
        steps = torch.stack([encoded[:, step] for step in range(i * pooling, (i + 1) * pooling)])
        torch.testing.assert_close(output[:, i].norm(dim=1), steps.norm(dim=2).mean(dim=0), rtol=1e-4, atol=1e-5)
        alike = torch.nn.functional.cosine_similarity(output[:, i], steps.mean(dim=0))
        torch.testing.assert_close(alike, torch.ones(n_rows), rtol=1e-4, atol=1e-5)


def test_steps_that_cancel_out_stay_numbers() -> None:
    """A mean without length has no direction to be longer in."""
    encoded = torch.tensor([[[1.0, 2.0], [-1.0, -2.0], [0.0, 0.0], [0.0, 0.0]]])
    assert torch.equal(pooled(encoded, 2), torch.zeros(1, 2, 2))


@pytest.mark.parametrize("pooling", range(1, MAX_POOLING + 1))
def test_a_model_pools_what_its_encoder_gives(pooling: int) -> None:
    """The encodings of rows are the means of those without pooling, and are as many times shorter."""
    features = LogMel(80)([samples_of("meeting-3min.flac")[:48_000]], pad_to=400)
    plain, model = (WhisperModel(MINI_EN, EngineOptions(encoder="ctranslate2", pooling=n)) for n in (1, pooling))
    (whole,), (encoding,) = plain.encode(features), model.encode(features)
    assert not isinstance(whole, RowFailure)
    assert not isinstance(encoding, RowFailure)
    np.testing.assert_allclose(encoding, pooled(torch.as_tensor(whole)[None], pooling)[0], rtol=1e-5, atol=1e-6)


def aligned_starts(model: WhisperModel, pcm: Pcm, text: str) -> list[int]:
    """Return the first tick of each token of a text that is said in a row."""
    vocabulary = Vocabulary.load(MINI_EN)
    (encoding,) = model.encode(LogMel(model.n_mels)([pcm], pad_to=1050))
    assert not isinstance(encoding, RowFailure)
    start = (vocabulary.sot, vocabulary.language_token("en"), vocabulary.transcribe)
    tokens = vocabulary.encode(text)
    (found,) = model.align([encoding], start, [tokens], [len(pcm)])
    assert not isinstance(found, RowFailure)
    ticks = [tick for _, tick in found.path]
    assert all(left <= right for left, right in pairwise(ticks))
    assert ticks[-1] <= len(pcm) / 320 + model.choice.pooling
    assert all(tick % model.choice.pooling == 0 for tick in ticks)
    return [next(tick for token, tick in found.path if token == i) for i in range(len(tokens))]


@pytest.mark.parametrize("pooling", range(2, MAX_POOLING + 1))
def test_alignment_of_pooled_output_counts_in_ticks(pooling: int) -> None:
    """Words are aligned where they are without pooling, within a few steps."""
    said = truth("meeting-3min").segments
    first, last = round(said[0].start_s * 16_000), round(said[2].end_s * 16_000)
    pcm = samples_of("meeting-3min.flac")[first:last]
    text = "".join(f" {segment.text}" for segment in said[:3])
    model = WhisperModel(MINI_EN, EngineOptions(encoder="ctranslate2"))
    plain = aligned_starts(model, pcm, text)
    model.use(EncoderChoice(pooling=pooling))
    moved = [abs(left - right) for left, right in zip(aligned_starts(model, pcm, text), plain, strict=True)]
    assert float(np.median(moved)) <= 2 * pooling


@pytest.mark.parametrize("pooling", [0, 1, MAX_POOLING])
def test_pooling_may_be_set(pooling: int) -> None:
    """0 leaves it to the machine, which begins without."""
    model = WhisperModel(MINI_EN, EngineOptions(encoder="ctranslate2", pooling=pooling))
    assert model.choice == EncoderChoice(encoder="ctranslate2", pooling=pooling or 1)


@pytest.mark.parametrize(
    "options",
    [
        {"inter_threads": 0},
        {"batch_size": 0},
        {"intra_threads": -1},
        {"device_index": -1},
        {"compute_type": "int8_bfloat16"},
        {"pooling": -1},
        {"pooling": MAX_POOLING + 1},
        {"encoder": "onnx"},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    """Options the engine cannot honour are refused before anything is loaded."""
    with pytest.raises(ConfigurationError):
        EngineOptions(**options)


def test_a_choice_may_be_changed() -> None:
    """Encoder and pooling are used, and told with the results, from then on."""
    model = WhisperModel(MINI_EN, EngineOptions())
    assert model.choice == EncoderChoice()
    choice = EncoderChoice(encoder="torch", pooling=2)
    model.use(choice)
    assert model.choice == choice


def test_rows_at_once_follow_what_the_memory_had_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call has the batch's rows until fewer are all that fits; a new size is tried whole."""
    model = WhisperModel(MINI_EN, EngineOptions(batch_size=4))
    assert model.rows_at_once == 4
    monkeypatch.setattr("pipelines.whisper.ct2_model.is_out_of_memory", lambda error: True)
    unfit = [np.zeros((50, 7), np.float32)] * 4
    model.generate(unfit, [[1]] * 4, Attempt(temperature=0.0), 2)
    assert model.rows_at_once == 1
    model.resize(3)
    assert model.rows_at_once == 3


@pytest.mark.parametrize("error", ["CUDA failed with error out of memory", "CUDA failed with error unknown error"])
def test_a_device_that_cannot_hold_the_weights_is_told(monkeypatch: pytest.MonkeyPatch, error: str) -> None:
    """The replica does not start, and says which model, where, and CUDA's words."""

    def fail(*_: object, **__: object) -> Any:
        raise RuntimeError(error)

    monkeypatch.setattr("ctranslate2.models.Whisper", fail)
    with pytest.raises(ModelUnavailable, match=rf"mini-en cannot be loaded on cpu: {error}"):
        WhisperModel(MINI_EN, EngineOptions(device="cpu"))


def test_results_tell_what_encoded() -> None:
    """The model's description names the encoder and the pooling."""
    assert WhisperEngine.load(MINI_EN).info.encoder == "ctranslate2"
    options = EngineOptions(encoder="torch", pooling=2)
    assert WhisperEngine.load(MINI_EN, options).info.encoder == "torch, mean of 2 steps"


def test_what_fails_is_found_by_halving() -> None:
    """Two poison items of seven fail alone; the others are computed."""

    def call(items: Sequence[int]) -> list[int]:
        if {3, 6} & set(items):
            raise RuntimeError("poison")
        return [10 * item for item in items]

    isolator = Isolator(limit=7)
    outcomes = isolator.run(range(7), call)
    assert [isinstance(outcome, RowFailure) for outcome in outcomes] == [i in (3, 6) for i in range(7)]
    assert [outcome for outcome in outcomes if not isinstance(outcome, RowFailure)] == [0, 10, 20, 40, 50]
    assert isolator.limit == 7


def test_short_memory_makes_batches_smaller_for_good() -> None:
    """A device with room for three rows is asked for more once, and then never again."""
    sizes: list[int] = []

    def call(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        if len(items) > 3:
            raise RuntimeError("CUDA failed with error out of memory")
        return list(items)

    isolator = Isolator(limit=16)
    with capture_logs() as logs:
        assert isolator.run(range(16), call) == list(range(16))
    assert isolator.limit == 2
    assert [(entry["rows"], entry["limit"]) for entry in logs] == [(16, 8), (8, 4), (4, 2)]
    sizes.clear()
    assert isolator.run(range(6), call) == list(range(6))
    assert sizes == [2, 2, 2]


def test_a_lost_device_is_not_halved() -> None:
    """One call tells it; asking for every row again would take a second each and blame all of them."""
    sizes: list[int] = []

    def call(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        raise RuntimeError("CUDA error: device-side assert triggered")

    isolator = Isolator(limit=8)
    with pytest.raises(RuntimeError, match="device-side assert"):
        isolator.run(range(16), call)
    assert sizes == [8]
    assert isolator.limit == 8
