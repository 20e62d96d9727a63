"""Decide how many replicas a model needs for its work; the rule of the product and of its simulation."""

BUSY_OVER_S = 60.0
"""Seconds over which it is measured how busy replicas are: by the moment, little work that all share keeps all busy."""


def replicas_wanted(*, busy: float, backlog_s: float, speed: float, catch_up_s: float) -> float:
    """Return the replicas for the work that goes on, plus those that clear the backlog within ``catch_up_s`` seconds.

    ``busy``: replicas' worth of work now, the sum of their busy shares over `BUSY_OVER_S`. ``backlog_s``: audio seconds
    that wait and no replica has claimed. ``speed``: audio seconds per second of one replica. Not rounded. Raises
    ValueError for a speed or a time that is not positive.
    """
    if speed <= 0 or catch_up_s <= 0:
        raise ValueError(f"no rule for a speed of {speed} and a time of {catch_up_s}")
    return busy + backlog_s / (speed * catch_up_s)
