"""The encoder on torch: it reads CTranslate2's weights, hears what that hears, and is taken where it is faster."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from itertools import chain, repeat
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
import torch
from ctranslate2.converters.transformers import WhisperLoader
from transformers import WhisperConfig, WhisperForConditionalGeneration

from pipelines.errors import ConfigurationError, ModelUnavailable
from pipelines.models.catalogue import BUNDLED_DIR
from pipelines.models.profile import ModelProfile
from pipelines.whisper.ct2_model import EngineOptions, WhisperModel
from pipelines.whisper.ct2_weights import VERSION, read_weights
from pipelines.whisper.encoder import WORTH_A_TRIAL, Encoder
from pipelines.whisper.encoder_selection import Encode, compare, trial_features
from pipelines.whisper.engine import WhisperEngine
from pipelines.whisper.log_mel import LogMel
from pipelines.whisper.options import DecodeOptions, DecodeRequest
from pipelines.whisper.torch_encoder import TorchEncoder
from tests.contracts.engine import EngineContract, Pcm
from tests.support.recordings import samples_of, word_error_rate

MINI_EN = BUNDLED_DIR / "mini-en"
CPU = torch.device("cpu")
LENGTHS = (200, 1050, 3000)


@pytest.fixture(scope="module")
def meeting() -> Pcm:
    return samples_of("meeting-3min.flac")


@pytest.fixture(scope="module")
def speech(meeting: Pcm) -> list[Pcm]:
    """Two rows of the length the model likes, and a full window."""
    return [meeting[:160_000], meeting[160_000:272_000], meeting[480_000:960_000]]


@pytest.fixture(scope="module")
def engine() -> WhisperEngine:
    return WhisperEngine.load(MINI_EN, EngineOptions(encoder="torch"))


class TestWhisperEngineOnTorch(EngineContract):
    """`WhisperEngine` with torch's encoder under the contract of all engines."""


def ctranslate2_encodes(features: torch.Tensor, compute_type: str, model: Path = MINI_EN) -> torch.Tensor:
    whisper = ctranslate2.models.Whisper(str(model), device="cpu", compute_type=compute_type)
    return torch.from_numpy(np.array(whisper.encode(ctranslate2.StorageView.from_array(features.numpy()))))


def apart(some: torch.Tensor, exact: torch.Tensor) -> float:
    return float((some.float() - exact).abs().mean() / exact.abs().mean())


# Weights


@pytest.fixture(scope="module")
def network() -> WhisperForConditionalGeneration:
    """A Whisper of random weights, its biases among them."""
    torch.manual_seed(1)
    config = WhisperConfig(
        vocab_size=100,
        d_model=64,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=1,
    )
    network = WhisperForConditionalGeneration(config).eval()
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.1)
    return network


def save(network: WhisperForConditionalGeneration, folder: Path, quantization: str | None) -> Path:
    folder.mkdir()
    with torch.no_grad():
        spec = WhisperLoader().get_model_spec(deepcopy(network))  # quantising writes into it
    spec.register_vocabulary([f"<{i}>" for i in range(100)])
    spec.config.suppress_ids = spec.config.suppress_ids_begin = spec.config.lang_ids = []
    spec.config.alignment_heads = [[0, 0]]
    spec.validate()
    spec.optimize(quantization=quantization)
    spec.save(str(folder))
    return folder


@pytest.mark.parametrize(
    ("quantization", "within"),
    [(None, 0), ("float16", 1e-3), ("bfloat16", 1e-2), ("int8", 2e-2), ("int16", 0.2), ("int8_float16", 2e-2)],
)
def test_weights_are_read_as_they_were_saved(
    network: WhisperForConditionalGeneration, tmp_path: Path, quantization: str | None, within: float
) -> None:
    """Of every type that CTranslate2 saves, with the rounding of that type."""
    weights = read_weights(save(network, tmp_path / "model", quantization) / "model.bin", "encoder/")
    encoder = network.model.encoder
    assert int(weights["num_heads"]) == 2
    for name, expected in (
        ("conv2/weight", encoder.conv2.weight),
        ("conv1/bias", encoder.conv1.bias),
        ("layer_1/ffn/linear_0/weight", encoder.layers[1].fc1.weight),
        ("layer_0/self_attention/linear_1/weight", encoder.layers[0].self_attn.out_proj.weight),
        ("layer_norm/gamma", encoder.layer_norm.weight),
        ("position_encodings/encodings", encoder.embed_positions.weight),
    ):
        assert weights[name].dtype == torch.float32
        assert weights[name].shape == expected.shape
        assert apart(weights[name], expected.detach()) <= within, name


