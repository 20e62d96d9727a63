"""Checkpoints of a training run: everything that a killed run needs to go on, and the small file for the repository."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mini_model.model import MiniWhisper, Size
from mini_model.tokenizer import Vocabulary

_TIED = "whisper.proj_out.weight"
_EMBEDDING = "whisper.model.decoder.embed_tokens.weight"


def save(state: dict[str, Any], path: Path) -> None:
    """Write ``state`` so that a kill leaves either the old file or the new one."""
    fresh = path.with_suffix(".new")
    torch.save(state, fresh)
    os.replace(fresh, path)


def load(path: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def save_weights(averaged: dict[str, Tensor], size: Size, path: Path) -> None:
    """Save only the averaged weights, as float16 and without the tied output: the file that is committed."""
    half = {name: tensor.half() for name, tensor in averaged.items() if name != _TIED}
    save({"size": asdict(size), "weights": half}, path)


def model_from(path: Path, vocabulary: Vocabulary) -> MiniWhisper:
    """Load the model of either kind of file, with averaged weights."""
    state = load(path)
    model = MiniWhisper(vocabulary, Size(**state["size"]))
    model.load_state_dict(weights_of(state))
    return model.eval()


def weights_of(state: dict[str, Any]) -> dict[str, Tensor]:
    """Return the averaged weights of either kind of file as float32."""
    weights = {name: tensor.float() for name, tensor in (state.get("averaged") or state["weights"]).items()}
    weights.setdefault(_TIED, weights[_EMBEDDING])
    return weights


def grown(weights: dict[str, Tensor], old: Vocabulary, new: Vocabulary) -> dict[str, Tensor]:
    """Convert the weights of a model with the vocabulary ``old`` to one with ``new``.

    Tokens that both have keep their embedding; others get the mean one, and a little noise.
    """
    embedding = weights[_EMBEDDING]
    dice = torch.Generator().manual_seed(0)
    fresh = embedding.mean(0) + 0.02 * torch.randn(len(new), embedding.shape[1], generator=dice)
    known = {token: row for row, token in enumerate(old.pieces)}
    for row, token in enumerate(new.pieces):
        if token in known:
            fresh[row] = embedding[known[token]]
    return weights | {_EMBEDDING: fresh, _TIED: fresh}
