"""Weights out of CTranslate2's file: of every type it saves, and no others."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from transformers import WhisperForConditionalGeneration

from pipelines.whisper.encoding.ct2_weights import VERSION, read_weights
from tests.support.whisper_networks import MINI_EN, apart, random_network, save


@pytest.fixture(scope="module")
def network() -> WhisperForConditionalGeneration:
    return random_network()


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
    """A download that broke off is named, whatever part of it is there."""
    (tmp_path / "model.bin").write_bytes((MINI_EN / "model.bin").read_bytes()[:n_bytes])
    with pytest.raises(ValueError, match=r"ends early|empty"):
        read_weights(tmp_path / "model.bin", "encoder/")


def test_another_version_is_refused(tmp_path: Path) -> None:
    """A later format is not read as if it were this one."""
    content = (MINI_EN / "model.bin").read_bytes()
    (tmp_path / "model.bin").write_bytes((VERSION + 1).to_bytes(4, "little") + content[4:])
    with pytest.raises(ValueError, match="has version 7"):
        read_weights(tmp_path / "model.bin", "encoder/")
