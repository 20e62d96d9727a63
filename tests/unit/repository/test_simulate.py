"""`scripts/simulate`: costs read from measured runs, and clusters that are planned with them."""

import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from scripts.scaling.capacity import Prices, simulate
from scripts.scaling.check import predict
from scripts.scaling.cluster import FULL, Cluster, bounds, device_speed, sized, walls
from scripts.scaling.costs import Cost, Costs, Shape, fit, read_rows
from scripts.scaling.job_flow import Arrivals, JobFlow
from scripts.scaling.model import Scenario, Simulation
from scripts.scaling.stations import Clock, Machine, Station

CALLS = Shape(name="calls", audio_s=35.0, n_chunks=1.75)
MEETINGS = Shape(name="meetings", audio_s=600.0, n_chunks=20.0)
PRICES = Prices()


def per_chunk(job: float, each: float) -> Cost:
    return Cost(job=job, unit="chunk", each=each)


COSTS = Costs(
    parts={
        "coordinator": per_chunk(3.0, 0.3),
        "segmenter": Cost(job=10.0, unit="audio_s", each=1.0),
        "ingestion": Cost(job=10.0, unit="audio_s", each=0.05),
        "minutes writers": per_chunk(8.0, 0.5),
        "ledger": per_chunk(4.0, 0.05),
        "transcribers": per_chunk(2.0, 5.0),
    },
    idle_ms={"coordinator": 20.0},
    store_calls=per_chunk(20.0, 6.0),
    ledger_writes=per_chunk(4.0, 0.0),
)


def measured_row(shape: Shape, n_jobs: int = 100, *, wall_s: float = 10.0, **changed: Any) -> dict[str, Any]:
    """Return a row as `scripts/bench-control` writes it: by 2 + 1 ms a chunk of one part, 1 ms a second of another."""
    idle_ms = 20.0
    return {
        "shape": shape.name,
        "way": "batch",
        "ledger": "postgresql",
        "n_jobs": n_jobs,
        "n_chunks": shape.n_chunks * n_jobs,
        "audio_s": shape.audio_s * n_jobs,
        "wall_s": wall_s,
        "n_shards": 1,
        "cores_free": 1.0,
        "work_ms": {
            "Coordinator": 2 + shape.n_chunks + idle_ms * wall_s / n_jobs,
            "pipelines.audio.sandbox_host: ended children": shape.audio_s,
            "postgres: meetmemo postgres 127.0.0.1(1) idle": 0.5,
            "postgres: walwriter ": 0.5,
            "raylet": 1.0,
        },
        "idle_ms": {"Coordinator": idle_ms},
        "calls": {
            "Coordinator": {"store get": shape.n_chunks, "ledger writing": 2.0},
            "Segmenter": {"store put": 3.0},
        },
    } | changed


