"""What ingestion may ask of every ledger about requests in flight."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from pipelines.errors import RequestInFlight
from pipelines.ledger.protocol import Ledger
from tests.contracts.ledger_base import TTL_S, LedgerBase
from tests.fakes.ledger import ManualClock


class HoldsContract(LedgerBase):
    """One holder per tenant and key, for as long as it renews its mark."""

    def test_one_holder(self, ledger: Ledger, another: Ledger) -> None:
        """Who comes second is refused until the first lets go; another tenant and another key are no concern."""
        ledger.holds.hold("acme", "k", "first", TTL_S)
        with pytest.raises(RequestInFlight):
            another.holds.hold("acme", "k", "second", TTL_S)
        another.holds.hold("umbrella", "k", "second", TTL_S)
        another.holds.hold("acme", "other", "second", TTL_S)
        ledger.holds.release("acme", "k", "first")
        another.holds.hold("acme", "k", "second", TTL_S)

    def test_a_dead_holder_blocks_nobody_for_ever(self, ledger: Ledger, another: Ledger, clock: ManualClock) -> None:
        """A mark runs out; one that is renewed does not."""
        ledger.holds.hold("acme", "k", "first", TTL_S)
        clock.advance(TTL_S - 1)
        ledger.holds.hold("acme", "k", "first", TTL_S)
        clock.advance(TTL_S - 1)
        with pytest.raises(RequestInFlight):
            another.holds.hold("acme", "k", "second", TTL_S)
        clock.advance(2)
        another.holds.hold("acme", "k", "second", TTL_S)
        ledger.holds.release("acme", "k", "first")  # late: it is the second's now
        with pytest.raises(RequestInFlight):
            ledger.holds.hold("acme", "k", "third", TTL_S)

    def test_marks_that_ran_out_are_forgotten(self, ledger: Ledger, clock: ManualClock) -> None:
        """And no others."""
        ledger.holds.hold("acme", "dead", "first", TTL_S)
        clock.advance(TTL_S)
        ledger.holds.hold("acme", "alive", "second", TTL_S)
        assert (ledger.holds.sweep(), ledger.holds.sweep()) == (1, 0)
        with pytest.raises(RequestInFlight):
            ledger.holds.hold("acme", "alive", "third", TTL_S)

    def test_many_at_once(self, ledger: Ledger) -> None:
        """Of eight that ask at the same time one gets the key."""

        def ask(number: int) -> bool:
            try:
                ledger.holds.hold("acme", "k", f"holder-{number}", TTL_S)
            except RequestInFlight:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(ask, range(8))) == 1
