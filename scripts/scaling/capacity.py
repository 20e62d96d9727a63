"""Where a number of devices is bound: by what, how full it is, how many processes would feed them, at which price."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scripts.scaling.cluster import Cluster, bounds, device_speed, sized, usd_per_audio_hour, walls
from scripts.scaling.costs import Costs, Shape
from scripts.scaling.job_flow import Arrivals, Flow, JobFlow

FEWEST_S, MOST_S = 20.0, 600.0
N_JOBS = 6_000
"""About so many jobs are simulated, as far as the least and the most time permit."""
OVERLOAD = 1.1
"""So much more than a cluster can carry is sent to it at most: more would only wait."""


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Dollars for an hour of a device with its host, and of a core elsewhere."""

    device_usd: float = 3.5
    core_usd: float = 0.04


@dataclass(frozen=True, kw_only=True)
class Row:
    """A cluster under a load: what it could carry by resource, and what came of it in simulated time.

    ``asked`` and the bounds are audio seconds per second. ``usd`` is the price of an audio hour.
    """

    cluster: Cluster
    asked: float
    bounds: Mapping[str, float]
    flow: Flow
    usd: float

    @property
    def bound_by(self) -> str:
        """The resource that can carry the least."""
        return min(self.bounds, key=lambda name: self.bounds[name])

    @property
    def most(self) -> float:
        """Audio seconds per second that the cluster can carry."""
        return min(self.bounds.values())

    @property
    def fill(self) -> float:
        """How full the resource is that can carry the least."""
        return self.flow.fill[self.bound_by]

    @property
    def keeps_up(self) -> bool:
        """Whether the load is carried; else jobs wait ever longer, and delays only tell how long was simulated."""
        return self.asked <= self.most


def simulate(cluster: Cluster, costs: Costs, shape: Shape, *, load: float, prices: Prices, seed: int = 1) -> Row:
    """Let jobs come that keep so large a share of the devices busy, were all else without limits."""
    asked = load * cluster.devices * device_speed(cluster, shape)
    most = bounds(cluster, costs, shape)
    jobs_s = min(asked, OVERLOAD * min(most.values())) / shape.audio_s
    seconds = min(MOST_S, max(FEWEST_S, N_JOBS / jobs_s))
    flow = JobFlow(cluster, costs, shape, Arrivals(jobs_s=jobs_s, seconds=seconds), seed=seed).run()
    return Row(
        cluster=cluster,
        asked=asked,
        bounds=most,
        flow=flow,
        usd=usd_per_audio_hour(
            cluster,
            costs,
            audio_s_per_s=flow.audio_s_per_s,
            device_usd=prices.device_usd,
            core_usd=prices.core_usd,
        ),
    )


def simulate_all(
    base: Cluster, devices: Sequence[int], costs: Costs, shape: Shape, *, load: float, prices: Prices, feed: bool
) -> list[Row]:
    """Simulate each number of devices, with the processes that ``base`` has, or to ``feed`` all of them."""
    rows = []
    for n_devices in devices:
        cluster = replace(base, devices=n_devices)
        if feed:
            cluster = sized(cluster, costs, shape, load=load)
        rows.append(simulate(cluster, costs, shape, load=load, prices=prices))
    return rows


def table(rows: Sequence[Row]) -> str:
    """Format a Markdown table with a row per number of devices."""
    columns = (
        *("devices", "shards", "Segmenter cores", "Ingestion", "MinutesWriters", "store nodes", "asked, audio s/s"),
        *("done", "bound by", "at most", "full", "delay p50", "p95", "$ per audio hour"),
    )
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        cluster, flow = row.cluster, row.flow
        delays = [f"{delay_s:.1f} s" if row.keeps_up else "grows" for delay_s in flow.delay_s]
        numbers = (cluster.devices, cluster.shards, cluster.segmenters, cluster.ingestion, cluster.minutes_writers)
        cells = [
            *(f"{number:,}" for number in (*numbers, cluster.store_nodes)),
            *(f"{row.asked:,.0f}", f"{flow.audio_s_per_s:,.0f}", row.bound_by, f"{row.most:,.0f}"),
            *(f"{100 * row.fill:.0f} %", *delays, f"{row.usd:.4f}"),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def walls_table(base: Cluster, costs: Costs, shapes: Sequence[Shape]) -> str:
    """Format a Markdown table of what no number of processes raises, as devices of the cluster's speed."""
    lines = ["| shape | " + " | ".join(f"wall {number + 1}" for number in range(2)) + " |", "|---|---|---|"]
    for shape in shapes:
        each = device_speed(base, shape)
        found = walls(base, costs, shape)
        cells = [f"{name}: {most:,.0f} audio s/s, {most / each:,.0f} devices" for name, most in found.items()]
        lines.append(f"| {shape.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
