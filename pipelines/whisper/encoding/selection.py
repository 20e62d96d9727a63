"""Which encoder to use: the fastest one with which the model hears no worse, judged by words in many languages.

How far an encoder's output is from another's does not tell how well one hears with it: 8 bits calibrated on English
were nearer than some, better in English, and ruined Chinese. So every candidate transcribes the same small set of
recordings (`pipelines.whisper.encoding.calibration`), clean and noisy, and its errors are compared with those of
CTranslate2.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import structlog
import torch

from pipelines.errors import ModelUnavailable
from pipelines.models.device_faults import is_device_lost
from pipelines.models.devices import EncoderName
from pipelines.whisper.encoding.encoder import Encoder, EncoderChoice
from pipelines.whisper.log_mel import HOP_SAMPLES, LogMel

log = structlog.get_logger()

CLEARLY = 0.9
"""Of CTranslate2's time that another encoder may take: below it, noise of a busy machine does not decide."""
TOLERATED_SHARE, TOLERATED_ERRORS = 0.05, 3
"""More errors than CTranslate2's in all that rounding explains: it turns doubtful words either way (between float32 and
8 bits, 3 % of the set's errors)."""
LANGUAGE_SHARE, LANGUAGE_ERRORS = 0.3, 5
"""The same in one language, of which there are few words."""
MAX_ROW_DIFFERENCE = 8
"""Errors more or fewer that count of one row: a doubtful word may turn a greedy search into a loop, whoever encodes."""
_ENOUGH_S = 2.0
_MOST_RUNS = 4
_LOUDNESS = 1000

Errors = Sequence[tuple[str, int]]
"""Of each row of the set: its language, and how many words were heard wrongly, left out or added."""


def select(
    seconds: Mapping[EncoderName, float], ways: Sequence[EncoderChoice], errors_of: Callable[[EncoderChoice], Errors]
) -> EncoderChoice:
    """Return the fastest choice whose errors are not worse than the reference's, the last of the ``ways``.

    ``ways`` are CTranslate2's, the cheapest first, and every encoder is tried in each; ``seconds`` is what a full
    window takes each encoder; ``errors_of`` hears the set. Without CTranslate2's time, or a recording to judge by, it
    is the reference.
    """
    reference = ways[-1]
    if "ctranslate2" not in seconds:
        return reference
    candidates = [replace(way, encoder=name) for name in by_speed(seconds) for way in ways]
    if candidates[0] == reference:
        return reference
    reference_errors = errors_of(reference)
    if not reference_errors:
        return reference
    for candidate in candidates:
        found = reference_errors if candidate == reference else errors_of(candidate)
        worse = not no_worse(found, reference_errors)
        log.info(
            "encoder",
            action="judge",
            encoder=candidate.encoder,
            pooling=candidate.pooling,
            short_windows=candidate.short_windows,
            window_s=round(seconds[candidate.encoder], 4),
            errors=sum(n for _, n in found),
            reference_errors=sum(n for _, n in reference_errors),
            worse=worse,
        )
        if not worse:
            return candidate
    return reference


def by_speed(seconds: Mapping[EncoderName, float]) -> list[EncoderName]:
    """Return the encoders that are clearly faster than CTranslate2, the fastest first, and CTranslate2."""
    limit_s = CLEARLY * seconds["ctranslate2"]
    faster = sorted((name for name in seconds if seconds[name] <= limit_s), key=lambda name: seconds[name])
    return [*(name for name in faster if name != "ctranslate2"), "ctranslate2"]


def no_worse(found: Errors, reference: Errors) -> bool:
    """Say whether the errors are no more than rounding explains, in all and in each language."""
    known: Counter[str] = Counter()
    more: Counter[str] = Counter()
    for (language, n_found), (_, n_reference) in zip(found, reference, strict=True):
        known[language] += n_reference
        more[language] += max(-MAX_ROW_DIFFERENCE, min(MAX_ROW_DIFFERENCE, n_found - n_reference))
    if more.total() > TOLERATED_ERRORS + TOLERATED_SHARE * known.total():
        return False
    return all(more[language] <= LANGUAGE_ERRORS + LANGUAGE_SHARE * known[language] for language in known)


def time_encoders(
    names: Iterable[EncoderName],
    encoder: Encoder,
    features: torch.Tensor,
    clock: Callable[[], float] = time.process_time,
) -> dict[EncoderName, float]:
    """Return the seconds of ``clock`` that each takes for ``features``; those that do not work here are left out.

    The first run, which allocates, counts only where it takes long. Raises the error of a lost device
    (`is_device_lost`), on which nothing else works either.
    """
    seconds: dict[EncoderName, float] = {}
    for name in names:
        runs: list[float] = []
        try:
            encoder.use(name)
            while len(runs) < _MOST_RUNS and sum(runs) < _ENOUGH_S:
                began_s = clock()
                encoder(features)
                runs.append(clock() - began_s)
        except (ModelUnavailable, RuntimeError) as error:  # also where the memory has no room for it
            if is_device_lost(error):
                raise
            log.warning("encoder unavailable", encoder=name, error=str(error))
        else:
            seconds[name] = min(runs[1:] or runs)
    return seconds


def trial_features(log_mel: LogMel, n_frames: int, n_rows: int) -> torch.Tensor:
    """Return features of noise of ``n_frames``, as loud as speech."""
    noise = torch.randn(n_frames * HOP_SAMPLES, generator=torch.Generator().manual_seed(0)) * _LOUDNESS
    return log_mel([noise.to(torch.int16).numpy()] * n_rows, pad_to=n_frames)
