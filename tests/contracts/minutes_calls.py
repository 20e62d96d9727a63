"""What several MinutesWriters may ask of every ledger: budgets that hold together, and one limit on calls."""

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

from pipelines.core import Usage
from pipelines.ledger.protocol import Ledger
from pipelines.minutes.provider.place_table import PLACES_TTL_S, Turn
from pipelines.minutes.provider.spending_book import Ceiling, DailyLimits, Room
from tests.contracts.ledger_base import LedgerBase
from tests.fakes.ledger import ManualClock

DAY = date(2026, 11, 24)
LIMITS = DailyLimits(tokens=1000)


def used(tokens: int, cost_usd: float = 0.0) -> Usage:
    return Usage(n_calls=1, n_prompt=tokens, cost_usd=cost_usd)


class MinutesCallsContract(LedgerBase):
    """Two ledgers over the same data stand for two processes."""

    def reserve(self, ledger: Ledger, call_id: str, tokens: int, cost_usd: float = 0.0, **more: object) -> Room:
        named = {"tenant": "acme", "day": DAY, "limits": LIMITS} | more
        return ledger.spending.reserve(call_id, wanted=Ceiling(tokens=tokens, cost_usd=cost_usd), **named)  # type: ignore[arg-type]

    def test_what_is_set_aside_counts_for_all(self, ledger: Ledger, another: Ledger) -> None:
        """A call under way keeps its room until it is settled or released; what it used stays for the day."""
        ledger.spending.open("acme", DAY, used(100))
        another.spending.open("acme", DAY, used(700))  # it has begun
        assert self.reserve(ledger, "a", 600) is Room.TAKEN
        assert self.reserve(another, "b", 400) is Room.LATER
        assert self.reserve(another, "b", 901) is Room.NONE
        ledger.spending.settle("a", "acme", DAY, used(50))
        assert self.reserve(another, "b", 850) is Room.TAKEN
        assert self.reserve(ledger, "c", 1) is Room.LATER
        another.spending.release("b")
        assert self.reserve(ledger, "c", 1) is Room.TAKEN
        assert another.spending.spent("acme", DAY) == used(100) + used(50)

    def test_repeating_does_no_harm(self, ledger: Ledger) -> None:
        """A write whose answer was lost may be made again: nothing is set aside nor counted twice."""
        ledger.spending.open("acme", DAY, Usage())
        assert [self.reserve(ledger, "a", 1000) for _ in range(2)] == [Room.TAKEN, Room.TAKEN]
        for _ in range(2):
            ledger.spending.settle("a", "acme", DAY, used(7))
        ledger.spending.release("a")
        assert ledger.spending.spent("acme", DAY) == used(7)

    def test_a_killed_call_counts_until_the_day_is_over(self, ledger: Ledger, clock: ManualClock) -> None:
        """Nobody knows whether it was answered: its room is gone for the day, and for no other day or tenant."""
        later = DAY + timedelta(days=1)
        for tenant, day in (("acme", DAY), ("acme", later), ("other", DAY)):
            ledger.spending.open(tenant, day, Usage())
        assert self.reserve(ledger, "killed", 1000) is Room.TAKEN
        clock.advance(12 * 3600)
        assert self.reserve(ledger, "b", 1) is Room.LATER
        assert self.reserve(ledger, "c", 1000, day=later) is Room.TAKEN
        assert self.reserve(ledger, "d", 1000, tenant="other") is Room.TAKEN

    def test_dollars(self, ledger: Ledger) -> None:
        """Either bound is enough to refuse a call."""
        ledger.spending.open("acme", DAY, used(10, 0.5))
        limits = DailyLimits(tokens=1000, cost_usd=1.0)
        assert self.reserve(ledger, "a", 1, 0.25, limits=limits) is Room.TAKEN
        assert self.reserve(ledger, "b", 1, 0.5, limits=limits) is Room.LATER
        assert self.reserve(ledger, "b", 1, 0.75, limits=limits) is Room.NONE
        assert self.reserve(ledger, "b", 1, 0.25, limits=limits) is Room.TAKEN
        assert self.reserve(ledger, "c", 2000, 99.0, limits=DailyLimits()) is Room.TAKEN

    def test_four_at_once_never_overspend(self, ledger: Ledger, another: Ledger) -> None:
        """Four threads spend as fast as they can, and some are killed: spent and set aside stay within the budget.

        What is refused for good did not fit, so that the budget is used as far as calls of this size allow.
        """
        ledger.spending.open("acme", DAY, Usage())
        numbers = itertools.count()

        def spend(seed: int) -> tuple[int, int]:
            draw, own, spent, lost = random.Random(seed), (ledger, another)[seed % 2], 0, 0
            while True:
                call_id = f"call-{seed}-{next(numbers)}"
                room = self.reserve(own, call_id, 50)
                if room is Room.NONE:
                    return spent, lost
                if room is Room.LATER:
                    if draw.random() < 0.05:  # those that were killed never make room
                        return spent, lost
                    continue
                outcome, n_tokens = draw.random(), draw.randint(1, 50)
                if outcome < 0.7:
                    own.spending.settle(call_id, "acme", DAY, used(n_tokens))
                    spent += n_tokens
                elif outcome < 0.9:
                    own.spending.release(call_id)
                else:
                    lost += 50

        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(spend, range(4)))
        spent, lost = (sum(part) for part in zip(*found, strict=True))
        assert ledger.spending.spent("acme", DAY).n_tokens == spent
        assert spent + lost <= 1000
        assert spent + lost > 1000 - 50 - 4 * 50

    def test_places_are_shared(self, ledger: Ledger, another: Ledger, clock: ManualClock) -> None:
        """Two processes that want more than there is get half each; what one does not want is the other's."""
        assert ledger.places.take_turn(Turn(replica="a", n_running=0, n_waiting=20), 10).n == 10
        assert another.places.take_turn(Turn(replica="b", n_running=0, n_waiting=20), 10).n == 0
        assert ledger.places.take_turn(Turn(replica="a", n_running=8, n_waiting=20), 10).n == 5
        assert another.places.take_turn(Turn(replica="b", n_running=0, n_waiting=20), 10).n == 2
        assert ledger.places.take_turn(Turn(replica="a", n_running=0), 10).n == 0
        assert another.places.take_turn(Turn(replica="b", n_running=2, n_waiting=20), 10).n == 10
        assert ledger.places.take_turn(Turn(replica="a", n_running=0, n_waiting=1), 10).n == 0
        clock.advance(PLACES_TTL_S + 1)  # b was killed
        assert ledger.places.take_turn(Turn(replica="a", n_running=0, n_waiting=20), 10).n == 10

    def test_refusals_lower_the_limit_of_all(self, ledger: Ledger, another: Ledger) -> None:
        """One process is refused, and the other has fewer places, too."""
        assert ledger.places.take_turn(Turn(replica="a", n_running=0, n_waiting=100), 50).n == 50
        refused = Turn(replica="a", n_running=0, refusals={0: 10})
        ledger.places.take_turn(refused, 50)
        places = another.places.take_turn(Turn(replica="b", n_running=0, n_waiting=100), 50)
        assert (places.n, places.round) == (8, 1)

    def test_turns_at_once(self, ledger: Ledger, another: Ledger) -> None:
        """Four threads take turns as fast as they can: together they never have more places than there are."""

        def ask(number: int) -> int:
            own = (ledger, another)[number % 2]
            return own.places.take_turn(Turn(replica=f"r{number}", n_running=0, n_waiting=5), 8).n

        with ThreadPoolExecutor(4) as threads:
            assert sum(threads.map(ask, range(4))) == 8
