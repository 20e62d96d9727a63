"""Options, attempts and the choice among candidates."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import OptionError
from pipelines.whisper.options import (
    MAX_NEW_TOKENS,
    WINDOW_SAMPLES,
    Attempt,
    Candidate,
    DecodeOptions,
    DecodeRequest,
    attempts_for,
    average_logprob,
    choose,
    row_fault,
    token_budget,
)
from pipelines.whisper.quality import Rule

GREEDY = Attempt(temperature=0.0)


def candidate(text: str, logprob: float, *faults: Rule) -> Candidate:
    return Candidate(attempt=GREEDY, tokens=(1,), text=text, avg_logprob=logprob, no_speech_prob=0.0, faults=faults)


def test_attempts_go_from_greedy_over_beams_to_sampling() -> None:
    """The cheap way comes first, then a deterministic search, then rising temperatures."""
    attempts = attempts_for(DecodeOptions(temperatures=(0.0, 0.4)))
    assert attempts == (GREEDY, Attempt(temperature=0.0, beam_size=5), Attempt(temperature=0.4, best_of=5))


def test_a_wide_first_search_is_not_repeated() -> None:
    """Who asks for five beams gets no second try with five beams."""
    assert [a.beam_size for a in attempts_for(DecodeOptions(beam_size=5, temperatures=(0.0, 0.2)))] == [5, 1]


def test_a_lone_temperature_means_one_attempt() -> None:
    """Fallback can be switched off."""
    assert attempts_for(DecodeOptions(temperatures=(0.0,))) == (GREEDY,)


@pytest.mark.parametrize(
    "options",
    [{"beam_size": 0}, {"best_of": 17}, {"temperatures": ()}, {"temperatures": (1.5,)}, {"task": "summarize"}],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    """No option is silently corrected."""
    with pytest.raises(OptionError):
        DecodeOptions(**options)


@pytest.mark.parametrize(
    ("pcm", "fault"),
    [
        (np.zeros(16_000, np.int16), ""),
        (np.zeros(WINDOW_SAMPLES, np.float32), ""),
        (np.zeros(0, np.int16), "no samples"),
        (np.zeros(WINDOW_SAMPLES + 1, np.int16), "do not fit"),
        (np.zeros((2, 100), np.float32), "one-dimensional"),
        (np.zeros(100, np.float64), "int16 or float32"),
        (np.array([0.0, np.nan], np.float32), "not finite"),
        ([0, 1], "not a one-dimensional"),
    ],
)
def test_rows_that_cannot_be_decoded_say_why(pcm: Any, fault: str) -> None:
    """Each fault has its text; a sound row has none."""
    found = row_fault(DecodeRequest(pcm=pcm))
    assert fault in found
    assert bool(found) == bool(fault)


def test_sound_last_candidate_is_chosen() -> None:
    """Decoding stops at the first sound outcome, which is then the last."""
    sound = candidate("right", -0.9)
    assert choose([candidate("likely", -0.1, Rule.REPETITION), sound]) is sound


def test_least_bad_candidate_has_no_loop() -> None:
    """Among bad outcomes, likely loops and gaps lose against unlikely text."""
    unsure = candidate("some text", -1.5, Rule.LOW_LOGPROB)
    others = [
        candidate("loop", -0.1, Rule.REPETITION),
        candidate("", -0.1, Rule.TOO_LITTLE_TEXT),
        candidate("prompt", -0.2, Rule.PROMPT_ECHO),
        replace(unsure, avg_logprob=float("nan")),
        candidate("worse text", -2.0, Rule.LOW_LOGPROB),
    ]
    assert choose([unsure, *others]) is unsure


def test_average_counts_the_end_token() -> None:
    """Whisper divides by one more than the text's tokens."""
    assert average_logprob(-0.5, 9) == pytest.approx(-0.45)
    assert average_logprob(-2.0, 0) == -2.0


@given(st.floats(0, 30), st.floats(0, 30))
def test_token_budget_grows_with_the_row_up_to_the_context(one: float, other: float) -> None:
    """Longer rows may have more tokens; no row more than half the context."""
    short, long = sorted((one, other))
    assert 0 < token_budget(short) <= token_budget(long) <= MAX_NEW_TOKENS
