"""Which encoder is taken: the fastest that hears no worse, in all and in each language."""

from collections.abc import Mapping, Sequence
from math import floor
from typing import cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import ModelUnavailable
from pipelines.models.devices import EncoderName
from pipelines.whisper.encoding.encoder import Encoder, EncoderChoice
from pipelines.whisper.encoding.selection import (
    CLEARLY,
    LANGUAGE_ERRORS,
    LANGUAGE_SHARE,
    MAX_ROW_DIFFERENCE,
    TOLERATED_ERRORS,
    TOLERATED_SHARE,
    Errors,
    by_speed,
    no_worse,
    select,
    time_encoders,
    trial_features,
)
from pipelines.whisper.log_mel import LogMel

NAMES: tuple[EncoderName, ...] = ("ctranslate2", "openvino", "openvino-int8", "torch")
BF16, BF16_POOLED = EncoderChoice(encoder="openvino"), EncoderChoice(encoder="openvino", pooling=2)
INT8, INT8_POOLED = EncoderChoice(encoder="openvino-int8"), EncoderChoice(encoder="openvino-int8", pooling=2)
REFERENCE, CT2_POOLED = EncoderChoice(), EncoderChoice(pooling=2)
SECONDS: dict[EncoderName, float] = {"ctranslate2": 1.0, "openvino": 0.3, "openvino-int8": 0.5}


# Speed


@given(
    st.dictionaries(st.sampled_from(NAMES[1:]), st.floats(0.01, 10)).flatmap(
        lambda others: st.floats(0.01, 10).map(lambda ours_s: {**others, "ctranslate2": ours_s})
    )
)
def test_clearly_faster_ones_come_first(seconds: dict[EncoderName, float]) -> None:
    """Ascending in time, each below CTranslate2's by more than noise; CTranslate2 is always there, and last."""
    order = by_speed(seconds)
    assert order[-1] == "ctranslate2"
    others = order[:-1]
    assert set(others) == {n for n in NAMES[1:] if n in seconds and seconds[n] <= CLEARLY * seconds["ctranslate2"]}
    assert [seconds[name] for name in others] == sorted(seconds[name] for name in others)


# Errors

MANY: Errors = [("en", 20)] * 10
"""Errors of a reference, of many rows in one language."""
ALLOWED = floor(TOLERATED_ERRORS + TOLERATED_SHARE * 200)
MIXED: Errors = [*[("en", 20)] * 10, ("zh", 0), ("zh", 10)]
ALLOWED_ZH = floor(LANGUAGE_ERRORS + LANGUAGE_SHARE * 10)


def changed(errors: Errors, **more: Sequence[int]) -> Errors:
    """Return errors with so many more in the first rows of each language."""
    rest = {language: iter([*each, *[0] * len(errors)]) for language, each in more.items()}
    return [(language, n + next(rest[language], 0) if language in rest else n) for language, n in errors]


@pytest.mark.parametrize(
    ("found", "reference", "good"),
    [
        (MANY, MANY, True),
        (changed(MANY, en=(5, ALLOWED - 5)), MANY, True),
        (changed(MANY, en=(6, ALLOWED - 5)), MANY, False),
        (changed(MANY, en=(100,)), MANY, True),
        (changed(MANY, en=(100, ALLOWED - MAX_ROW_DIFFERENCE + 1)), MANY, False),
        (changed(MANY, en=(-20, MAX_ROW_DIFFERENCE, ALLOWED)), MANY, True),
        (changed(MANY, en=(-20, MAX_ROW_DIFFERENCE, MAX_ROW_DIFFERENCE, MAX_ROW_DIFFERENCE)), MANY, False),
        (changed(MIXED, en=(-5,) * 10, zh=(3, ALLOWED_ZH - 3)), MIXED, True),
        (changed(MIXED, en=(-5,) * 10, zh=(4, ALLOWED_ZH - 3)), MIXED, False),
    ],
    ids=[
        "the same",
        "a few more",
        "more than a few",
        "a loop",
        "a loop and a few more",
        "a gain pays for a loss",
        "a large gain pays for one loss only",
        "a few more in one language",
        "more than a few in one language",
    ],
)
def test_errors_are_compared_in_all_and_in_each_language(found: Errors, reference: Errors, good: bool) -> None:
    """What one language gains pays for no other's loss, and one row for hardly more than another's."""
    assert no_worse(found, reference) is good