def test_equal_weights_that_are_saved_once_are_found(tmp_path: Path, network: WhisperForConditionalGeneration) -> None:
    """CTranslate2 saves one of two equal variables, here one of the decoder, and the other's name."""
    network = deepcopy(network)
    with torch.no_grad():
        for layer in (network.model.decoder.layers[0], network.model.encoder.layers[0]):
            layer.fc1.bias.fill_(0.25)
    weights = read_weights(save(network, tmp_path / "model", None) / "model.bin", "encoder/")
    assert torch.all(weights["layer_0/ffn/linear_0/bias"] == 0.25)


@pytest.mark.parametrize("n_bytes", [0, 3, 40, 5_000, 4_000_000])
def test_a_file_that_ends_early_is_refused(tmp_path: Path, n_bytes: int) -> None:
    (tmp_path / "model.bin").write_bytes((MINI_EN / "model.bin").read_bytes()[:n_bytes])
    with pytest.raises(ValueError, match=r"ends early|empty"):
        read_weights(tmp_path / "model.bin", "encoder/")


def test_another_version_is_refused(tmp_path: Path) -> None:
    content = (MINI_EN / "model.bin").read_bytes()
    (tmp_path / "model.bin").write_bytes((VERSION + 1).to_bytes(4, "little") + content[4:])
    with pytest.raises(ValueError, match="has version 7"):
        read_weights(tmp_path / "model.bin", "encoder/")


# What it computes


