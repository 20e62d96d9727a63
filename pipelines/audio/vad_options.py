"""How probabilities of speech become speech; for those that cut recordings and for the model that listens."""

from dataclasses import dataclass

from pipelines.errors import OptionError

FRAME_SAMPLES = 512
"""Samples per probability (32 ms), fixed by the model."""


@dataclass(frozen=True, kw_only=True)
class VadOptions:
    """How probabilities become speech. Raises `OptionError` for values that contradict each other.

    Speech begins at ``threshold`` and ends when the probability stays under ``threshold_off`` for ``min_silence_s``.
    It is widened by ``pad_s`` on both sides, or to the middle of a silence shorter than two pads. Sounds shorter than
    ``min_speech_s`` with nothing near them are dropped. The defaults rather hear too much than too little: telephone
    voices often stay below 0.5, music and fans below 0.1, and what is no speech after all costs one decoding.
    """

    threshold: float = 0.25
    threshold_off: float = 0.12
    min_speech_s: float = 0.1
    min_silence_s: float = 0.1
    pad_s: float = 0.25

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold_off <= self.threshold < 1.0:
            raise OptionError("voice activity needs 0 < threshold_off <= threshold < 1")
        if min(self.min_speech_s, self.min_silence_s, self.pad_s) < 0.0:
            raise OptionError("durations of voice activity must not be negative")
