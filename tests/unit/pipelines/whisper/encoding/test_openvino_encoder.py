"""The encoder on OpenVINO: near to exact arithmetic with the same weights, in 16 bits and in 8."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import openvino
import pytest
import torch

from pipelines.whisper.ct2_model import EngineOptions
from pipelines.whisper.encoding.ct2_weights import read_weights
from pipelines.whisper.encoding.openvino_encoder import OpenVinoEncoder, Precision
from pipelines.whisper.encoding.torch_encoder import TorchEncoder
from pipelines.whisper.engine import WhisperEngine
from pipelines.whisper.log_mel import LogMel
from pipelines.whisper.options import DecodeOptions, DecodeRequest
from tests.contracts.engine import EngineContract, Pcm
from tests.support.recordings import samples_of, word_error_rate
from tests.support.whisper_networks import MINI_EN, apart, ctranslate2_encodes, random_network, save

CPU = torch.device("cpu")
ROUNDING: dict[Precision, float] = {"bf16": 0.01, "int8": 0.02}
"""What the outcome may be off; CTranslate2's 8 bits are by 0.014 to 0.04, depending on the processor."""
HAS_BF16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
PRECISIONS: Sequence[Precision] = [each for each in get_args(Precision) if each != "bf16" or HAS_BF16]
LENGTHS = (200, 560, 1050, 3000)


@pytest.fixture(scope="module")
def meeting() -> Pcm:
    return samples_of("meeting-3min.flac")


@pytest.fixture(scope="module")
def speech(meeting: Pcm) -> list[Pcm]:
    """Two rows of the length the model likes, and a full window."""
    return [meeting[:160_000], meeting[160_000:272_000], meeting[480_000:960_000]]


@pytest.fixture(scope="module")
def engine() -> WhisperEngine:
    return WhisperEngine.load(MINI_EN, EngineOptions(encoder="openvino-int8"))


class TestWhisperEngineOnOpenVino(EngineContract):
    """`WhisperEngine` with OpenVINO's encoder under the contract of all engines."""


@pytest.fixture(scope="module", params=PRECISIONS)
def precision(request: pytest.FixtureRequest) -> Precision:
    chosen: Precision = request.param
    return chosen


@pytest.fixture(scope="module")
def encoder(precision: Precision) -> OpenVinoEncoder:
    return OpenVinoEncoder.load(MINI_EN, precision, n_streams=2)


@pytest.fixture(scope="module")
def exact() -> TorchEncoder:
    return TorchEncoder.load(MINI_EN, CPU, "float32")


