"""The two networks, over weights whose batch normalisations are folded into convolutions (scripts/make-speaker-models).

Sources: Bredin, pyannote.audio 2.1 speaker diarization pipeline, Interspeech 2023 (PyanNet); Wang et al., CAM++: A Fast
and Efficient Network for Speaker Verification Using Context-Aware Masking, Interspeech 2023.
"""

from collections.abc import Mapping

import torch
from torch.nn import functional

Weights = Mapping[str, torch.Tensor]

SINC_STRIDE = 10
LSTM_SIZE = 128
LSTM_LAYERS = 4

BLOCKS = ((12, 1), (24, 2), (16, 2))
"""Layers and dilation of each densely connected block of CAM++."""
RESIDUALS = (("layer1.0", 2), ("layer1.1", 1), ("layer2.0", 2), ("layer2.1", 1))
"""Residual blocks of its head and their stride in frequency."""


class SegmentationNetwork(torch.nn.Module):
    """Maps sound ``[n, 1, WINDOW_SAMPLES]`` in ±1 to log probabilities of sets ``[n, WINDOW_FRAMES, len(SETS)]``."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self._weights = weights
        self._lstm = torch.nn.LSTM(
            weights["conv2.weight"].shape[0], LSTM_SIZE, LSTM_LAYERS, bidirectional=True, batch_first=True
        )
        prefix = "lstm."
        self._lstm.load_state_dict({name[len(prefix) :]: weights[name] for name in weights if name.startswith(prefix)})

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        hidden = self._normed(sound, "norm_sound")
        hidden = functional.conv1d(hidden, self._weights["sinc.weight"], stride=SINC_STRIDE).abs()
        hidden = functional.leaky_relu(self._normed(functional.max_pool1d(hidden, 3), "norm0"))
        for layer in (1, 2):
            hidden = functional.conv1d(hidden, self._weights[f"conv{layer}.weight"], self._weights[f"conv{layer}.bias"])
            hidden = functional.leaky_relu(self._normed(functional.max_pool1d(hidden, 3), f"norm{layer}"))
        hidden, _ = self._lstm(hidden.transpose(1, 2))
        for name in ("linear.0", "linear.1"):
            hidden = functional.leaky_relu(self._linear(hidden, name))
        return torch.log_softmax(self._linear(hidden, "classifier"), dim=-1)

    def _normed(self, hidden: torch.Tensor, name: str) -> torch.Tensor:
        return functional.instance_norm(
            hidden, weight=self._weights[f"{name}.weight"], bias=self._weights[f"{name}.bias"]
        )

    def _linear(self, hidden: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(hidden, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])


class EmbeddingNetwork(torch.nn.Module):
    """Maps features ``[n, CONTEXT_FRAMES, N_MELS]`` of zero mean in time to voice embeddings ``[n, 192]``."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self._weights = weights

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        hidden = functional.relu(self._conv2d(features.transpose(1, 2).unsqueeze(1), "head.conv1"))
        for name, stride in RESIDUALS:
            hidden = self._residual(hidden, f"head.{name}", stride)
        hidden = functional.relu(self._conv2d(hidden, "head.conv2", stride=2))
        hidden = functional.relu(self._conv1d(hidden.flatten(1, 2), "tdnn", padding=2, stride=2))
        for block, (n_layers, dilation) in enumerate(BLOCKS):
            for layer in range(n_layers):
                masked = self._masked(hidden, f"block{block}.{layer}", dilation)
                hidden = torch.cat([hidden, masked], dim=1)
            hidden = self._conv1d(self._scaled(hidden, f"transit{block}"), f"transit{block}")
        hidden = self._scaled(hidden, "out")
        pooled = torch.cat([hidden.mean(dim=-1), hidden.std(dim=-1)], dim=-1)
        return functional.linear(pooled, self._weights["dense.weight"], self._weights["dense.bias"])

    def _residual(self, hidden: torch.Tensor, name: str, stride: int) -> torch.Tensor:
        inner = functional.relu(self._conv2d(hidden, f"{name}.conv1", stride=stride))
        shortcut = f"{name}.shortcut"
        if f"{shortcut}.weight" in self._weights:
            hidden = self._conv2d(hidden, shortcut, stride=stride)
        return functional.relu(self._conv2d(inner, f"{name}.conv2") + hidden)

    def _masked(self, hidden: torch.Tensor, name: str, dilation: int) -> torch.Tensor:
        inner = functional.relu(self._conv1d(self._scaled(hidden, name), f"{name}.narrow"))
        local = functional.conv1d(inner, self._weights[f"{name}.local.weight"], padding=dilation, dilation=dilation)
        context = 2.0 * inner.mean(dim=-1, keepdim=True)  # of all frames and of the segment: the same at this length
        mask = self._conv1d(functional.relu(self._conv1d(context, f"{name}.mask1")), f"{name}.mask2")
        return local * torch.sigmoid(mask)

    def _scaled(self, hidden: torch.Tensor, name: str) -> torch.Tensor:
        return functional.relu(hidden * self._weights[f"{name}.scale"] + self._weights[f"{name}.shift"])

    def _conv1d(self, hidden: torch.Tensor, name: str, *, padding: int = 0, stride: int = 1) -> torch.Tensor:
        weight, bias = self._weights[f"{name}.weight"], self._weights.get(f"{name}.bias")
        return functional.conv1d(hidden, weight, bias, padding=padding, stride=stride)

    def _conv2d(self, hidden: torch.Tensor, name: str, *, stride: int = 1) -> torch.Tensor:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return functional.conv2d(hidden, weight, bias, padding=weight.shape[-1] // 2, stride=(stride, 1))
