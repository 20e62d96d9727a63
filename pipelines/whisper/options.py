"""What to decode and how often: rows, options, the ladder of attempts, and the choice among their outcomes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.core import DOUBTFUL_BELOW, SAMPLE_RATE
from pipelines.errors import OptionError
from pipelines.whisper.quality import DEFAULT_THRESHOLDS, LOOP_RULES, Rule, Thresholds
from pipelines.whisper.tokenizer import Task

WINDOW_S = 30
WINDOW_SAMPLES = WINDOW_S * SAMPLE_RATE
MAX_NEW_TOKENS = 224
"""Half of Whisper's context of 448; the other half is for the prompt."""
MAX_PROMPT_TOKENS = MAX_NEW_TOKENS - 1

# Nobody speaks 14 tokens a second, so a row that needs more is in a loop; 24 leave room for timestamps.
_TOKENS_PER_S = 14
_SPARE_TOKENS = 24

_MAX_BEAM_SIZE = 16

Pcm = npt.NDArray[np.int16] | npt.NDArray[np.float32]


TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def temperatures_from(first: float) -> tuple[float, ...]:
    """Return the ladder of temperatures that begins at ``first``; 0 is the whole one."""
    return (first, *(temperature for temperature in TEMPERATURES if temperature > first))


@dataclass(frozen=True, kw_only=True)
class DecodeOptions:
    """How to decode one row.

    ``language`` None: detect it from this row, among ``languages`` (all that the model speaks where empty), where
    ``expected`` has the shares of the recording's languages so far as they are known; below
    ``min_language_probability`` it is doubtful. ``timestamps``: whether the model writes times itself; None: as its
    profile says. Without, words are aligned in any case, and make the segments. ``word_timestamps`` aligns every word.
    ``temperatures``: 0 is a search with ``beam_size`` beams and, when its outcome is bad, ``fallback_beam_size``; those
    above are sampled, best of ``best_of``; a lone temperature means no second try. ``prompt`` primes the decoder with
    names and spelling, and is dropped in second tries.
    """

    language: str | None = None
    languages: tuple[str, ...] = ()
    expected: tuple[tuple[str, float], ...] = ()
    min_language_probability: float = DOUBTFUL_BELOW
    task: Task = "transcribe"
    timestamps: bool | None = None
    word_timestamps: bool = False
    beam_size: int = 1
    fallback_beam_size: int = 5
    temperatures: tuple[float, ...] = TEMPERATURES
    best_of: int = 5
    prompt: str = ""
    thresholds: Thresholds = field(default=DEFAULT_THRESHOLDS)

    def __post_init__(self) -> None:
        """Raise `OptionError` for what is out of range."""
        if self.task not in ("transcribe", "translate"):
            raise OptionError(f"task is transcribe or translate, not {self.task!r}")
        for name in ("beam_size", "fallback_beam_size", "best_of"):
            if not 1 <= getattr(self, name) <= _MAX_BEAM_SIZE:
                raise OptionError(f"{name} is from 1 to {_MAX_BEAM_SIZE}, not {getattr(self, name)!r}")
        if not self.temperatures or not all(0 <= temperature <= 1 for temperature in self.temperatures):
            raise OptionError(f"temperatures are one or more numbers from 0 to 1, not {self.temperatures!r}")


@dataclass(frozen=True, kw_only=True)
class DecodeRequest:
    """One row of a batch: mono PCM at 16 kHz, int16 or float32 in [-1, 1], at most `WINDOW_S` long.

    ``index`` is handed on to the result.
    """

    pcm: Pcm
    index: int = 0
    options: DecodeOptions = field(default=DecodeOptions())

    @property
    def duration_s(self) -> float:
        return len(self.pcm) / SAMPLE_RATE


def row_fault(row: DecodeRequest) -> str:
    """Say why a row cannot be decoded; "" when it can."""
    pcm: npt.NDArray[Any] = row.pcm
    if not isinstance(pcm, np.ndarray) or pcm.ndim != 1 or pcm.dtype not in (np.int16, np.float32):
        return "the samples are not a one-dimensional int16 or float32 array"
    if not len(pcm):
        return "there are no samples"
    if len(pcm) > WINDOW_SAMPLES:
        return f"{row.duration_s:.2f} s do not fit into a window of {WINDOW_S} s"
    if pcm.dtype == np.float32 and not bool(np.isfinite(pcm).all()):
        return "some samples are not finite numbers"
    return ""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One way of decoding: a beam search at temperature 0, or the best of ``best_of`` samples above it."""

    temperature: float
    beam_size: int = 1
    best_of: int = 1


def attempts_for(options: DecodeOptions) -> tuple[Attempt, ...]:
    """List what to try in turn until an outcome passes the quality rules."""
    attempts: list[Attempt] = []
    for temperature in options.temperatures:
        if temperature > 0:
            attempts.append(Attempt(temperature=temperature, best_of=options.best_of))
            continue
        attempts.append(Attempt(temperature=0.0, beam_size=options.beam_size))
        if options.beam_size < options.fallback_beam_size and len(options.temperatures) > 1:
            attempts.append(Attempt(temperature=0.0, beam_size=options.fallback_beam_size))
    return tuple(attempts)


def token_budget(duration_s: float) -> int:
    """Most new tokens that a row of this length may take, timestamps included."""
    return min(MAX_NEW_TOKENS, _SPARE_TOKENS + ceil(_TOKENS_PER_S * duration_s))


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Outcome of one attempt: tokens with timestamps, how sure the model is, and the rules it breaks."""

    attempt: Attempt
    tokens: tuple[int, ...]
    text: str
    avg_logprob: float
    no_speech_prob: float
    faults: tuple[Rule, ...]


def choose(candidates: Sequence[Candidate]) -> Candidate:
    """Take the last candidate if it is sound, else the least bad: no loop, no gap, no echo, then the likeliest."""
    if not candidates[-1].faults:
        return candidates[-1]

    def merit(candidate: Candidate) -> tuple[bool, bool, bool, float]:
        faults = set(candidate.faults)
        return (
            not faults & LOOP_RULES,
            Rule.TOO_LITTLE_TEXT not in faults,
            Rule.PROMPT_ECHO not in faults,
            candidate.avg_logprob if isfinite(candidate.avg_logprob) else float("-inf"),
        )

    return max(candidates, key=merit)


def average_logprob(score: float, n_tokens: int) -> float:
    """Nats per token with the end token counted, as Whisper has it; CTranslate2's score does not count that token."""
    return score * max(n_tokens, 1) / (n_tokens + 1)
