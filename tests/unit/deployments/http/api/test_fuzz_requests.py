"""A small, fixed share of what ``python -m tests.support.fuzz_requests`` does for longer."""

from tests.support.fuzz_requests import CLOSED, fuzz


def test_mutated_requests_do_no_harm():
    """None hangs, brings a 5xx or leaves an upload; some are still accepted, some refused, some make no sense."""
    counts, findings, _ = fuzz(n_inputs=150, seed=7)
    assert findings == []
    assert counts[202] > 0
    assert counts[CLOSED] + counts[400] > 0
    assert counts[422] > 0