@given(st.lists(st.tuples(st.sampled_from(["en", "de", "zh"]), st.integers(0, 100), st.integers(0, 100)), max_size=30))
def test_fewer_errors_are_never_worse(rows: list[tuple[str, int, int]]) -> None:
    """Whoever hears no row worse passes, whatever the reference."""
    reference = [(language, max(some, other)) for language, some, other in rows]
    assert no_worse([(language, min(some, other)) for language, some, other in rows], reference)


def test_errors_of_another_set_are_not_compared() -> None:
    """Rows stand for rows: what has more or fewer of them is a fault of the trial."""
    with pytest.raises(ValueError, match="argument"):
        no_worse(MANY, MIXED)


# Choice


class Hearing:
    """Errors by choice, and who was asked for them."""

    def __init__(self, errors: Mapping[EncoderChoice, Errors]) -> None:
        self.errors = errors
        self.asked: list[EncoderChoice] = []

    def __call__(self, choice: EncoderChoice) -> Errors:
        self.asked.append(choice)
        return self.errors[choice]


GOOD, BAD = MIXED, changed(MIXED, en=(9,) * 10)


@pytest.mark.parametrize(
    ("bad", "chosen"),
    [
        ((), BF16_POOLED),
        ((BF16_POOLED,), BF16),
        ((BF16_POOLED, BF16), INT8_POOLED),
        ((BF16_POOLED, BF16, INT8_POOLED), INT8),
        ((BF16_POOLED, BF16, INT8_POOLED, INT8), CT2_POOLED),
        ((BF16_POOLED, BF16, INT8_POOLED, INT8, CT2_POOLED), REFERENCE),
    ],
)
def test_the_fastest_that_hears_no_worse_is_taken(bad: Sequence[EncoderChoice], chosen: EncoderChoice) -> None:
    """Candidates are heard from the fastest on, none after the first that is good; the reference is heard once."""
    order = [BF16_POOLED, BF16, INT8_POOLED, INT8, CT2_POOLED, REFERENCE]
    hearing = Hearing({choice: BAD if choice in bad else GOOD for choice in order})
    assert select(SECONDS, (CT2_POOLED, REFERENCE), hearing) == chosen
    assert hearing.asked == [REFERENCE, *(choice for choice in order[: len(bad) + 1] if choice != REFERENCE)]


def test_one_ruined_language_is_enough() -> None:
    """Better in all is not enough: who ruins Chinese is not taken, however fast."""
    ruins_chinese = changed(MIXED, en=(-5,) * 10, zh=(8, 8))
    errors = {REFERENCE: MIXED, INT8: ruins_chinese, BF16: changed(MIXED, en=(2,))}
    seconds: dict[EncoderName, float] = {"ctranslate2": 1.0, "openvino": 0.5, "openvino-int8": 0.1}
    assert select(seconds, (REFERENCE,), Hearing(errors)) == BF16


def test_where_nothing_is_faster_nothing_is_heard() -> None:
    """Hearing the set takes minutes: it is spared where it can change nothing."""
    hearing = Hearing({})
    assert select({"ctranslate2": 1.0, "openvino": 0.95}, (REFERENCE,), hearing) == REFERENCE
    assert hearing.asked == []


@pytest.mark.parametrize("hears_worse", [False, True])
def test_a_set_pooling_is_kept(hears_worse: bool) -> None:
    """Whatever is chosen is pooled as was asked, and is compared with CTranslate2 pooled alike."""
    hearing = Hearing({CT2_POOLED: GOOD, INT8_POOLED: BAD if hears_worse else GOOD})
    chosen = select({"ctranslate2": 1.0, "openvino-int8": 0.1}, (CT2_POOLED,), hearing)
    assert chosen == (CT2_POOLED if hears_worse else INT8_POOLED)
    assert select({"ctranslate2": 1.0}, (CT2_POOLED,), Hearing({})) == CT2_POOLED


