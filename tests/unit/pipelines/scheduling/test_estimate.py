"""Estimates before submitting: what is reckoned, and what is learned from jobs that ended."""

from itertools import pairwise
from random import Random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.scheduling.estimate import REMEMBERED_JOBS, Estimator, Load, WaitingWork, fit, queue_s


def work(tenant: str, audio_s: float, *, economy: bool = False, queued: bool = False) -> WaitingWork:
    return WaitingWork(tenant=tenant, audio_s=audio_s, economy=economy, queued=queued)


def reckoned(*others: WaitingWork, audio_s: float = 100.0, economy: bool = False) -> float | None:
    """Seconds for a recording of tenant "me" on a cluster of twice real time."""
    return queue_s(Load(work=others, speed=2.0), tenant="me", audio_s=audio_s, economy=economy)


def test_an_idle_cluster() -> None:
    assert reckoned() == 50.0


def test_nothing_is_said_before_a_speed_was_measured() -> None:
    assert queue_s(Load(), tenant="me", audio_s=100.0) is None
    estimate = Estimator().estimate(Load(), tenant="me", model="m", audio_s=100.0)
    assert (estimate.wall_s, estimate.device_s, estimate.typical_error) == (None, None, None)


def test_another_tenant_gets_as_much_until_it_is_done() -> None:
    """One with a day of audio doubles the time, one with little adds what it has."""
    assert reckoned(work("bulk", 86_400.0)) == 100.0
    assert reckoned(work("bulk", 86_400.0, queued=True)) == 100.0
    assert reckoned(work("small", 20.0)) == 60.0


def test_own_jobs_share_and_those_that_wait_come_before() -> None:
    """A tenant's begun jobs share with the new one; once some wait to be begun, all are ahead of it."""
    assert reckoned(work("me", 1_000.0)) == 100.0
    assert reckoned(work("me", 1_000.0, queued=True)) == 550.0
    assert reckoned(work("me", 300.0), work("me", 1_000.0, queued=True)) == 700.0


def test_economy_work_waits_for_all_and_delays_nobody() -> None:
    assert reckoned(work("other", 1_000.0), economy=True) == 550.0
    assert reckoned(work("other", 1_000.0, economy=True)) == 50.0
    assert reckoned(work("other", 1_000.0, economy=True), economy=True) == 100.0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 1e6), st.booleans(), st.booleans())))
def test_more_work_never_makes_it_sooner(given_work: list[tuple[str, float, bool, bool]]) -> None:
    """And never later than after everything that is there."""
    all_work = [
        work(tenant, audio_s, economy=economy, queued=queued) for tenant, audio_s, economy, queued in given_work
    ]
    for economy in (False, True):
        times = [
            queue_s(Load(work=tuple(all_work[:n]), speed=1.0), tenant="a", audio_s=60.0, economy=economy) or 0.0
            for n in range(len(all_work) + 1)
        ]
        assert all(earlier <= later + 1e-6 for earlier, later in pairwise(times))
        assert times[-1] <= 60.0 + sum(each.audio_s for each in all_work) + 1e-3


def test_the_fit_finds_an_offset_and_a_factor() -> None:
    """Jobs that took 3 s and 0.7 of what was reckoned, a tenth of them for some reason ten times as long."""
    rng = Random(1)
    samples = []
    for _ in range(REMEMBERED_JOBS):
        x = 10 ** rng.uniform(0, 3)
        y = (3 + 0.7 * x) * rng.uniform(0.95, 1.05)
        samples.append((x, y if rng.random() > 0.1 else 10 * y))
    offset_s, factor = fit(samples)
    assert offset_s == pytest.approx(3, rel=0.15)
    assert factor == pytest.approx(0.7, rel=0.1)


@given(st.lists(st.tuples(st.floats(1e-3, 1e6), st.floats(1e-3, 1e6)), max_size=8))
def test_whatever_was_measured_an_estimate_is_a_time(samples: list[tuple[float, float]]) -> None:
    offset_s, factor = fit(samples)
    assert offset_s >= 0
    assert 0.05 <= factor <= 20


def test_estimates_become_right() -> None:
    """A reckoning that is wrong by a factor and an offset is right within a fifth after some jobs."""
    rng = Random(2)
    estimator, errors = Estimator(), []
    for _ in range(100):
        x = rng.uniform(5, 500)
        error = estimator.record(reckoned_s=x, took_s=(4 + 2.5 * x) * rng.uniform(0.9, 1.1))
        assert error is not None
        errors.append(error)
    assert errors[0] > 0.3
    assert median(errors[20:]) <= 0.2
    assert estimator.typical_error == pytest.approx(median(errors[-REMEMBERED_JOBS:]))


def test_what_was_reckoned_afterwards_is_no_success() -> None:
    """Before a speed was known no estimate was given: the job teaches, and its error does not count."""
    estimator = Estimator()
    assert estimator.record(reckoned_s=10.0, took_s=10.0, given=False) is None
    assert estimator.record(reckoned_s=None, took_s=10.0) is None
    assert estimator.typical_error is None


def test_device_time_and_length_of_the_last_jobs() -> None:
    """By model: a tenth of the audio on one, unknown on another."""
    estimator = Estimator()
    estimator.record_usage(model="m", audio_s=100.0, device_s=5.0)
    estimator.record_usage(model="m", audio_s=300.0, device_s=35.0)
    idle = Load(speed=2.0)
    assert estimator.estimate(idle, tenant="t", model="m", audio_s=50.0).device_s == pytest.approx(5.0)
    assert estimator.estimate(idle, tenant="t", model="other", audio_s=50.0).device_s is None
    assert estimator.mean_audio_s == 200.0
