"""Whisper networks of random weights, as CTranslate2 saves them, and how far what encoders give lies apart."""

from copy import deepcopy
from pathlib import Path

import ctranslate2
import numpy as np
import torch
from ctranslate2.converters.transformers import WhisperLoader
from transformers import WhisperConfig, WhisperForConditionalGeneration

from pipelines.models.catalogue import BUNDLED_DIR

MINI_EN = BUNDLED_DIR / "mini-en"
_N_TOKENS = 100


def random_network(seed: int = 1) -> WhisperForConditionalGeneration:
    """Return a Whisper of random weights, its biases among them: width, depth and heads are not the bundled model's."""
    torch.manual_seed(seed)
    config = WhisperConfig(
        vocab_size=_N_TOKENS,
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
    network: WhisperForConditionalGeneration = WhisperForConditionalGeneration(config).train(False)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.1)
    return network


def save(network: WhisperForConditionalGeneration, folder: Path, quantization: str | None) -> Path:
    """Save a network of `random_network` as CTranslate2 does; returns the new ``folder``."""
    folder.mkdir()
    with torch.no_grad():
        spec = WhisperLoader().get_model_spec(deepcopy(network))  # quantising writes into it
    spec.register_vocabulary([f"<{i}>" for i in range(_N_TOKENS)])
    spec.config.suppress_ids = spec.config.suppress_ids_begin = spec.config.lang_ids = []
    spec.config.alignment_heads = [[0, 0]]
    spec.validate()
    spec.optimize(quantization=quantization)
    spec.save(str(folder))
    return folder


def ctranslate2_encodes(features: torch.Tensor, compute_type: str, model: Path = MINI_EN) -> torch.Tensor:
    """Return what CTranslate2 makes of features ``[rows, n_mels, n_frames]``."""
    whisper = ctranslate2.models.Whisper(str(model), device="cpu", compute_type=compute_type)
    return torch.from_numpy(np.array(whisper.encode(ctranslate2.StorageView.from_array(features.numpy()))))


def apart(some: torch.Tensor, exact: torch.Tensor) -> float:
    """Return the mean difference, as a share of the mean size of the ``exact`` values."""
    return float((some.float() - exact).abs().mean() / exact.abs().mean())
