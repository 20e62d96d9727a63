"""The encoder on torch: it computes what CTranslate2's does, from the same weights."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from pipelines.whisper.ct2_model import EngineOptions
from pipelines.whisper.encoding.torch_encoder import TorchEncoder
from pipelines.whisper.engine import WhisperEngine
from pipelines.whisper.log_mel import LogMel
from pipelines.whisper.options import DecodeOptions, DecodeRequest
from tests.contracts.engine import EngineContract, Pcm
from tests.support.recordings import samples_of, word_error_rate
from tests.support.whisper_networks import MINI_EN, apart, ctranslate2_encodes, random_network, save

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


@pytest.mark.parametrize("n_frames", LENGTHS)
def test_exact_arithmetic_gives_what_ctranslate2_gives(meeting: Pcm, n_frames: int) -> None:
    """In float32 the two differ by rounding alone, for windows of any length and several rows."""
    features = LogMel(80)([meeting[start : start + n_frames * 160] for start in (0, 160_000)], pad_to=n_frames)
    encoded = TorchEncoder.load(MINI_EN, CPU, "float32")(features)
    assert encoded.shape == (2, n_frames // 2, 256)
    assert apart(encoded, ctranslate2_encodes(features, "float32")) < 1e-4


def test_half_precision_is_near(meeting: Pcm) -> None:
    """What a GPU computes with, here on a CPU."""
    features = LogMel(80)([meeting[:48_000]], pad_to=300)
    half = TorchEncoder.load(MINI_EN, CPU, "float16")(features)
    assert half.dtype == torch.float16
    assert apart(half, TorchEncoder.load(MINI_EN, CPU, "float32")(features)) < 5e-3


@pytest.mark.parametrize(("compute_type", "dtype"), [("int8", torch.float32), ("int8_float16", torch.float16)])
def test_eight_bits_are_the_decoders_alone(meeting: Pcm, compute_type: str, dtype: torch.dtype) -> None:
    """Where the rest of the model has 8 bits, this encoder has the floating point that goes with them."""
    features = LogMel(80)([meeting[:32_000]], pad_to=200)
    encoded = TorchEncoder.load(MINI_EN, CPU, compute_type)(features)
    assert encoded.dtype == dtype
    assert apart(encoded, ctranslate2_encodes(features, "float32")) < 5e-3


def test_another_network_is_heard_alike(tmp_path: Path) -> None:
    """Other width, depth and heads than the bundled model's."""
    model = save(random_network(), tmp_path / "model", "float16")
    features = torch.randn(1, 80, 400)
    encoded = TorchEncoder.load(model, CPU, "float32")(features)
    assert apart(encoded, ctranslate2_encodes(features, "float32", model)) < 1e-4


def test_threads_share_it(meeting: Pcm) -> None:
    """Three threads get what one gets."""
    encoder = TorchEncoder.load(MINI_EN, CPU, "float32")
    log_mel = LogMel(80)
    features = [log_mel([meeting[i * 16_000 : (i + 3) * 16_000]], pad_to=400) for i in range(6)]
    alone = [encoder(one) for one in features]
    with ThreadPoolExecutor(3) as pool:
        for expected, found in zip(alone, pool.map(encoder, features), strict=True):
            torch.testing.assert_close(found, expected)


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
