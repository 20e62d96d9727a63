"""One limit on calls at once between several processes: who may have how many places. Pure.

A process takes a turn whenever its need changes, and at least every second while it has calls: it tells how many
run and wait and what became of others, and is told how many places it has until its next turn. The limit moves by the
outcomes of all as that of one process does by its own. Places are divided so that nobody has more than
another who wants some, and what nobody else wants is anybody's. A place that one is to lose is given to another only
after the first has said that it is free: together they never get more places than the limit has.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from pipelines.minutes.provider.call_limit import CallLimit

PLACES_TTL_S = 30.0
"""The places of a process that took no turn for so long are free: it was killed. One that lives starts no call then."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """The needs of one process, and the outcomes of its calls since its last turn; ``refusals`` by round.

    From the moment that it was made until the answer, no more than ``n_running`` of its calls may run.
    """

    replica: str
    n_running: int
    n_waiting: int = 0
    n_answered: int = 0
    refusals: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Places:
    """How many calls of a process may run until its next turn, and the round they belong to."""

    n: int
    round: int


@dataclass(frozen=True, kw_only=True)
class Sharer:
    """A process: calls that run, run or wait (``n_wanted``), and may run until its next turn (``n_held``).

    Times are Unix seconds: when it last had a place, and when it took its last turn.
    """

    n_running: int
    n_wanted: int
    n_held: int
    served_s: float
    seen_s: float


@dataclass(frozen=True, kw_only=True)
class PlaceTable:
    """The limit, None before the first turn, and who shares it."""

    limit: CallLimit | None = None
    sharers: Mapping[str, Sharer] = field(default_factory=dict)

    @property
    def n_held(self) -> int:
        """Calls that may run now, over all processes."""
        return sum(sharer.n_held for sharer in self.sharers.values())

    def after(self, turn: Turn, most: int, now_s: float) -> "tuple[PlaceTable, Places]":
        """Return the table after a turn, and the places of the process that took it; ``most`` bounds the limit."""
        others = {
            name: sharer
            for name, sharer in self.sharers.items()
            if name != turn.replica and now_s - sharer.seen_s <= PLACES_TTL_S
        }
        limit = _moved(self.limit, turn, most, sum(sharer.n_running for sharer in others.values()))
        before = self.sharers.get(turn.replica)
        n_wanted = turn.n_running + turn.n_waiting
        own = Sharer(
            n_running=turn.n_running,
            n_wanted=n_wanted,
            n_held=turn.n_running,
            served_s=before.served_s if before else 0.0,
            seen_s=now_s,
        )
        part = _divided(limit.n_calls, {**others, turn.replica: own})[turn.replica]
        n = max(0, min(part, limit.n_calls - sum(sharer.n_held for sharer in others.values())))
        own = replace(own, n_held=max(n, turn.n_running), served_s=now_s if n else own.served_s)
        # Who wants none and has none is gone from the table, not from the order of turns: it comes first again.
        sharers = {**others, turn.replica: own} if n_wanted else others
        return PlaceTable(limit=limit, sharers=sharers), Places(n=n, round=limit.round)


class PlaceBook(Protocol):
    """Keeps a `PlaceTable` that several processes share."""

    def take_turn(self, turn: Turn, most: int) -> Places:
        """Enter a turn and return the places of the process that took it; see `PlaceTable.after`.

        Blocks; raises `LedgerUnavailable`: the turn may have been entered or not.
        """


def _moved(limit: CallLimit | None, turn: Turn, most: int, n_running_elsewhere: int) -> CallLimit:
    """Return the limit after the outcomes of a turn."""
    moved = (limit or CallLimit.starting_at(most)).at_most(most)
    n_refused = sum(turn.refusals.values())
    n_running = n_running_elsewhere + turn.n_running + n_refused
    for round_, n in sorted(turn.refusals.items()):
        for _ in range(n):
            moved = moved.refused(round_, n_running)
    for _ in range(turn.n_answered):
        moved = moved.answered(most)
    return moved


def _divided(n_places: int, sharers: Mapping[str, Sharer]) -> dict[str, int]:
    """Divide places evenly among those who want some, at most as many as each wants.

    What does not divide goes to those who have waited longest.
    """
    parts = dict.fromkeys(sharers, 0)
    left = n_places
    wanting = [name for name in sharers if sharers[name].n_wanted]
    # By name at last: two that yield to each other would wait for ever.
    wanting.sort(key=lambda name: (sharers[name].served_s, name))
    while left and wanting:
        share = max(1, left // len(wanting))
        for name in wanting:
            more = min(share, left, sharers[name].n_wanted - parts[name])
            parts[name] += more
            left -= more
        wanting = [name for name in wanting if parts[name] < sharers[name].n_wanted]
    return parts
