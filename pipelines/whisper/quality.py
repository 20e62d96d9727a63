"""Rules that tell a good decoding from a loop, a hallucination or a dropped passage. Pure.

The first three thresholds are those of Radford et al. 2022, "Robust Speech Recognition via Large-Scale
Weak Supervision", section 4.5. The others catch what these miss: loops that the model is sure of,
passages that were skipped, and prompts that are read back.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, isfinite

from pipelines.text.typography import HAN, KANA, RARE_HAN, THAI_LAO_KHMER

# Scripts written without spaces: each character is a unit.
_UNSPACED = THAI_LAO_KHMER + KANA + HAN + RARE_HAN
_UNIT = re.compile(f"[{_UNSPACED}]|[^\\W{_UNSPACED}]+(?:['’][^\\W{_UNSPACED}]+)*")
_UNSPACED_CHARACTER = re.compile(f"[{_UNSPACED}]")

LETTERS_PER_UNSPACED_CHARACTER = 3  # one ideograph takes about as long to say as three letters


class Rule(StrEnum):
    """What can be wrong with a decoding; the names are part of stored results."""

    COMPRESSION = "compression"
    LOW_LOGPROB = "low_logprob"
    REPETITION = "repetition"
    TOO_LITTLE_TEXT = "too_little_text"
    TOO_MUCH_TEXT = "too_much_text"
    TRUNCATED = "truncated"
    PROMPT_ECHO = "prompt_echo"


LOOP_RULES = frozenset({Rule.COMPRESSION, Rule.REPETITION, Rule.TRUNCATED, Rule.TOO_MUCH_TEXT})


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Limits of the rules.

    ``max_compression_ratio``: bytes of text per byte of its zlib form. ``min_avg_logprob``: nats per token.
    ``max_no_speech_prob``: above it, together with a low log-probability, a window counts as silence.
    ``loop_units``: a phrase repeated back to back is a loop once the repeats cover this many words
    (characters in scripts without spaces), and not below ``min_loop_repeats`` times.
    ``min_letters_per_s``/``max_letters_per_s``: letters of text per second of speech; speech shorter than
    ``min_rated_speech_s`` is not rated, as a cough may have no letters and a clipped word many.
    ``echo_units``: this many words in a row taken from the prompt are an echo.
    """

    max_compression_ratio: float = 2.4
    min_avg_logprob: float = -1.0
    max_no_speech_prob: float = 0.6
    loop_units: int = 8
    min_loop_repeats: int = 4
    min_letters_per_s: float = 2.0
    max_letters_per_s: float = 40.0
    min_rated_speech_s: float = 3.0
    echo_units: int = 5


DEFAULT_THRESHOLDS = Thresholds()


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """What the rules look at: one window's text and the decoder's own view of it.

    ``speech_s`` is the window's speech in seconds, ``voiced`` whether voice activity is sure of any in it,
    ``truncated`` whether the decoder ran into its token limit, ``prompt`` the text the decoder was primed with.
    """

    text: str
    avg_logprob: float
    no_speech_prob: float
    speech_s: float
    voiced: bool = True
    truncated: bool = False
    prompt: str = ""


def failed_rules(decoding: Decoding, thresholds: Thresholds = DEFAULT_THRESHOLDS) -> tuple[Rule, ...]:
    """Return the rules that the decoding breaks, in the order of `Rule`; none for silence.

    A log-probability that is not a number breaks `Rule.LOW_LOGPROB`.
    """
    if is_silence(decoding, thresholds):
        return ()
    rated = decoding.speech_s >= thresholds.min_rated_speech_s
    letters = count_letters(decoding.text)
    broken = {
        Rule.COMPRESSION: compression_ratio(decoding.text) > thresholds.max_compression_ratio,
        Rule.LOW_LOGPROB: not decoding.avg_logprob >= thresholds.min_avg_logprob,
        Rule.REPETITION: has_loop(decoding.text, thresholds),
        Rule.TOO_LITTLE_TEXT: rated and letters < thresholds.min_letters_per_s * decoding.speech_s,
        Rule.TOO_MUCH_TEXT: rated and letters > thresholds.max_letters_per_s * decoding.speech_s,
        Rule.TRUNCATED: decoding.truncated,
        Rule.PROMPT_ECHO: echoes(decoding.text, decoding.prompt, thresholds),
    }
    return tuple(rule for rule in Rule if broken[rule])


def is_silence(decoding: Decoding, thresholds: Thresholds = DEFAULT_THRESHOLDS) -> bool:
    """Say whether the model heard no speech: it says so, and has no text that it trusts, or nobody else hears any.

    What it writes into noise is short and likely: "you", "Thank you." (docs/accuracy.md).
    """
    if not isfinite(decoding.avg_logprob):
        return False
    likely = bool(decoding.text.strip()) and decoding.avg_logprob >= thresholds.min_avg_logprob
    trusted = likely and decoding.voiced
    return decoding.no_speech_prob > thresholds.max_no_speech_prob and not trusted


def compression_ratio(text: str) -> float:
    """Return bytes of UTF-8 text per byte of its zlib form; 0 for empty text."""
    data = text.strip().encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def count_letters(text: str) -> int:
    """Letters and digits of the text, where an ideograph counts as several (`LETTERS_PER_UNSPACED_CHARACTER`)."""
    letters = sum(character.isalnum() for character in text)
    return letters + (LETTERS_PER_UNSPACED_CHARACTER - 1) * len(_UNSPACED_CHARACTER.findall(text))


def is_unspaced(character: str) -> bool:
    """Say whether a character belongs to a script that is written without spaces between words."""
    return _UNSPACED_CHARACTER.fullmatch(character) is not None


def split_units(text: str) -> tuple[str, ...]:
    """Return words without case and punctuation; single characters in scripts without spaces."""
    return tuple(_UNIT.findall(text.casefold()))


def has_loop(text: str, thresholds: Thresholds = DEFAULT_THRESHOLDS) -> bool:
    """Say whether some phrase is repeated back to back often enough to be a loop."""
    units = split_units(text)
    longest_phrase = len(units) // thresholds.min_loop_repeats
    return any(
        _most_repeats(units, n) >= max(thresholds.min_loop_repeats, ceil(thresholds.loop_units / n))
        for n in range(1, longest_phrase + 1)
    )


def _most_repeats(units: Sequence[str], n: int) -> int:
    """Return how often, at most, a phrase of ``n`` units stands back to back."""
    most = run = 0
    for i in range(n, len(units)):
        run = run + 1 if units[i] == units[i - n] else 0
        most = max(most, run)
    return most // n + 1


def echoes(text: str, prompt: str, thresholds: Thresholds = DEFAULT_THRESHOLDS) -> bool:
    """Say whether the text reads back a passage of the prompt that was given to prime the decoder."""
    heard, primed = split_units(text), split_units(prompt)
    n = thresholds.echo_units
    passages = {primed[i : i + n] for i in range(len(primed) - n + 1)}
    return any(heard[i : i + n] in passages for i in range(len(heard) - n + 1))