def test_without_recordings_nothing_is_taken() -> None:
    """A model of languages that the set does not have stays with what is known to hear well."""
    hearing = Hearing({REFERENCE: [], BF16_POOLED: []})
    assert select(SECONDS, (CT2_POOLED, REFERENCE), hearing) == REFERENCE
    assert hearing.asked == [REFERENCE]


def test_without_a_time_to_beat_nothing_is_taken() -> None:
    """On a GPU that has no room for CTranslate2's trial there is nothing to be faster than."""
    assert select({"torch": 0.1}, (CT2_POOLED, REFERENCE), Hearing({})) == REFERENCE


# Time


class TimedEncoder:
    """An encoder by whose clock each call takes what it is told; some cannot be used, or fail when they compute."""

    fault = "CUDA failed with error out of memory"

    def __init__(self, runs_s: Mapping[EncoderName, Sequence[float]], failing: Mapping[EncoderName, int]) -> None:
        self.runs_s = {name: iter(runs) for name, runs in runs_s.items()}
        self.failing = failing
        self.now_s = 0.0
        self.calls: list[EncoderName] = []

    def clock(self) -> float:
        return self.now_s

    def use(self, name: EncoderName) -> None:
        if name not in self.runs_s:
            raise ModelUnavailable(f"{name} is not here")
        self.name = name

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        if self.calls.count(self.name) == self.failing.get(self.name):
            raise RuntimeError(self.fault)
        self.calls.append(self.name)
        self.now_s += next(self.runs_s[self.name])
        return features


def timed(
    runs_s: Mapping[EncoderName, Sequence[float]], failing: Mapping[EncoderName, int] | None = None
) -> tuple[dict[EncoderName, float], list[EncoderName]]:
    encoder = TimedEncoder(runs_s, failing or {})
    return time_encoders(NAMES, cast(Encoder, encoder), torch.zeros(1), encoder.clock), encoder.calls


@pytest.mark.parametrize(
    ("runs_s", "taken_s", "n_runs"),
    [
        ((0.9, 0.2, 0.3, 0.25), 0.2, 4),
        ((0.1, 0.3, 0.2, 0.4), 0.2, 4),
        ((3.0,), 3.0, 1),
        ((1.5, 0.6), 0.6, 2),
    ],
    ids=["the first allocates", "the first is luck", "one takes long enough", "two do"],
)
def test_the_best_run_but_the_first_counts(runs_s: Sequence[float], taken_s: float, n_runs: int) -> None:
    """Neighbours on the machine only add; slow ones run until it is clear."""
    seconds, calls = timed({"ctranslate2": runs_s})
    assert seconds["ctranslate2"] == pytest.approx(taken_s)
    assert len(calls) == n_runs


@pytest.mark.parametrize("n_runs", [0, 1, 3])
def test_those_that_fail_are_left_out(n_runs: int) -> None:
    """Whether they cannot be used or fail in some run, the others are timed."""
    runs_s: dict[EncoderName, Sequence[float]] = {"ctranslate2": [0.4] * 4, "openvino": [0.2] * 4, "torch": [0.1] * 4}
    seconds, calls = timed(runs_s, {"openvino": n_runs})
    assert {name: round(taken_s, 6) for name, taken_s in seconds.items()} == {"ctranslate2": 0.4, "torch": 0.1}
    assert calls.count("openvino") == n_runs


def test_a_lost_device_is_raised() -> None:
    """No encoder works on it any more: the others would be left out as well, and a choice made of nothing."""
    encoder = TimedEncoder({"ctranslate2": [0.4] * 4, "torch": [0.1] * 4}, {"torch": 1})
    encoder.fault = "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be ..."
    with pytest.raises(RuntimeError, match="illegal memory access"):
        time_encoders(NAMES, cast(Encoder, encoder), torch.zeros(1), encoder.clock)


def test_the_trial_is_as_long_and_as_loud_as_asked() -> None:
    """Noise for each row, the same in every run: what is timed does not depend on luck."""
    features = trial_features(LogMel(80), 560, 3)
    assert features.shape == (3, 80, 560)
    assert torch.equal(features, trial_features(LogMel(80), 560, 3))
    assert float(features.std()) > 0
