"""The size of batches found from real work, on devices whose speed is known."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from pipelines.scheduling.batch_size import SAMPLES, AdaptiveBatchSize

ROW_S = 10.0  # of sound


def grown(growth: AdaptiveBatchSize, batch_s: Callable[[int], float], n_batches: int = 100) -> int:
    for _ in range(n_batches):
        growth.record_batch(growth.size, ROW_S * growth.size, batch_s(growth.size))
    return growth.size


def test_it_grows_while_that_pays() -> None:
    """With a second of its own for each batch and 20 ms a row, from 512 rows on doubling would bring less than 5 %."""
    assert grown(AdaptiveBatchSize(64, 4096), lambda n_rows: 1.0 + 0.02 * n_rows) == 512
    assert grown(AdaptiveBatchSize(64, 256), lambda n_rows: 1.0 + 0.02 * n_rows) == 256


def test_it_goes_back_from_a_size_that_brings_nothing() -> None:
    """A device that is full at 64 rows keeps them."""
    assert grown(AdaptiveBatchSize(64, 256), lambda n_rows: 0.1 * n_rows) == 64
    assert grown(AdaptiveBatchSize(64, 256), lambda n_rows: 0.01 * n_rows**2) == 64


def test_nobody_waits_long() -> None:
    """Batches that would take longer than somebody may wait are not tried."""
    assert grown(AdaptiveBatchSize(64, 256), lambda n_rows: 11.0) == 64


def test_small_batches_say_nothing() -> None:
    """Only full batches count: on an idle cluster the size stays."""
    growth = AdaptiveBatchSize(64, 256)
    assert not any(growth.record_batch(63, 630.0, 1.0) for _ in range(100))
    assert growth.size == 64


def test_one_odd_batch_does_not_decide() -> None:
    """A recording that takes ten times as long does not end the growth."""
    growth = AdaptiveBatchSize(64, 128)
    times = iter([10.0, *[1.0] * 2 * SAMPLES])
    for device_s in times:
        growth.record_batch(growth.size, ROW_S * growth.size, device_s)
    assert growth.size == 128


@given(
    st.integers(1, 64), st.integers(1, 512), st.lists(st.tuples(st.integers(1, 512), st.floats(0, 30)), max_size=200)
)
def test_it_stays_within_its_bounds_and_comes_to_rest(
    size: int, largest: int, batches: list[tuple[int, float]]
) -> None:
    """Whatever comes, the size is the first one, doubled some times; it changes a few times at most."""
    growth = AdaptiveBatchSize(size, largest)
    n_changes = 0
    for n_rows, device_s in batches:
        n_changes += growth.record_batch(n_rows, ROW_S * n_rows, device_s)
        assert size <= growth.size <= max(size, largest)
        assert (growth.size // size).bit_count() == 1
    assert n_changes <= 10
