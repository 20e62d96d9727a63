"""A Whisper model as plain calls on rows: encode, generate, align, detect the language.

All of it is CTranslate2's but for the encoder, which may be another one (`pipelines.whisper.encoding.encoder`). Its
output may be pooled: Whisper's encoder gives a step every 20 ms, and neighbours are so alike that the mean of two
serves the decoder as well, for half the work of a search, most of which is reading them (docs/decisions/encoders.md).
Facts about CTranslate2 4.8 that shape this file (each checked by a test):

- all prompts of a ``generate`` call need ``<|startoftranscript|>`` at the same place and equally many task tokens;
- ``max_length`` is halved, and lowered by the prompt's length: see `_max_length`;
- the random generator of a worker is seeded when the worker first samples, so a later seed changes nothing;
- ``is_multilingual`` tells whether the vocabulary has an empty token, as OpenAI's multilingual ones have, and
  ``detect_language`` refuses models without.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

import ctranslate2
import numpy as np
import numpy.typing as npt
import structlog
import torch

from pipelines.errors import ConfigurationError, ModelUnavailable
from pipelines.models.device_faults import is_device_lost, is_out_of_memory
from pipelines.models.devices import (
    DeviceKind,
    EncoderName,
    WindowLength,
    choose_compute_type,
    find_devices,
    usable_cores,
)
from pipelines.whisper.encoding.encoder import Encoder, EncoderChoice
from pipelines.whisper.options import Attempt

log = structlog.get_logger()

Encoding = npt.NDArray[np.float32] | torch.Tensor
"""Encoder output of one row, ``[n_frames / 2 / pooling, width]``, in the memory of the model's device."""

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

FRAMES_PER_SAMPLE = 1 / 160
MAX_POOLING = 3
"""Steps; four and more cost words (docs/benchmarks.md)."""
_ALIGNED_ROWS = (
    4  # at once on a CPU: CTranslate2 keeps the logits of every token, 20 MB a row, and gains nothing by more
)
_MIN_ALIGNED_FRAMES = 16  # the median filter of the alignment is 7 encoder steps of 2 frames wide


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Where and how to run a model.

    ``device`` auto: the first GPU, else the CPU. ``compute_type``: see `choose_compute_type`. ``inter_threads``
    workers share the weights and run a batch each at the same time, with ``intra_threads`` threads each on a CPU (0:
    the usable cores divided among the workers). ``batch_size`` rows are decoded at once. ``encoder``, ``pooling`` and
    ``windows``: see `EncoderChoice`; auto and 0 leave them to the machine.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    device_index: int = 0
    compute_type: str = "auto"
    inter_threads: int = 1
    intra_threads: int = 0
    batch_size: int = 16
    encoder: EncoderName = "auto"
    pooling: int = 0
    windows: WindowLength = "auto"

    def __post_init__(self) -> None:
        """Raise `ConfigurationError` for what is out of range."""
        if min(self.inter_threads, self.batch_size) < 1 or min(self.intra_threads, self.device_index) < 0:
            raise ConfigurationError(f"engine options out of range: {self}")
        if self.encoder not in get_args(EncoderName):
            raise ConfigurationError(f"there is no encoder {self.encoder!r}, only {', '.join(get_args(EncoderName))}")
        if not 0 <= self.pooling <= MAX_POOLING:
            raise ConfigurationError(f"pooling is from 0 to {MAX_POOLING}, not {self.pooling!r}")
        if "bfloat16" in self.compute_type:
            raise ConfigurationError("bfloat16 is not supported: encoder outputs in it cannot be joined")


@dataclass(frozen=True, kw_only=True)
class Generated:
    """Tokens of a row's best hypothesis, its score (mean nats per token) and the probability of no speech."""

    tokens: tuple[int, ...]
    score: float
    no_speech_prob: float


@dataclass(frozen=True, kw_only=True)
class Aligned:
    """Path of (text token, tick of 20 ms) pairs, and each text token's probability."""

    path: tuple[tuple[int, int], ...]
    probabilities: tuple[float, ...]


class RowFailure(Exception):
    """Why one row failed on the device; a value in the lists of outcomes, never raised by them."""


