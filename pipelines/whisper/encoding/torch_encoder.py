"""Whisper's encoder on torch, from the weights that CTranslate2 has.

CTranslate2 writes out the attention of all pairs of positions, which costs most in full windows; torch's fused
attention does not. It is for GPUs; on a CPU it computes in float32, which OpenVINO does faster.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F

from pipelines.whisper.encoding.ct2_weights import WEIGHTS_FILE, read_weights

_PREFIX = "encoder/"

Linear = Callable[[torch.Tensor], torch.Tensor]


class TorchEncoder:
    """Features to what the decoder attends to. Holds no state between calls and may be shared by threads."""

    def __init__(self, weights: Mapping[str, torch.Tensor], device: torch.device, compute_type: str) -> None:
        """``weights``: see `read_weights`; ``compute_type``: CTranslate2's, of the whole model.

        Raises KeyError or RuntimeError when the weights are no Whisper encoder's, or torch cannot compute so here.
        """
        self._dtype = torch.float16 if "float16" in compute_type else torch.float32
        self._device = device
        self._n_heads = int(weights["num_heads"])
        self._conv1, self._conv2 = (self._pair(weights, f"conv{i}", "weight", "bias") for i in (1, 2))
        self._positions = self._placed(weights["position_encodings/encodings"])
        self._norm = self._pair(weights, "layer_norm", "gamma", "beta")
        n_layers = sum(name.endswith("ffn/linear_0/weight") for name in weights)
        self._layers = [self._layer(weights, f"layer_{i}/") for i in range(n_layers)]

    @classmethod
    def load(cls, model: Path, device: torch.device, compute_type: str) -> "TorchEncoder":
        """Read the encoder of a CTranslate2 model folder. Raises as the constructor and `read_weights` do."""
        return cls(read_weights(model / WEIGHTS_FILE, _PREFIX), device, compute_type)

    @torch.inference_mode()
    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """``[rows, n_mels, n_frames]`` to ``[rows, n_frames / 2, width]``, on the encoder's device and in its type."""
        hidden = F.gelu(F.conv1d(features.to(self._device, self._dtype), *self._conv1, padding=1))
        hidden = F.gelu(F.conv1d(hidden, *self._conv2, stride=2, padding=1)).transpose(1, 2)
        hidden = hidden + self._positions[: hidden.shape[1]]
        for layer in self._layers:
            hidden = layer(hidden)
        return _normed(hidden, self._norm)

    def _layer(self, weights: Mapping[str, torch.Tensor], prefix: str) -> Linear:
        attention_norm = self._pair(weights, f"{prefix}self_attention/layer_norm", "gamma", "beta")
        ffn_norm = self._pair(weights, f"{prefix}ffn/layer_norm", "gamma", "beta")
        qkv, out = (self._linear(weights, f"{prefix}self_attention/linear_{i}") for i in (0, 1))
        widen, narrow = (self._linear(weights, f"{prefix}ffn/linear_{i}") for i in (0, 1))

        def layer(hidden: torch.Tensor) -> torch.Tensor:
            n_rows, n, width = hidden.shape
            heads = qkv(_normed(hidden, attention_norm)).view(n_rows, n, 3, self._n_heads, width // self._n_heads)
            query, key, value = heads.permute(2, 0, 3, 1, 4)
            heard = F.scaled_dot_product_attention(query, key, value)
            hidden = hidden + out(heard.transpose(1, 2).reshape(n_rows, n, width))
            return hidden + narrow(F.gelu(widen(_normed(hidden, ffn_norm))))

        return layer

    def _linear(self, weights: Mapping[str, torch.Tensor], name: str) -> Linear:
        matrix, bias = weights[f"{name}/weight"], weights[f"{name}/bias"]
        placed, shift = self._placed(matrix), self._placed(bias)
        return lambda hidden: F.linear(hidden, placed, shift)

    def _pair(
        self, weights: Mapping[str, torch.Tensor], name: str, first: str, second: str
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return self._placed(weights[f"{name}/{first}"]), self._placed(weights[f"{name}/{second}"])

    def _placed(self, weight: torch.Tensor) -> torch.Tensor:
        return weight.to(self._device, self._dtype).contiguous()


def _normed(hidden: torch.Tensor, scale_and_shift: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return F.layer_norm(hidden, hidden.shape[-1:], *scale_and_shift)