@pytest.mark.parametrize("n_frames", LENGTHS)
def test_exact_arithmetic_gives_what_ctranslate2_gives(meeting: Pcm, n_frames: int) -> None:
    features = LogMel(80)([meeting[start : start + n_frames * 160] for start in (0, 160_000)], pad_to=n_frames)
    encoded = TorchEncoder.load(MINI_EN, CPU, "float32")(features)
    assert encoded.shape == (2, n_frames // 2, 256)
    assert apart(encoded, ctranslate2_encodes(features, "float32")) < 1e-4


@pytest.mark.parametrize("n_frames", LENGTHS)
def test_eight_bits_round_as_little_as_ctranslate2s(meeting: Pcm, n_frames: int) -> None:
    """CTranslate2's are 0.04 off the exact outcome on a processor with AVX2 only, 0.014 with VNNI."""
    features = LogMel(80)([meeting[: n_frames * 160]], pad_to=n_frames)
    exact = TorchEncoder.load(MINI_EN, CPU, "float32")(features)
    assert 0 < apart(TorchEncoder.load(MINI_EN, CPU, "int8")(features), exact) < 0.04


def test_half_precision_is_near(meeting: Pcm) -> None:
    """What a GPU computes with, here on a CPU."""
    features = LogMel(80)([meeting[:48_000]], pad_to=300)
    half = TorchEncoder.load(MINI_EN, CPU, "float16")(features)
    assert half.dtype == torch.float16
    assert apart(half, TorchEncoder.load(MINI_EN, CPU, "float32")(features)) < 5e-3


def test_another_network_is_heard_alike(tmp_path: Path, network: WhisperForConditionalGeneration) -> None:
    """Other width, depth and heads than the bundled model's."""
    model = save(network, tmp_path / "model", "float16")
    features = torch.randn(1, 80, 400)
    assert (
        apart(TorchEncoder.load(model, CPU, "float32")(features), ctranslate2_encodes(features, "float32", model))
        < 1e-4
    )


def test_threads_share_it(meeting: Pcm) -> None:
    encoder = TorchEncoder.load(MINI_EN, CPU, "int8")
    log_mel = LogMel(80)
    features = [log_mel([meeting[i * 16_000 : (i + 3) * 16_000]], pad_to=400) for i in range(6)]
    alone = [encoder(one) for one in features]
    with ThreadPoolExecutor(3) as pool:
        for expected, found in zip(alone, pool.map(encoder, features), strict=True):
            assert torch.equal(expected, found)


def test_both_encoders_lead_to_the_same_words(engine: WhisperEngine, meeting: Pcm) -> None:
    """Up to ties that the rounding decides."""
    rows = [
        DecodeRequest(pcm=meeting[i * 128_000 : (i + 1) * 128_000], options=DecodeOptions(temperatures=(0.0,)))
        for i in range(8)
    ]
    texts = [
        " ".join(segment.text for result in heard.transcribe(rows) for segment in result.segments)
        for heard in (engine, WhisperEngine.load(MINI_EN, EngineOptions(encoder="ctranslate2")))
    ]
    assert word_error_rate(*texts) < 0.05


# Which is taken


def encodes(output: float) -> Encode:
    return lambda features: features * output


def clock_of(present_s: Sequence[float], challenger_s: Sequence[float]) -> Callable[[], float]:
    """A clock by which the two take such times, run after run."""
    lengths = chain([0.0], *([0.0, a, 0.0, b, 0.0] for a, b in zip(present_s, challenger_s, strict=True)), repeat(0.0))
    now_s = 0.0

    def clock() -> float:
        nonlocal now_s
        now_s += next(lengths)
        return now_s

    return clock


@pytest.mark.parametrize(
    ("present_s", "challenger_s", "output", "wins"),
    [
        ((0.9, 0.2, 0.2, 0.2), (0.9, 0.1, 0.1, 0.1), 1.05, True),
        ((0.9, 0.2, 0.2, 0.2), (0.9, 0.1, 0.1, 0.1), 1.30, False),
        ((0.9, 0.2, 0.2, 0.2), (0.9, 0.19, 0.3, 0.4), 1.0, False),
        ((0.1, 0.2, 0.4, 0.2), (0.1, 0.5, 0.1, 0.6), 1.0, True),
        ((30.0,), (20.0,), 1.0, True),
        ((0.5, 0.8), (0.5, 0.5), 1.0, True),
    ],
    ids=["faster", "faster but another", "hardly faster", "faster once", "both slow", "time is over"],
)
def test_the_challenger_must_be_clearly_faster_and_the_same(
    present_s: Sequence[float], challenger_s: Sequence[float], output: float, wins: bool
) -> None:
    found = compare(encodes(1), encodes(output), torch.ones(1, 2, 4), clock_of(present_s, challenger_s))
    assert found.challenger_wins == wins


def trial(model: WhisperModel, n_frames: int = WORTH_A_TRIAL) -> torch.Tensor:
    return trial_features(LogMel(model.n_mels), n_frames, 1)


@pytest.mark.parametrize(("slow", "chosen"), [("by_ctranslate2", "torch"), ("by_torch", "ctranslate2")])
def test_a_replica_takes_the_faster_one(monkeypatch: pytest.MonkeyPatch, slow: str, chosen: str) -> None:
    usual = getattr(Encoder, slow)

    def slowed(self: Encoder, *given: object) -> torch.Tensor:
        until_s = time.process_time() + 2  # several times what either takes
        while time.process_time() < until_s:
            pass
        output: torch.Tensor = usual(self, *given)
        return output

    monkeypatch.setattr(Encoder, slow, slowed)
    model = WhisperModel(MINI_EN, EngineOptions())
    assert model.encoder.name == "ctranslate2"
    model.encoder.choose(trial(model))
    assert model.encoder.name == chosen


def test_an_engine_chooses_when_it_warms_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """With windows as long as its model likes them."""
    tried: list[tuple[int, ...]] = []
    monkeypatch.setattr(Encoder, "choose", lambda _, features: tried.append(tuple(features.shape)))
    WhisperEngine.load(MINI_EN, profile=ModelProfile(languages=("en",), window_s=28)).warm_up()
    WhisperEngine.load(MINI_EN, profile=ModelProfile(languages=("en",), window_s=5, short_windows=True)).warm_up()
    assert tried == [(1, 80, 3000), (1, 80, 560)]


def test_short_windows_are_not_tried_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine makes CTranslate2 seem, two replicas decode alike."""
    monkeypatch.setattr(Encoder, "by_ctranslate2", None)
    model = WhisperModel(MINI_EN, EngineOptions())
    model.encoder.choose(trial(model, WORTH_A_TRIAL - 2))
    assert model.encoder.name == "ctranslate2"


def test_what_is_set_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Encoder, "by_ctranslate2", None)
    model = WhisperModel(MINI_EN, EngineOptions(encoder="ctranslate2"))
    model.encoder.choose(trial(model))
    assert model.encoder.name == "ctranslate2"
    assert WhisperModel(MINI_EN, EngineOptions(encoder="torch")).encoder.name == "torch"


@pytest.mark.parametrize("error", [KeyError("conv1/weight"), AttributeError("linear_prepack"), RuntimeError("memory")])
def test_where_torch_cannot_ctranslate2_goes_on(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """A model of another shape, a torch without 8-bit matrices, no memory: asked for by name it is an error."""

    def fail(*_: object) -> TorchEncoder:
        raise error

    monkeypatch.setattr(TorchEncoder, "load", fail)
    model = WhisperModel(MINI_EN, EngineOptions())
    model.encoder.choose(trial(model))
    assert model.encoder.name == "ctranslate2"
    assert len(model.encode(trial(model))) == 1
    with pytest.raises(ModelUnavailable, match="torch cannot compute the encoder"):
        WhisperModel(MINI_EN, EngineOptions(encoder="torch"))


def test_an_unknown_encoder_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        EngineOptions(encoder="onnx")  # type: ignore[arg-type]
