"""The encoder of a loaded model: any runtime that can compute it takes over, and one that cannot changes nothing."""

from typing import Any

import openvino
import pytest
import torch

from pipelines.errors import ModelUnavailable
from pipelines.models.devices import EncoderName
from pipelines.whisper.ct2_model import EngineOptions, WhisperModel
from pipelines.whisper.encoding.encoder import EncoderChoice
from pipelines.whisper.encoding.openvino_encoder import OpenVinoEncoder
from pipelines.whisper.encoding.torch_encoder import TorchEncoder
from pipelines.whisper.log_mel import LogMel
from tests.support.recordings import samples_of
from tests.support.whisper_networks import MINI_EN, apart, ctranslate2_encodes

CT2 = EngineOptions(encoder="ctranslate2", inter_threads=2, intra_threads=1)
HAS_BF16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
OPENVINO: tuple[EncoderName, ...] = ("openvino", "openvino-int8") if HAS_BF16 else ("openvino-int8",)
NAMES: tuple[EncoderName, ...] = ("torch", *OPENVINO, "ctranslate2")


@pytest.fixture
def model() -> WhisperModel:
    return WhisperModel(MINI_EN, CT2)


@pytest.fixture(scope="module")
def features() -> torch.Tensor:
    return LogMel(80)([samples_of("meeting-3min.flac")[:48_000]], pad_to=400)


@pytest.fixture(scope="module")
def exact(features: torch.Tensor) -> torch.Tensor:
    return ctranslate2_encodes(features, "float32")


def test_it_begins_with_ctranslate2(model: WhisperModel, features: torch.Tensor) -> None:
    """Until something else is asked for, with what CTranslate2 gives in its number format."""
    assert model.encoder.name == "ctranslate2"
    assert torch.equal(model.encoder(features), ctranslate2_encodes(features, model.compute_type))


@pytest.mark.parametrize("name", NAMES)
def test_each_takes_over(model: WhisperModel, features: torch.Tensor, exact: torch.Tensor, name: EncoderName) -> None:
    """Each computes the same encoder, up to its rounding, and its name is told."""
    model.encoder.use("torch" if name == "ctranslate2" else "ctranslate2")
    before = model.encoder(features)
    model.encoder.use(name)
    assert model.encoder.name == name
    encoded = model.encoder(features)
    assert not torch.equal(encoded, before)
    assert encoded.shape == exact.shape
    assert apart(encoded, exact) < 0.04


def test_what_is_in_use_is_not_loaded_again(model: WhisperModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that is told its encoder twice computes on with the first."""
    model.encoder.use("torch")
    monkeypatch.setattr(TorchEncoder, "load", None)
    model.encoder.use("torch")
    assert model.encoder.name == "torch"


@pytest.mark.parametrize(
    "error",
    [
        KeyError("conv1/weight"),
        AttributeError("linear_prepack"),
        RuntimeError("out of memory"),
        ImportError("no openvino"),
        ValueError("the file ends early"),
        OSError("no such file"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("name", ["torch", "openvino", "openvino-int8"])
def test_where_it_cannot_the_former_goes_on(
    model: WhisperModel, features: torch.Tensor, monkeypatch: pytest.MonkeyPatch, name: EncoderName, error: Exception
) -> None:
    """A model of another shape, a runtime that is not there, no memory: asked for by name it is an error."""

    def fail(*_: object, **__: object) -> Any:
        raise error

    before = model.encoder(features)
    for runtime in (TorchEncoder, OpenVinoEncoder):
        monkeypatch.setattr(runtime, "load", fail)
    with pytest.raises(ModelUnavailable, match=f"{name} cannot compute the encoder"):
        model.encoder.use(name)
    assert model.encoder.name == "ctranslate2"
    assert torch.equal(model.encoder(features), before)
    with pytest.raises(ModelUnavailable, match=f"{name} cannot compute the encoder"):
        WhisperModel(MINI_EN, EngineOptions(encoder=name))


def test_a_device_that_is_lost_while_it_loads_is_not_taken_for_a_missing_runtime(
    model: WhisperModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another encoder would not help: the process must be replaced, and is by CUDA's own error."""

    def fail(*_: object, **__: object) -> Any:
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(TorchEncoder, "load", fail)
    with pytest.raises(RuntimeError, match="device-side assert"):
        model.encoder.use("torch")


def test_openvino_has_as_many_streams_as_the_model_workers(
    model: WhisperModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each worker's rows are encoded while others are, with the worker's threads."""
    asked: list[dict[str, int]] = []
    monkeypatch.setattr(OpenVinoEncoder, "load", lambda *_, **given: asked.append(given))
    model.encoder.use("openvino-int8")
    assert asked == [{"n_streams": 2, "n_threads": 1}]


@pytest.mark.parametrize(
    ("choice", "label"),
    [
        (EncoderChoice(), "ctranslate2"),
        (EncoderChoice(encoder="openvino"), "openvino"),
        (EncoderChoice(encoder="openvino-int8", pooling=2), "openvino-int8, mean of 2 steps"),
    ],
)
def test_a_choice_is_told_to_people(choice: EncoderChoice, label: str) -> None:
    """The runtime, and the pooling where there is any."""
    assert choice.label == label
