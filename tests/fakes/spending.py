"""`MemorySpending` and `MemoryPlaces`: what MinutesWriters share, in memory; same contracts as the real ones."""

import threading
from collections.abc import Callable
from datetime import date

from pipelines.core import Usage
from pipelines.minutes.provider.place_table import Places, PlaceTable, Turn
from pipelines.minutes.provider.spending_book import Ceiling, DailyLimits, Room


class MemorySpending:
    """`pipelines.minutes.provider.spending_book.SpendingBook` in dicts; ``check`` raises during an outage."""

    def __init__(self, *, check: Callable[[], None] = lambda: None) -> None:
        self._check = check
        self._lock = threading.Lock()
        self._used: dict[tuple[str, date], Usage] = {}
        self._aside: dict[str, tuple[str, date, Ceiling]] = {}

    def open(self, tenant: str, day: date, earlier: Usage) -> None:
        self._check()
        with self._lock:
            self._used.setdefault((tenant, day), earlier)

    def reserve(self, call_id: str, tenant: str, day: date, wanted: Ceiling, limits: DailyLimits) -> Room:
        self._check()
        with self._lock:
            if call_id in self._aside:
                return Room.TAKEN
            others = [ceiling for *key, ceiling in self._aside.values() if tuple(key) == (tenant, day)]
            reserved = Ceiling(tokens=sum(c.tokens for c in others), cost_usd=sum(c.cost_usd for c in others))
            room = Room.of(self._used.get((tenant, day), Usage()), reserved, wanted, limits)
            if room is Room.TAKEN:
                self._aside[call_id] = (tenant, day, wanted)
            return room

    def settle(self, call_id: str, tenant: str, day: date, used: Usage) -> None:
        self._check()
        with self._lock:
            if self._aside.pop(call_id, None) is not None:
                self._used[tenant, day] = self._used.get((tenant, day), Usage()) + used

    def release(self, call_id: str) -> None:
        self._check()
        with self._lock:
            self._aside.pop(call_id, None)

    def spent(self, tenant: str, day: date) -> Usage:
        self._check()
        with self._lock:
            return self._used.get((tenant, day), Usage())


class MemoryPlaces:
    """`pipelines.minutes.provider.place_table.PlaceBook` in memory; ``check`` raises during an outage."""

    def __init__(self, *, clock: Callable[[], float], check: Callable[[], None] = lambda: None) -> None:
        self._check = check
        self._clock = clock
        self._lock = threading.Lock()
        self.table = PlaceTable()

    def take_turn(self, turn: Turn, most: int) -> Places:
        self._check()
        with self._lock:
            self.table, places = self.table.after(turn, most, self._clock())
            return places
