"""Decide how many replicas a model needs for its work; the rule of the product and of its simulation."""

BUSY_OVER_S = 60.0
"""Seconds over which it is measured how busy replicas are: by the moment, little work that all share keeps all busy."""


ECONOMY_CATCH_UP_S = 12 * 3600.0
"""Economy work adds a replica only where it would not be done in half the day that it may take."""


def replicas_wanted(
    *, busy: float, backlog_s: float, speed: float, catch_up_s: float, economy_backlog_s: float = 0.0
) -> float:
    """Return the replicas for the work that goes on, plus those that clear the backlog within ``catch_up_s`` seconds.

    ``busy``: replicas' worth of standard work now, the sum of their busy shares over `BUSY_OVER_S`. ``backlog_s``:
    audio seconds of it that wait and no replica has claimed. ``economy_backlog_s`` is what waits of economy work, for
    which `ECONOMY_CATCH_UP_S` will do: replicas that only have such work are the first to go. ``speed``: audio seconds
    per second of one replica. Not rounded. Raises ValueError for a speed or a time that is not positive.
    """
    if speed <= 0 or catch_up_s <= 0:
        raise ValueError(f"no rule for a speed of {speed} and a time of {catch_up_s}")
    return busy + (backlog_s / catch_up_s + economy_backlog_s / ECONOMY_CATCH_UP_S) / speed
