"""Turns a checkpoint into the files that faster-whisper and CTranslate2 load: int8 weights, vocabulary, tokenizer."""

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import torch
from ctranslate2.converters.transformers import WhisperLoader

from mini_model.checkpoint import model_from
from mini_model.model import HOP, MAX_WINDOW_S, N_FFT, N_MELS, SAMPLE_RATE
from mini_model.tokenizer import SPECIALS, Vocabulary

FILES = ("config.json", "model.bin", "preprocessor_config.json", "tokenizer.json", "vocabulary.json")
SUMS = "SHA256SUMS"

Head = tuple[int, int]
"""Layer and head of the decoder's attention to the sound."""


def convert(checkpoint: Path, tokenizer: Path, out: Path, heads: Sequence[Head] | None) -> None:
    """Write `FILES` and their sums to ``out``; each file appears whole or not at all.

    ``heads`` are those that follow the words in time (`align.best_heads` finds them); None takes the last layer.
    """
    vocabulary = Vocabulary(tokenizer)
    model = model_from(checkpoint, vocabulary)
    with torch.no_grad():
        spec = WhisperLoader().get_model_spec(model.whisper)
    spec.register_vocabulary(vocabulary.pieces)
    decoder = model.whisper.config
    last_layer = [(decoder.decoder_layers - 1, head) for head in range(decoder.decoder_attention_heads)]
    never_said = set(SPECIALS) - {"<|endoftext|>", "<|notimestamps|>"}
    spec.config.suppress_ids = sorted(vocabulary[token.strip("<|>")] for token in never_said)
    spec.config.suppress_ids_begin = [vocabulary["endoftext"]]
    spec.config.lang_ids = [vocabulary["en"], vocabulary["zh"]]
    spec.config.alignment_heads = [list(head) for head in heads or last_layer]
    spec.validate()
    spec.optimize(quantization="int8")
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        fresh = Path(folder)
        spec.save(str(fresh))
        shutil.copy(tokenizer, fresh / "tokenizer.json")
        (fresh / "preprocessor_config.json").write_text(json.dumps(_preprocessor(), indent=2) + "\n")
        out.mkdir(exist_ok=True)
        (fresh / SUMS).write_text("".join(f"{digest(fresh / name)}  {name}\n" for name in FILES))
        for name in (*FILES, SUMS):
            (fresh / name).chmod(0o644)
            os.replace(fresh / name, out / name)


def set_alignment_heads(model: Path, heads: Sequence[Head]) -> None:
    """Change only the heads of a converted model."""
    path = model / "config.json"
    config = json.loads(path.read_text())
    config["alignment_heads"] = [list(head) for head in heads]
    path.write_text(json.dumps(config, indent=2) + "\n")
    (model / SUMS).write_text("".join(f"{digest(model / name)}  {name}\n" for name in FILES))


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _preprocessor() -> dict[str, object]:
    return {
        "chunk_length": MAX_WINDOW_S,
        "feature_extractor_type": "WhisperFeatureExtractor",
        "feature_size": N_MELS,
        "hop_length": HOP,
        "n_fft": N_FFT,
        "n_samples": MAX_WINDOW_S * SAMPLE_RATE,
        "nb_max_frames": MAX_WINDOW_S * SAMPLE_RATE // HOP,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": False,
        "sampling_rate": SAMPLE_RATE,
    }
