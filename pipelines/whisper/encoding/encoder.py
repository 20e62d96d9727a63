"""The encoder of a loaded model: CTranslate2's, or one of another runtime from the same weights.

Which one is used is chosen in `pipelines.whisper.encoding.selection`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import torch

from pipelines.errors import ModelUnavailable
from pipelines.models.device_faults import is_device_lost
from pipelines.models.devices import EncoderName
from pipelines.whisper.encoding.openvino_encoder import OpenVinoEncoder, Precision
from pipelines.whisper.encoding.torch_encoder import TorchEncoder

Encode = Callable[[torch.Tensor], torch.Tensor]
"""Features ``[rows, n_mels, n_frames]`` to ``[rows, n_frames / 2, width]``; done when it returns."""

CANDIDATES: dict[str, tuple[EncoderName, ...]] = {"cpu": ("openvino", "openvino-int8"), "cuda": ("torch",)}
"""What may be faster than CTranslate2 on each kind of device."""


@dataclass(frozen=True, kw_only=True)
class EncoderChoice:
    """Who encodes, how many steps of 20 ms of its output are averaged to one that the decoder attends to, and what.

    ``short_windows``: rows are followed by a few seconds of silence instead of being filled up to 30 s.
    """

    encoder: EncoderName = "ctranslate2"
    pooling: int = 1
    short_windows: bool = False

    @property
    def label(self) -> str:
        """Who encodes, for people."""
        pooled = f", mean of {self.pooling} steps" if self.pooling > 1 else ""
        return f"{self.encoder}{pooled}{', short windows' if self.short_windows else ''}"


class Encoder:
    """Turns features into what the decoder attends to. Thread-safe, but for `use`."""

    def __init__(self, model: Any, path: Path, device: torch.device, *, n_workers: int, n_threads: int) -> None:
        """Begin with CTranslate2's ``model``, loaded from ``path``, of ``n_workers`` with ``n_threads`` each."""
        self._model, self._path, self._device = model, path, device
        self._n_workers, self._n_threads = n_workers, n_threads
        self._half = "float16" in model.compute_type
        self.name: EncoderName = "ctranslate2"
        self._encode: Encode = self._by_ctranslate2

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """``[rows, n_mels, n_frames]`` to ``[rows, n_frames / 2, width]`` in the device's memory, finished."""
        return self._encode(features)

    def use(self, name: EncoderName) -> None:
        """Encode with this runtime from now on.

        Raises `ModelUnavailable` where it cannot compute this model here, and the error of a lost device as it is.
        """
        if name == self.name:
            return
        try:
            self._encode = self._loaded(name)
        except (OSError, ValueError, KeyError, AttributeError, RuntimeError, ImportError) as error:
            if is_device_lost(error):
                raise
            raise ModelUnavailable(f"{name} cannot compute the encoder of {self._path}: {error}") from error
        self.name = name

    def _loaded(self, name: EncoderName) -> Encode:
        if name == "ctranslate2":
            return self._by_ctranslate2
        if name == "torch":
            return self._finished(TorchEncoder.load(self._path, self._device, str(self._model.compute_type)))
        if self._device.type != "cpu":
            raise RuntimeError("OpenVINO computes on CPUs here")
        precision: Precision = "int8" if name == "openvino-int8" else "bf16"
        return OpenVinoEncoder.load(self._path, precision, n_streams=self._n_workers, n_threads=self._n_threads)

    def _finished(self, encode: Encode) -> Encode:
        def finished(features: torch.Tensor) -> torch.Tensor:
            output = encode(features)
            if self._device.type == "cuda":
                torch.cuda.synchronize(self._device)
            return output

        return finished

    def _by_ctranslate2(self, features: torch.Tensor) -> torch.Tensor:
        if self._device.type == "cpu":
            return torch.from_numpy(np.array(self._model.encode(ctranslate2.StorageView.from_array(features.numpy()))))
        features = features.half() if self._half else features
        torch.cuda.synchronize(self._device)
        output = self._model.encode(ctranslate2.StorageView.from_array(features))
        torch.cuda.synchronize(self._device)
        return torch.as_tensor(output, device=self._device)
