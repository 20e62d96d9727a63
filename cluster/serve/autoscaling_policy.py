"""`BacklogPolicy`: how many Transcribers a model gets, by the audio that waits and the speed they measured.

Ray Serve calls it in its controller every control step, bounds what it returns by ``min_replicas`` and
``max_replicas`` and waits before it follows (``upscale_delay_s``, ``downscale_delay_s``). What replicas tell comes from
`cluster.serve.transcriber.TranscriberReplica.record_autoscaling_stats`.
"""

from typing import TYPE_CHECKING, Any

from pipelines.scheduling.replica_count import replicas_wanted

if TYPE_CHECKING:
    from ray.serve.config import AutoscalingContext

BUSY, SPEED, BATCH_AUDIO_S, BACKLOG_S, PARKED = "busy", "speed", "batch_audio_s", "backlog_s", "parked"
STANDARD_BUSY, ECONOMY_BACKLOG_S = "standard_busy", "economy_backlog_s"
"""Statistics that a replica reports: utilization, speed and batch of its `DecodeSlots`, the backlog it last saw, and
the calls that wait for work instead of work for them; the part of the utilization that is not economy work, and what
waits of that besides the backlog.
"""


class BacklogPolicy:
    """Decides the replicas of one model for Ray Serve by `pipelines.scheduling.replica_count.replicas_wanted`."""

    def __init__(self, catch_up_s: float, calls_at_once: int, decode_slots: int) -> None:
        """Take the pulls that a replica has open (``calls_at_once``) and how many of them it decodes at once."""
        self._catch_up_s = catch_up_s
        self._calls_at_once = calls_at_once
        self._decode_slots = decode_slots

    def __call__(self, context: "AutoscalingContext") -> tuple[float, dict[str, Any]]:
        """Return the replicas wanted, and no state."""
        told = {name: list(values.values()) for name, values in (context.aggregated_metrics or {}).items()}
        speeds = [speed for speed in told.get(SPEED, []) if speed > 0]
        if not speeds:  # nothing was decoded yet: by open calls, as Serve does without a policy
            return context.total_num_requests / self._calls_at_once, {}
        busy = sum(told.get(BUSY, []))
        # A replica learns of the backlog at the end of a batch. Until then open calls, one for each batch that waits,
        # tell at least a part of it: all of it while batches are long and calls are few.
        calls_waiting = max(0.0, context.total_num_requests - sum(told.get(PARKED, [])) - busy * self._decode_slots)
        batch_s = max(told.get(BATCH_AUDIO_S, []), default=0.0)
        economy_s = max(told.get(ECONOMY_BACKLOG_S, []), default=0.0)
        by_calls_s = max(0.0, calls_waiting * batch_s - economy_s)
        standard = sum(told.get(STANDARD_BUSY, told.get(BUSY, [])))
        wanted = replicas_wanted(
            busy=standard,
            backlog_s=max([by_calls_s, *told.get(BACKLOG_S, [])]),
            speed=sum(speeds) / len(speeds),
            catch_up_s=self._catch_up_s,
            economy_backlog_s=economy_s + (busy - standard) * self._decode_slots * batch_s,
        )
        return wanted, {}