def written(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    path = tmp_path / "bench-control.json"
    path.write_text(json.dumps({"rows": rows}))
    return path


def test_costs_are_read_from_a_run(tmp_path: Path) -> None:
    """A cost of a job and of its chunks is found again; idle time is not part of it, processes are put together."""
    alone = {"kind": "alone", "shard_ms": [3.0]}
    costs = fit(read_rows([written(tmp_path, measured_row(CALLS), measured_row(MEETINGS), alone)]))
    coordinator = costs.parts["coordinator"]
    assert (coordinator.job, coordinator.each) == pytest.approx((2.0, 1.0))
    assert costs.parts["segmenter"].of(MEETINGS) == pytest.approx(600.0)
    assert costs.parts["ledger"].of(CALLS) == pytest.approx(1.0)
    assert costs.store_calls.of(CALLS) == pytest.approx(4.75)
    assert costs.ledger_writes.of(MEETINGS) == pytest.approx(2.0)
    assert costs.idle_ms["coordinator"] == 20.0
    assert (costs.idle_ms["ray"], costs.job_s("ray", CALLS)) == pytest.approx((10.0, 0.0))  # 1 ms a job, 10 jobs/s


def test_costs_are_never_negative(tmp_path: Path) -> None:
    """What cost less for a longer recording costs by the job; what cost more than in proportion, by the chunk."""
    rows = [measured_row(CALLS), measured_row(MEETINGS)]
    rows[0]["work_ms"] |= {"Ingestion": 5.0, "MinutesWriter": 1.0}
    rows[1]["work_ms"] |= {"Ingestion": 4.0, "MinutesWriter": 100.0}
    costs = fit(read_rows([written(tmp_path, *rows)]))
    assert costs.parts["ingestion"].each == 0.0
    assert 4.0 < costs.parts["ingestion"].job < 5.0
    assert costs.parts["minutes writers"].job == 0.0


def test_costs_need_two_shapes_of_one_kind(tmp_path: Path) -> None:
    """One shape does not tell a job's cost from a chunk's; uploads and batches cost differently."""
    with pytest.raises(ValueError, match="two shapes"):
        fit(read_rows([written(tmp_path, measured_row(CALLS))]))
    with pytest.raises(ValueError, match="several kinds"):
        fit(read_rows([written(tmp_path, measured_row(CALLS), measured_row(MEETINGS, way="upload"))]))


@pytest.mark.parametrize("load", [0.3, 0.8])
def test_a_station_waits_as_queueing_theory_says(load: float) -> None:
    """Poisson arrivals and a constant service of 1 s wait rho / (2 (1 - rho)) seconds on average (M/D/1)."""
    clock, rng, waited_s = Clock(), Random(3), []
    station = Station(clock)

    def arrive() -> None:
        came_s = clock.now_s
        station.serve(1.0, lambda: waited_s.append(clock.now_s - came_s - 1.0))
        clock.after(rng.expovariate(load), arrive)

    arrive()
    clock.run(60_000)
    assert sum(waited_s) / len(waited_s) == pytest.approx(load / (2 * (1 - load)), rel=0.08)
    assert station.share_busy(60_000) == pytest.approx(load, rel=0.03)


@pytest.mark.parametrize(("n_cores", "wall_s"), [(math.inf, 10.0), (2.0, 15.0), (1.0, 30.0), (1.5, 20.0)])
def test_stations_share_a_machine(n_cores: float, wall_s: float) -> None:
    """Three stations with 10 s of work each end when the machine's cores have done 30 s of it, in 10 s at the best."""
    clock = Clock()
    machine = Machine(n_cores)
    for station in [Station(clock, 1, machine) for _ in range(3)]:
        for _ in range(100):
            station.serve(0.1, lambda: None)
    clock.run()
    assert clock.now_s == pytest.approx(wall_s, rel=0.02)


@pytest.mark.parametrize("shape", [CALLS, MEETINGS])
@pytest.mark.parametrize("devices", [1, 20])
def test_no_cluster_does_more_than_its_least_resource(shape: Shape, devices: int) -> None:
    """A backlog is worked off as fast as the resource can that is least, and never faster."""
    cluster = Cluster(devices=devices, speed=500.0, segmenters=3, store_nodes=4)
    n_jobs = 40_000 // round(shape.audio_s)
    flow = JobFlow(cluster, COSTS, shape, Arrivals(n_jobs=n_jobs, at_once=n_jobs)).run()
    most = min(bounds(cluster, COSTS, shape).values())
    assert flow.n_jobs == n_jobs
    assert 0.8 * most < flow.audio_s_per_s <= 1.01 * most


def test_more_shards_are_never_slower() -> None:
    """Coordinators divide the work by the product's hash; where they are the bound, twice as many do twice as much."""
    base = Cluster(devices=50, speed=500.0, segmenters=100, ingestion=20, minutes_writers=20, store_nodes=40)
    done = []
    for shards in (1, 2, 4, 16):
        arrivals = Arrivals(n_jobs=1500, at_once=1500)
        done.append(JobFlow(replace(base, shards=shards), COSTS, CALLS, arrivals).run().jobs_s)
    assert all(more >= 0.98 * fewer for fewer, more in pairwise(done))
    assert done[1] > 1.8 * done[0]


def test_a_planned_cluster_feeds_its_devices() -> None:
    """With as many processes as are reckoned no part is fuller than planned, and the devices are what bounds."""
    base = Cluster(devices=40, speed=500.0)
    alone = simulate(base, COSTS, CALLS, load=0.9, prices=PRICES)
    assert (alone.bound_by, alone.keeps_up) == ("segmenter", False)
    assert alone.fill > 0.95
    fed = simulate(sized(base, COSTS, CALLS, load=0.9), COSTS, CALLS, load=0.9, prices=PRICES)
    assert (fed.bound_by, fed.keeps_up) == ("devices", True)
    assert fed.flow.audio_s_per_s == pytest.approx(fed.asked, rel=0.1)
    for part in ("segmenter", "ingestion", "minutes writers", "store"):
        assert fed.flow.fill[part] < FULL + 0.08, part
    assert fed.usd < alone.usd / 5


def test_those_who_submit_are_many() -> None:
    """What one submitter's process takes for a job holds up a batch of its own, and no cluster."""
    costs = replace(COSTS, parts={**COSTS.parts, "client": per_chunk(20.0, 0.0)})
    cluster = sized(Cluster(devices=40, speed=500.0), costs, CALLS, load=0.9)
    fed = simulate(cluster, costs, CALLS, load=0.9, prices=PRICES)
    assert fed.flow.audio_s_per_s == pytest.approx(fed.asked, rel=0.1)
    batch = JobFlow(cluster, costs, CALLS, Arrivals(n_jobs=500, at_once=500)).run()
    assert batch.jobs_s < 50.0


def test_the_price_of_an_audio_hour() -> None:
    """A device of $3.60 that hears 900 s a second costs $0.004 an audio hour, cores of little price aside."""
    row = simulate(
        Cluster(devices=1, speed=500.0), COSTS, MEETINGS, load=0.9, prices=Prices(device_usd=3.6, core_usd=0.0)
    )
    assert row.usd == pytest.approx(3.6 / row.flow.audio_s_per_s)


def test_walls_are_named_lowest_first() -> None:
    """The ledger's few cores are the first wall of short jobs: 16 of them by 4 + 0.0875 ms a job."""
    found = walls(Cluster(devices=1, speed=500.0), COSTS, CALLS)
    assert next(iter(found)) == "ledger"
    assert found["ledger"] == pytest.approx(16 / 0.0040875 * 35)
    assert device_speed(Cluster(devices=1, speed=500.0, batch_overhead_s=0.0), CALLS) == pytest.approx(500.0)


def test_a_run_is_predicted_by_costs_of_others(tmp_path: Path) -> None:
    """A run whose costs lie on the line of two others is predicted, its speed by the cores that were left to it."""
    middle = Shape(name="middle", audio_s=120.0, n_chunks=5.0)
    job_ms = 2 + middle.n_chunks + middle.audio_s + 1.0 + 1.0
    row = measured_row(middle, 200, wall_s=200 * job_ms / 1000 + 0.5)
    runs = read_rows([written(tmp_path, measured_row(CALLS), measured_row(MEETINGS), row)])
    found = {one.what: one for one in predict(fit(runs[:2]), runs[2])}
    assert all(one.holds for one in found.values()), found
    assert found["jobs/s"].off == pytest.approx(0.0, abs=0.05)
    slower = replace(runs[2], wall_s=2 * runs[2].wall_s)
    assert not all(one.holds for one in predict(fit(runs[:2]), slower))
    unknown = predict(fit(runs[:2]), replace(runs[2], cores_free=0.0))
    assert {one.what for one in unknown} == found.keys() - {"jobs/s"}


def test_economy_work_waits_and_costs_less() -> None:
    """In a day with a peak, economy jobs leave the standard ones their place and need fewer replica hours."""
    day = Scenario(
        replicas=2,
        seconds=6 * 3600.0,
        speed=25.0,
        batch_rows=16,
        load=0.4,
        curve=(0.2, 2.0, 2.2, 1.0, 0.3, 0.1),
        job_minutes=(5.0, 60.0),
        policy="backlog",
    )
    alike, mixed = Simulation(day).run(), Simulation(replace(day, economy=0.5)).run()
    assert mixed.delay_p95_s < alike.delay_p95_s
    assert mixed.economy_delay_p50_s > mixed.delay_p50_s
    assert mixed.replica_hours < alike.replica_hours


def test_a_load_follows_its_curve() -> None:
    """Each part of the time has its own rate; without a curve the second tenth has the burst."""
    curved = Scenario(replicas=1, seconds=100.0, speed=1.0, batch_rows=1, curve=(1.0, 3.0))
    assert [curved.times_usual(now_s) for now_s in (0.0, 49.0, 51.0, 100.0)] == [1.0, 1.0, 3.0, 3.0]
    burst = replace(curved, curve=(), burst=6.0)
    assert [burst.times_usual(now_s) for now_s in (5.0, 15.0, 25.0)] == [1.0, 6.0, 1.0]
