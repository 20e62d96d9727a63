"""Whisper's encoder on OpenVINO, which computes it for the processor it runs on, from the weights that CTranslate2 has.

bfloat16 needs AVX512-BF16 or AMX, and is nearer to exact arithmetic than CTranslate2's 8 bits. 8 bits here are those of
the weights, with a scale for each row; what comes in gets its scales when it comes, so that nothing is calibrated.
"""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from pipelines.whisper.encoding.ct2_weights import WEIGHTS_FILE, read_weights

Precision = Literal["bf16", "int8"]

_PREFIX = "encoder/"
_EPSILON = 1e-5  # of CTranslate2's layer norms
_INT8_MAX = 127
_GROUP = 128  # values of a row that share a scale while it runs


class OpenVinoEncoder:
    """Turns features into what the decoder attends to. Several threads may call it, each computes on its own."""

    def __init__(
        self, weights: Mapping[str, torch.Tensor], precision: Precision, *, n_streams: int = 1, n_threads: int = 1
    ) -> None:
        """Compile for windows of any length. ``n_streams`` calls run at once, on ``n_threads`` cores each.

        Raises ImportError without OpenVINO, KeyError for weights of no Whisper encoder, RuntimeError where the
        processor cannot compute in this precision.
        """
        from openvino import Core

        core = Core()
        if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise RuntimeError("the processor has no bfloat16 arithmetic")
        options: dict[str, Any] = {
            "NUM_STREAMS": n_streams,
            "INFERENCE_NUM_THREADS": n_streams * n_threads,
            "ENABLE_CPU_PINNING": False,  # replicas share the machine: pinned threads would meet on the first cores
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": _GROUP if precision == "int8" else 0,
        }
        self._compiled = core.compile_model(_Graph(weights, int8=precision == "int8").model(), "CPU", options)
        self._own = threading.local()

    @classmethod
    def load(cls, model: Path, precision: Precision, *, n_streams: int = 1, n_threads: int = 1) -> "OpenVinoEncoder":
        """Read the encoder of a CTranslate2 model folder. Raises as the constructor and `read_weights` do."""
        weights = read_weights(model / WEIGHTS_FILE, _PREFIX)
        return cls(weights, precision, n_streams=n_streams, n_threads=n_threads)

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """``[rows, n_mels, n_frames]`` to float32 ``[rows, n_frames / 2, width]``."""
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        output = self._own.request.infer({0: features.numpy()})[0]
        return torch.from_numpy(np.array(output))


class _Graph:
    """Builds the encoder from OpenVINO's operations."""

    def __init__(self, weights: Mapping[str, torch.Tensor], *, int8: bool) -> None:
        from openvino import opset13

        self._op: Any = opset13
        self._weights = weights
        self._int8 = int8
        self._n_heads = int(weights["num_heads"])

    def model(self) -> Any:
        """Return an ``openvino.Model``: ``[rows, n_mels, n_frames]`` to ``[rows, n_frames / 2, width]``."""
        from openvino import Model, PartialShape, Type

        op = self._op
        n_mels = self._weights["conv1/weight"].shape[1]
        features = op.parameter(PartialShape([-1, n_mels, -1]), Type.f32)
        hidden = self._convolved(self._convolved(features, "conv1", stride=1), "conv2", stride=2)
        hidden = self._transposed(hidden, (0, 2, 1))
        positions = op.slice(self._constant("position_encodings/encodings"), [0], self._length(hidden), [1], [0])
        hidden = op.add(hidden, positions)
        n_layers = sum(name.endswith("ffn/linear_0/weight") for name in self._weights)
        for i in range(n_layers):
            hidden = self._layer(hidden, f"layer_{i}/")
        return Model([self._normed(hidden, "layer_norm")], [features], "whisper-encoder")

    def _layer(self, hidden: Any, prefix: str) -> Any:
        op = self._op
        joined = self._linear(
            self._normed(hidden, f"{prefix}self_attention/layer_norm"), f"{prefix}self_attention/linear_0"
        )
        query, key, value = (self._heads(part) for part in op.split(joined, op.constant(2), 3).outputs())
        heard = op.scaled_dot_product_attention(query, key, value, causal=False)
        heard = op.reshape(self._transposed(heard, (0, 2, 1, 3)), op.constant(np.array([0, 0, -1])), True)
        hidden = op.add(hidden, self._linear(heard, f"{prefix}self_attention/linear_1"))
        widened = op.gelu(self._linear(self._normed(hidden, f"{prefix}ffn/layer_norm"), f"{prefix}ffn/linear_0"), "erf")
        return op.add(hidden, self._linear(widened, f"{prefix}ffn/linear_1"))

    def _convolved(self, hidden: Any, name: str, stride: int) -> Any:
        op = self._op
        bias = self._weights[f"{name}/bias"].numpy()[None, :, None]
        convolved = op.convolution(hidden, self._constant(f"{name}/weight"), [stride], [1], [1], [1])
        return op.gelu(op.add(convolved, op.constant(bias)), "erf")

    def _linear(self, hidden: Any, name: str) -> Any:
        op = self._op
        matrix = self._quantised(f"{name}/weight") if self._int8 else self._constant(f"{name}/weight")
        return op.add(op.matmul(hidden, matrix, False, True), self._constant(f"{name}/bias"))

    def _quantised(self, name: str) -> Any:
        op = self._op
        matrix: npt.NDArray[np.float32] = self._weights[name].numpy()
        scale = np.maximum(np.abs(matrix).max(axis=1, keepdims=True) / _INT8_MAX, np.finfo(np.float32).tiny)
        stored = op.constant(np.round(matrix / scale).astype(np.int8))
        return op.multiply(op.convert(stored, "f32"), op.constant(scale.astype(np.float32)))

    def _normed(self, hidden: Any, name: str) -> Any:
        op = self._op
        normed = op.mvn(hidden, op.constant(np.array([-1])), True, _EPSILON, "inside_sqrt")
        return op.add(op.multiply(normed, self._constant(f"{name}/gamma")), self._constant(f"{name}/beta"))

    def _heads(self, hidden: Any) -> Any:
        """``[rows, n_steps, width]`` to ``[rows, n_heads, n_steps, width / n_heads]``."""
        op = self._op
        width = self._weights["layer_norm/gamma"].shape[0]
        shape = op.constant(np.array([0, 0, self._n_heads, width // self._n_heads]))
        return self._transposed(op.reshape(hidden, shape, True), (0, 2, 1, 3))

    def _transposed(self, hidden: Any, axes: tuple[int, ...]) -> Any:
        return self._op.transpose(hidden, self._op.constant(np.array(axes)))

    def _length(self, hidden: Any) -> Any:
        op = self._op
        return op.gather(op.shape_of(hidden), op.constant(np.array([1])), op.constant(0))

    def _constant(self, name: str) -> Any:
        return self._op.constant(self._weights[name].numpy())
