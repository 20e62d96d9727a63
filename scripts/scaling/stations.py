"""Queues with servers in simulated time, and the machine whose cores they may have to share."""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable

Act = Callable[[], None]


class Clock:
    """Simulated time: acts happen in the order of their times, those of one time as they were planned."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._events: list[tuple[float, int, Act]] = []
        self._order = itertools.count()

    def after(self, seconds: float, act: Act) -> None:
        """Plan an act."""
        heapq.heappush(self._events, (self.now_s + seconds, next(self._order), act))

    def run(self, until_s: float = math.inf) -> None:
        """Let everything happen that is planned up to a time; nothing may be left before it."""
        while self._events and self._events[0][0] <= until_s:
            self.now_s, _, act = heapq.heappop(self._events)
            act()


class Machine:
    """Cores that the servers of several stations share; those that find none free wait for one."""

    def __init__(self, n_cores: float = math.inf) -> None:
        whole = math.ceil(n_cores) if n_cores < math.inf else math.inf
        self._free = whole
        self.slower = whole / n_cores if n_cores < math.inf else 1.0
        self._waiting: deque[Station] = deque()

    def take(self, station: "Station") -> bool:
        """Return whether the station has a core now; else it is woken when there is one."""
        if self._free > 0:
            self._free -= 1
            return True
        self._waiting.append(station)
        return False

    def give_back(self) -> None:
        """Free a core, and wake the station that has waited longest and still has a customer and a server for it."""
        self._free += 1
        while self._free > 0 and self._waiting:
            self._waiting.popleft().begin()


class Station:
    """Servers with one queue, first come, first served. A server beyond the ``machine``'s cores waits for one."""

    def __init__(self, clock: Clock, n_servers: int = 1, machine: Machine | None = None) -> None:
        self.busy_s = 0.0
        self._clock = clock
        self._n_servers = n_servers
        self._machine = machine or Machine()
        self._free = n_servers
        self._queue: deque[tuple[float, Act]] = deque()

    def serve(self, service_s: float, then: Act) -> None:
        """Serve a customer after those that came before, then go on with it."""
        if service_s <= 0:
            then()
            return
        self._queue.append((service_s, then))
        self.begin()

    def begin(self) -> None:
        """Begin with the next customer where one waits, a server is free and a core is."""
        if not self._queue or not self._free or not self._machine.take(self):
            return
        self._free -= 1
        service_s, then = self._queue.popleft()
        self.busy_s += service_s

        def end() -> None:
            self._free += 1
            self._machine.give_back()
            then()
            self.begin()

        self._clock.after(service_s * self._machine.slower, end)

    def share_busy(self, seconds: float) -> float:
        """Return how full the servers were."""
        return self.busy_s / (self._n_servers * seconds)
