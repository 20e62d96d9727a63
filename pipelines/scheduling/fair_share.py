"""Choose the queued jobs that are begun next: tenants with the fewest jobs being transcribed come first."""

import heapq
from collections.abc import Mapping, Sequence

Waiting = tuple[float, str]
"""When a job was created (Unix seconds), and its id."""


def share_out(in_hand: Mapping[str, int], waiting: Mapping[str, Sequence[Waiting]], limit: int) -> list[str]:
    """Choose up to ``limit`` of the jobs that wait, each tenant's in its own order; return their ids.

    ``in_hand`` counts the jobs of each tenant that are being transcribed. Among tenants with as many, the one whose
    job waits longest comes first.
    """
    heap = [(in_hand.get(tenant, 0), jobs[0], 0, tenant) for tenant, jobs in waiting.items() if jobs]
    heapq.heapify(heap)
    chosen: list[str] = []
    while heap and len(chosen) < limit:
        n_in_hand, (_, job_id), place, tenant = heapq.heappop(heap)
        chosen.append(job_id)
        if place + 1 < len(waiting[tenant]):
            heapq.heappush(heap, (n_in_hand + 1, waiting[tenant][place + 1], place + 1, tenant))
    return chosen
