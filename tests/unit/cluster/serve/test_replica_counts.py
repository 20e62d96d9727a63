"""Replicas are counted at most once in a while, however many ask."""

from collections.abc import Mapping

import pytest

from cluster.serve.replica_counts import OLDEST_S, ReplicaCounts
from tests.fakes.ledger import ManualClock


class Controller:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.n_asked = 0
        self.is_gone = False

    def count(self) -> Mapping[str, int]:
        self.n_asked += 1
        if self.is_gone:
            raise ConnectionError("gone")
        return {"tiny": self.n_asked}


def test_an_answer_is_given_again_for_a_while() -> None:
    """Who asks soon gets the last answer; later the controller is asked anew."""
    controller, clock = Controller(), ManualClock(100.0)
    counts = ReplicaCounts(controller.count, clock)
    assert [counts() for _ in range(5)] == [{"tiny": 1}] * 5
    clock.advance(OLDEST_S)
    assert counts() == {"tiny": 2}
    assert controller.n_asked == 2


def test_a_failure_is_not_remembered() -> None:
    """A controller that did not answer is asked again at once."""
    controller, clock = Controller(), ManualClock(100.0)
    counts = ReplicaCounts(controller.count, clock)
    controller.is_gone = True
    with pytest.raises(ConnectionError):
        counts()
    controller.is_gone = False
    assert counts() == {"tiny": 2}