class WhisperModel:
    """A loaded model. Thread-safe: CTranslate2 queues calls from several threads onto its workers."""

    def __init__(self, path: Path, options: EngineOptions) -> None:
        """Load the weights. Raises `ModelUnavailable` for bad weights, `ConfigurationError` for a bad device."""
        self.kind: DeviceKind = find_devices()[0].kind if options.device == "auto" else options.device
        self.index = options.device_index if self.kind == "cuda" else 0
        compute_type = choose_compute_type(self.kind, self.index, options.compute_type)
        self.n_workers = options.inter_threads
        n_threads = options.intra_threads or max(1, usable_cores() // options.inter_threads)
        try:
            self._model = ctranslate2.models.Whisper(
                str(path),
                device=self.kind,
                device_index=self.index,
                compute_type=compute_type,
                inter_threads=options.inter_threads,
                intra_threads=n_threads,
            )
        except (RuntimeError, ValueError) as error:
            raise ModelUnavailable(f"the model in {path} cannot be loaded on {self.device_name}: {error}") from error
        self._isolator = Isolator(options.batch_size)
        if self.kind == "cpu":
            # Of threads that begin later: a slot's features take no core of another's, and none of its waits spinning.
            torch.set_num_threads(n_threads)
        self.encoder = Encoder(
            self._model, path, torch.device(self.device_name), n_workers=self.n_workers, n_threads=n_threads
        )
        self.choice = EncoderChoice()
        if options.encoder != "auto" or options.pooling:
            encoder: EncoderName = "ctranslate2" if options.encoder == "auto" else options.encoder
            short = options.windows == "short"
            self.use(EncoderChoice(encoder=encoder, pooling=options.pooling or 1, short_windows=short))

    @property
    def device_name(self) -> str:
        return "cpu" if self.kind == "cpu" else f"cuda:{self.index}"

    @property
    def compute_type(self) -> str:
        return str(self._model.compute_type)

    @property
    def n_mels(self) -> int:
        return int(self._model.n_mels)

    @property
    def guesses_multilingual(self) -> bool:
        """CTranslate2's guess from the vocabulary; language detection works only if it is true."""
        return bool(self._model.is_multilingual)

    def use(self, choice: EncoderChoice) -> None:
        """Encode this way from now on. Raises `ModelUnavailable` where that does not work here."""
        self.encoder.use(choice.encoder)
        self.choice = choice

    @property
    def rows_at_once(self) -> int:
        """Rows in a call: the batch size, or less where the device's memory had no room for as many."""
        return self._isolator.limit

    def resize(self, batch_size: int) -> None:
        """Take so many rows in a call from now on."""
        self._isolator.limit = batch_size

    def encode(self, features: torch.Tensor) -> list[Encoding | RowFailure]:
        """Encode features ``[rows, n_mels, n_frames]``: one by one on a CPU, at once on a GPU."""
        rows = [features[i : i + 1] for i in range(len(features))]
        if self.kind == "cpu":
            return [self._isolator.run([row], self._encode)[0] for row in rows]
        return self._isolator.run(rows, self._encode)

    def _encode(self, rows: Sequence[torch.Tensor]) -> list[Encoding]:
        output = pooled(self.encoder(torch.cat(list(rows)).contiguous()), self.choice.pooling)
        return list(output.numpy() if self.kind == "cpu" else output)

    def generate(
        self, encodings: Sequence[Encoding], prompts: Sequence[Sequence[int]], attempt: Attempt, budget: int
    ) -> list[Generated | RowFailure]:
        """Decode rows whose prompts have one shape, at most ``budget`` new tokens each."""
        options = {
            "beam_size": attempt.beam_size,
            "num_hypotheses": attempt.best_of,
            "sampling_topk": 0 if attempt.temperature > 0 else 1,
            "sampling_temperature": attempt.temperature if attempt.temperature > 0 else 1.0,
            "max_length": _max_length(budget, len(prompts[0])),
            "return_scores": True,
            "return_no_speech_prob": True,
        }

        def run(rows: Sequence[tuple[Encoding, Sequence[int]]]) -> list[Generated]:
            joined = self._join([encoding for encoding, _ in rows])
            results = self._model.generate(joined, [list(prompt) for _, prompt in rows], **options)
            return [_generated(result) for result in results]

        return self._isolator.run(list(zip(encodings, prompts, strict=True)), run)

    def align(
        self,
        encodings: Sequence[Encoding],
        start: Sequence[int],
        texts: Sequence[Sequence[int]],
        n_samples: Sequence[int],
    ) -> list[Aligned | RowFailure]:
        """Align each row's text tokens with its audio; ``start`` is the prompt they all share."""

        def run(rows: Sequence[tuple[Encoding, Sequence[int], int]]) -> list[Aligned]:
            joined = self._join([encoding for encoding, _, _ in rows])
            per_sample = FRAMES_PER_SAMPLE / self.choice.pooling
            frames = [max(_MIN_ALIGNED_FRAMES, round(n * per_sample)) for _, _, n in rows]
            results = self._model.align(joined, list(start), [list(text) for _, text, _ in rows], frames)
            return [
                Aligned(
                    path=tuple((token, step * self.choice.pooling) for token, step in result.alignments),
                    probabilities=tuple(result.text_token_probs),
                )
                for result in results
            ]

        rows = list(zip(encodings, texts, n_samples, strict=True))
        n_at_once = _ALIGNED_ROWS if self.kind == "cpu" else max(1, len(rows))
        parts = (rows[i : i + n_at_once] for i in range(0, len(rows), n_at_once))
        return [outcome for part in parts for outcome in self._isolator.run(part, run)]

    def detect_language(self, encodings: Sequence[Encoding]) -> list[dict[str, float] | RowFailure]:
        """Return probability of each language, by code, from the model's guess after ``<|startoftranscript|>``."""

        def run(rows: Sequence[Encoding]) -> list[dict[str, float]]:
            results = self._model.detect_language(self._join(rows))
            return [{token.strip("<|>"): probability for token, probability in result} for result in results]

        return self._isolator.run(list(encodings), run)

    def _join(self, encodings: Sequence[Encoding]) -> Any:
        if self.kind == "cpu":
            return ctranslate2.StorageView.from_array(np.stack(cast("list[npt.NDArray[np.float32]]", encodings)))
        batch = torch.stack(cast("list[torch.Tensor]", list(encodings))).contiguous()
        torch.cuda.synchronize(self.index)
        return ctranslate2.StorageView.from_array(batch)


def with_silence(part: Encoding, silence: Encoding) -> Encoding:
    """Return a part of an encoding ``[n_steps, width]`` with that of silence after it."""
    if isinstance(part, torch.Tensor):
        return torch.cat([part, cast("torch.Tensor", silence)])
    return np.concatenate([part, cast("npt.NDArray[np.float32]", silence)])


def pooled(encoded: torch.Tensor, pooling: int) -> torch.Tensor:
    """Average each ``pooling`` steps of ``[rows, n_steps, width]``; what is left over at the end is dropped.

    Means are as long as what they are of: shorter ones would be attended to less.
    """
    if pooling == 1:
        return encoded
    n_rows, n_steps, width = encoded.shape
    groups = encoded[:, : n_steps // pooling * pooling].reshape(n_rows, -1, pooling, width)
    mean = groups.mean(dim=2)
    length = torch.linalg.vector_norm(groups, dim=3).mean(dim=2, keepdim=True)
    shorter = torch.linalg.vector_norm(mean, dim=2, keepdim=True).clamp(min=torch.finfo(mean.dtype).tiny)
    output: torch.Tensor = mean * (length / shorter)
    return output


class Isolator:
    """Runs calls over many rows so that what fails is found, and found to fail alone. Thread-safe.

    ``limit`` is the number of rows that a call may have. It is halved when the device runs out of memory, and stays
    so: the next batch would fail the same way.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def run(
        self, items: Sequence[Item], call: Callable[[Sequence[Item]], Sequence[Outcome]]
    ) -> list[Outcome | RowFailure]:
        """Return one outcome per item: where a call fails, it is made again for each half, down to single items.

        Raises the error of a lost device (`is_device_lost`), which every other item would meet as well.
        """
        outcomes: list[Outcome | RowFailure] = []
        while len(outcomes) < len(items):
            outcomes += self._halve(items[len(outcomes) : len(outcomes) + self.limit], call)
        return outcomes

    def _halve(
        self, items: Sequence[Item], call: Callable[[Sequence[Item]], Sequence[Outcome]]
    ) -> list[Outcome | RowFailure]:
        try:
            return list(call(items))
        except (RuntimeError, ValueError) as error:
            if is_device_lost(error):
                raise
            if len(items) == 1:
                return [RowFailure(str(error))]
            half = len(items) // 2
            if is_out_of_memory(error):
                if half < self.limit:
                    self.limit = half
                    log.warning("device memory full", action="shrink", rows=len(items), limit=half)
                torch.cuda.empty_cache()
        return self._halve(items[:half], call) + self._halve(items[half:], call)


def _max_length(budget: int, n_prompt: int) -> int:
    """The ``max_length`` for ``budget`` new tokens: CTranslate2 makes min(max_length / 2, max_length - n_prompt)."""
    return max(2 * budget, budget + n_prompt)


def _generated(result: Any) -> Generated:
    return Generated(
        tokens=tuple(result.sequences_ids[0]), score=result.scores[0], no_speech_prob=result.no_speech_prob
    )
