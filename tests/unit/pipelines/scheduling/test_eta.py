"""The speed meter and the estimate built on it."""

import time

import pytest

from pipelines.scheduling.eta import SpeedMeter, eta_s


def test_speed_is_audio_per_busy_second() -> None:
    """Idle hours between two jobs do not slow the measured speed down."""
    meter = SpeedMeter()
    meter.start(0.0)
    meter.done(2.0, 60.0)
    meter.stop()
    meter.start(10_000.0)
    meter.done(10_002.0, 60.0)
    assert meter.speed == pytest.approx(30.0)


def test_old_measurements_are_forgotten() -> None:
    """After the window only the present speed counts."""
    meter = SpeedMeter(window_s=10.0)
    meter.start(0.0)
    for second in range(1, 101):
        meter.done(float(second), 10.0 if second <= 50 else 40.0)
    assert meter.speed == pytest.approx(40.0)


def test_many_reports_cost_no_more_each() -> None:
    """A thousand devices report many times a second; the speed is that of all reports in the window."""
    meter = SpeedMeter(window_s=100.0)
    meter.start(0.0)
    began_s = time.process_time()
    for number in range(1, 100_001):
        meter.done(number / 1000, 0.03 if number <= 50_000 else 0.05)
    assert meter.speed == pytest.approx(40.0, rel=0.01)
    assert time.process_time() - began_s < 10.0  # it took minutes when each report was a sample


def test_estimates_share_the_machine() -> None:
    """A short job does not wait for the whole backlog; no job waits longer than that; unknown speed, no promise."""
    assert eta_s(60.0, 6000.0, 2, 10.0) == pytest.approx(12.0)
    assert eta_s(60.0, 80.0, 10, 10.0) == pytest.approx(8.0)
    assert eta_s(60.0, 80.0, 10, 0.0) is None


def test_no_job_is_promised_for_now() -> None:
    """While nothing is known to remain there is no estimate: neither before audio was found nor between two spans."""
    assert eta_s(0.0, 6000.0, 2, 10.0) is None
    assert eta_s(0.0, 0.0, 1, 10.0) is None