@pytest.mark.parametrize("n_frames", LENGTHS)
def test_it_is_near_to_exact_arithmetic(
    encoder: OpenVinoEncoder, precision: Precision, exact: TorchEncoder, meeting: Pcm, n_frames: int
) -> None:
    """For windows of any length, each row of several by itself: 16 bits round less than 8."""
    starts = (0, 160_000, 320_000)
    features = LogMel(80)([meeting[start : start + n_frames * 160] for start in starts], pad_to=n_frames)
    encoded, expected = encoder(features), exact(features)
    assert encoded.dtype == torch.float32
    assert encoded.shape == expected.shape == (3, n_frames // 2, 256)
    for row, right in zip(encoded, expected, strict=True):
        assert 0 < apart(row, right) < ROUNDING[precision]


def test_lengths_may_change_from_call_to_call(encoder: OpenVinoEncoder, meeting: Pcm) -> None:
    """One network serves windows of every length: what came before leaves no trace."""
    features = {n: LogMel(80)([meeting[: n * 160]], pad_to=n) for n in LENGTHS}
    first = {n: encoder(features[n]) for n in LENGTHS}
    for n in reversed(LENGTHS):
        torch.testing.assert_close(encoder(features[n]), first[n])


def test_another_network_is_computed_alike(tmp_path: Path, precision: Precision) -> None:
    """Other width, depth and heads than the bundled model's, and other outputs from an encoder's output."""
    model = save(random_network(), tmp_path / "model", "float16")
    features = torch.randn(2, 80, 400, generator=torch.Generator().manual_seed(3))
    encoded = OpenVinoEncoder.load(model, precision)(features)
    assert encoded.shape == (2, 200, 64)
    assert apart(encoded, ctranslate2_encodes(features, "float32", model)) < ROUNDING[precision]


def test_quiet_states_are_normed_alike(meeting: Pcm, precision: Precision) -> None:
    """Where values are nearly equal the norm's small constant decides how much they are widened."""
    weights = read_weights(MINI_EN / "model.bin", "encoder/")
    for name in ("conv2/weight", "conv2/bias", "position_encodings/encodings"):
        weights[name] = 3e-3 * weights[name]
    features = LogMel(80)([meeting[:64_000]], pad_to=400)
    encoded = OpenVinoEncoder(weights, precision)(features)
    assert apart(encoded, TorchEncoder(weights, CPU, "float32")(features)) < 2 * ROUNDING[precision]


def test_what_it_gives_stays(encoder: OpenVinoEncoder, meeting: Pcm) -> None:
    """The next call does not write into the memory of an output that was given out."""
    one, other = (LogMel(80)([meeting[start : start + 32_000]], pad_to=200) for start in (0, 160_000))
    given = encoder(one)
    copy = given.clone()
    encoder(other)
    assert torch.equal(given, copy)


def test_threads_share_it(encoder: OpenVinoEncoder, meeting: Pcm) -> None:
    """Three threads get what one gets, also where fewer are computed for at once."""
    features = [LogMel(80)([meeting[i * 16_000 : (i + 3) * 16_000]], pad_to=400) for i in range(6)]
    alone = [encoder(one) for one in features]
    with ThreadPoolExecutor(3) as pool:
        for expected, found in zip(alone, pool.map(encoder, features), strict=True):
            torch.testing.assert_close(found, expected)


def test_a_processor_without_bfloat16_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """There OpenVINO would compute in float32, which is slow; 8 bits it has everywhere."""
    monkeypatch.setattr(openvino.Core, "get_property", lambda *_: ["FP32", "INT8"])
    weights = read_weights(MINI_EN / "model.bin", "encoder/")
    with pytest.raises(RuntimeError, match="no bfloat16"):
        OpenVinoEncoder(weights, "bf16")
    assert OpenVinoEncoder(weights, "int8")(torch.zeros(1, 80, 200)).shape == (1, 100, 256)


@pytest.mark.parametrize("missing", ["num_heads", "conv2/bias", "layer_1/ffn/linear_1/bias", "layer_norm/beta"])
def test_weights_of_no_encoder_are_refused(missing: str) -> None:
    """What is not there is named."""
    weights = read_weights(MINI_EN / "model.bin", "encoder/")
    del weights[missing]
    with pytest.raises(KeyError, match=missing):
        OpenVinoEncoder(weights, "int8")


def test_weights_that_do_not_fit_are_refused() -> None:
    """A matrix of another width makes no network."""
    weights = read_weights(MINI_EN / "model.bin", "encoder/")
    weights["layer_0/ffn/linear_0/weight"] = weights["layer_0/ffn/linear_0/weight"][:, :5].contiguous()
    with pytest.raises(RuntimeError):
        OpenVinoEncoder(weights, "int8")


def test_it_leads_to_the_words_of_ctranslate2(meeting: Pcm, precision: Precision) -> None:
    """Up to ties that the rounding decides."""
    rows = [
        DecodeRequest(pcm=meeting[i * 128_000 : (i + 1) * 128_000], options=DecodeOptions(temperatures=(0.0,)))
        for i in range(8)
    ]
    texts = [
        " ".join(segment.text for result in heard.transcribe(rows) for segment in result.segments)
        for heard in (
            WhisperEngine.load(MINI_EN, EngineOptions(encoder="ctranslate2")),
            WhisperEngine.load(MINI_EN, EngineOptions(encoder="openvino" if precision == "bf16" else "openvino-int8")),
        )
    ]
    assert word_error_rate(*texts) < 0.05
