"""The encoder of a loaded model: CTranslate2's, or torch's from the same weights, whichever is faster here."""

import time
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import structlog
import torch

from pipelines.errors import ModelUnavailable
from pipelines.models.devices import EncoderName
from pipelines.whisper.encoder_selection import Comparison, compare
from pipelines.whisper.torch_encoder import TorchEncoder

log = structlog.get_logger()

WORTH_A_TRIAL = 2000
"""Frames from which on torch may win on a CPU: what it saves grows with the square of the length. CTranslate2
was faster at 1,050, torch by a third at 3,000 (docs/benchmarks.md)."""


class Encoder:
    """Features to what the decoder attends to. Thread-safe."""

    def __init__(self, model: Any, path: Path, device: torch.device, wanted: EncoderName) -> None:
        """``model``: CTranslate2's, loaded from ``path``.

        Where auto is ``wanted`` it is CTranslate2's until `choose` finds torch's faster. Raises `ModelUnavailable`
        where torch is wanted and cannot compute it.
        """
        self._model, self._path, self._device = model, path, device
        self._wanted = wanted
        self._half = "float16" in model.compute_type
        self._torch = self._load() if wanted == "torch" else None

    @property
    def name(self) -> EncoderName:
        """Who encodes."""
        return "torch" if self._torch else "ctranslate2"

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """``[rows, n_mels, n_frames]`` to ``[rows, n_frames / 2, width]`` in the device's memory, finished."""
        return self.by_torch(self._torch, features) if self._torch else self.by_ctranslate2(features)

    def choose(self, features: torch.Tensor) -> None:
        """Where it is left to the machine, take the faster one for ``features`` like these.

        Short ones on a CPU are not tried: a busy machine would sometimes choose the slower one, and results would
        differ from replica to replica.
        """
        if self._wanted != "auto" or (self._device.type == "cpu" and features.shape[2] < WORTH_A_TRIAL):
            return
        try:
            candidate = self._load()
            found = self._tried(candidate, features)
        except (ModelUnavailable, RuntimeError) as error:  # also where the memory has no room for it
            log.warning("torch does not encode", model=str(self._path), error=str(error))
            return
        self._torch = candidate if found.challenger_wins else None
        log.info(
            "encoder",
            action="choose",
            encoder=self.name,
            ctranslate2_s=round(found.present_s, 4),
            torch_s=round(found.challenger_s, 4),
            difference=round(found.difference, 4),
            n_frames=features.shape[2],
        )

    def compare(self, features: torch.Tensor) -> Comparison:
        """CTranslate2 (present) against torch (challenger); raises `ModelUnavailable` where torch cannot."""
        return self._tried(self._load(), features)

    def by_ctranslate2(self, features: torch.Tensor) -> torch.Tensor:
        """As `__call__`."""
        if self._device.type == "cpu":
            return torch.from_numpy(np.array(self._model.encode(ctranslate2.StorageView.from_array(features.numpy()))))
        features = features.half() if self._half else features
        torch.cuda.synchronize(self._device)
        output = self._model.encode(ctranslate2.StorageView.from_array(features))
        torch.cuda.synchronize(self._device)
        return torch.as_tensor(output, device=self._device)

    def by_torch(self, encoder: TorchEncoder, features: torch.Tensor) -> torch.Tensor:
        """As `__call__`."""
        output = encoder(features)
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return output

    def _tried(self, candidate: TorchEncoder, features: torch.Tensor) -> Comparison:
        # Processor time, where there is one to ask for: neighbours on the machine take it from neither.
        clock = time.process_time if self._device.type == "cpu" else time.perf_counter
        return compare(self.by_ctranslate2, lambda features: self.by_torch(candidate, features), features, clock)

    def _load(self) -> TorchEncoder:
        """Raises `ModelUnavailable` where torch cannot take the encoder over."""
        try:
            return TorchEncoder.load(self._path, self._device, str(self._model.compute_type))
        except (OSError, ValueError, KeyError, AttributeError, RuntimeError) as error:
            raise ModelUnavailable(f"torch cannot compute the encoder of {self._path}: {error}") from error
