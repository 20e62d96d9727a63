"""`scripts/bench-control`: the whole cluster with an engine that answers at once, as a table and JSON."""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from scripts.control.alone_figures import AloneFigures, alone_table
from scripts.control.coordinator_alone import run_alone
from scripts.control.figures import Figures, Tallies, table
from scripts.control.load import Client
from scripts.niceness import busy
from scripts.throughput.cli import SAMPLES, WORK
from scripts.throughput.meter import Meter, memory_by_part
from scripts.throughput.mixes import make_mix
from scripts.throughput.own_cluster import OwnCluster
from scripts.throughput.processes import ROOT
from scripts.throughput.report import run_record
from tests.servers.postgres import PostgresServer, find_binaries

SHAPES = {"10s": "calls-10", "35s": "calls-35", "10min": "meetings-10", "10h": "hours-10"}
CHUNKS = {"10s": 1, "35s": 2, "10min": 25, "10h": 1400}
"""About so many have the recordings of each shape."""
WAYS = ("upload", "batch")
LEDGERS = ("sqlite", "postgresql")
DEVICES, SPEED, STAND_IN = "BENCH_DEVICES", "BENCH_SPEED", "BENCH_STAND_IN"  # as `instant_cluster` has them
_HERE = Path(__file__).resolve().parent
_WARM_UP_JOBS = 8
_TALLIES_S = 1.2
"""After this every replica has written its last counts."""
_IDLE_S = 4.0
"""So long it is measured what the cluster takes when it has nothing to do."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="bench-control",
        description="What a job costs beside its transcription, with an engine that answers at once.",
    )
    add = parser.add_argument
    add("--shape", nargs="+", choices=list(SHAPES), default=["35s"], help="length of the recordings (%(default)s)")
    add("--way", nargs="+", choices=WAYS, default=["upload"], help="how they come (%(default)s)")
    add("--ledger", nargs="+", choices=LEDGERS, default=["sqlite"], help="(%(default)s)")
    add("--jobs", type=int, default=200, help="(%(default)s)")
    add("--replicas", type=int, default=1, help="Transcribers (%(default)s)")
    add("--devices", type=int, default=1, help="that each Transcriber pretends to have (%(default)s)")
    add("--speed", type=float, default=0.0, help="of a device, audio seconds a second; 0: at once (%(default)s)")
    add("--shards", type=int, nargs="+", default=[1], help="Coordinators, with PostgreSQL (%(default)s)")
    add("--stand-in", action="store_true", help="cut recordings by their length alone, and store no samples")
    add("--cores", type=int, default=os.cpu_count(), help="that the cluster counts on (%(default)s)")
    add("--alone", action="store_true", help="only the Coordinators, without Ray, with --jobs for each; takes a second")
    add("--rounds", type=int, default=1, help="of everything (%(default)s)")
    add("--against", type=Path, help="another checkout, measured in turn with this one")
    add("--work", type=Path, default=WORK, help="recordings (%(default)s)")
    add("--out", type=Path, help="folder for bench-control.json and bench-control.md")
    options = parser.parse_args()
    if options.stand_in and "batch" in options.way:
        parser.error("--stand-in knows a recording's length by its bytes, which those of a batch have elsewhere")
    if max(options.shards) > 1 and "sqlite" in options.ledger:
        parser.error("--shards above 1 needs --ledger postgresql")
    trees = [ROOT, *([options.against.resolve()] if options.against else [])]
    if options.alone:
        found = measure_alone(trees, options)
        print(alone_table(found))
        if options.out:
            write(options.out, options.cores, [one.as_dict() for one in found], alone_table(found))
        return
    measured: list[Figures] = []
    with ledgers(options.ledger) as (urls, _server_pid):
        loads = list(itertools.product(options.shape, options.way, options.ledger, options.shards))
        for number in range(options.rounds):
            for shape, way, ledger, n_shards in loads:
                for tree in trees if number % 2 == 0 else reversed(trees):
                    one = run(tree, shape, way, ledger, urls(ledger), number, n_shards, options)
                    measured.append(one)
                    print(f"{one.label}: {one.n_jobs} jobs in {one.wall_s:.1f} s", flush=True)
    measured.sort(key=lambda one: [str(one.tree) == name for name in map(name_of, reversed(trees))])
    print(table(measured), flush=True)
    if options.out:
        write(options.out, options.cores, [one.as_dict() for one in measured], table(measured))


def write(folder: Path, n_cores: int, rows: list[dict[str, Any]], text: str) -> None:
    """Write what was measured as bench-control.json, and its table as bench-control.md."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {**run_record("bench-control", n_cores), "rows": rows}
    (folder / "bench-control.json").write_text(json.dumps(record, indent=1) + "\n")
    (folder / "bench-control.md").write_text(text + "\n")


def measure_alone(trees: list[Path], options: argparse.Namespace) -> list[AloneFigures]:
    """Measure the Coordinators of each checkout in turn, each number of shards with each kind of ledger.

    Fewer shards than the most have as many other processes beside them as are missing: on cores that are all busy the
    same work takes more processor time.
    """
    found: list[AloneFigures] = []
    loads = list(itertools.product(options.shape, options.ledger, options.shards))
    for number in range(options.rounds):
        for shape, ledger, n_shards in loads:
            for tree in trees if number % 2 == 0 else reversed(trees):
                with ledgers([ledger]) as (urls, server_pid), busy(max(options.shards) - n_shards):
                    shards = run_alone(
                        tree,
                        n_shards,
                        options.jobs,
                        CHUNKS[shape],
                        ledger_url=urls(ledger),
                        server_pid=server_pid,
                    )
                one = AloneFigures.of(name_of(tree), shape, ledger, number, shards)
                found.append(one)
                for index, alone in enumerate(shards):
                    print(f"{one.tree}, {shape}, {ledger}, shard {index} of {n_shards}: {alone}", flush=True)
    return found


@contextlib.contextmanager
def ledgers(kinds: list[str]) -> Iterator[tuple[Callable[[str], str], int]]:
    """Give a function that makes a new ledger's URL ("" is SQLite in a home), and the server's process (0: none)."""
    if "postgresql" not in kinds:
        yield lambda kind: "", 0
        return
    binaries = find_binaries()
    if binaries is None:
        raise SystemExit("There is no PostgreSQL on this machine: apt-get install postgresql")
    with PostgresServer(binaries) as server:
        schemas = (f"bench{number}" for number in itertools.count())
        yield lambda kind: server.url(next(schemas)) if kind == "postgresql" else "", server.pid


def run(
    tree: Path,
    shape: str,
    way: str,
    ledger: str,
    ledger_url: str,
    number: int,
    n_shards: int,
    options: argparse.Namespace,
) -> Figures:
    """Measure one load on a cluster of its own, whose code is that of ``tree``."""
    recordings = [Path(one.path) for one in make_mix(SHAPES[shape], options.work, SAMPLES)]
    paths = [recordings[place % len(recordings)] for place in range(options.jobs)]
    with cluster(tree, ledger_url, n_shards, options) as own:
        client = Client(url=own.url)
        send = client.upload if way == "upload" else client.submit_batch
        asyncio.run(send(paths[:_WARM_UP_JOBS]))
        with Meter() as idle:
            time.sleep(_IDLE_S)
        before = Tallies.read(own.home / "tallies")
        idle_s = _idle_s()
        with Meter() as work:
            asyncio.run(send(paths))
        cores_free = (work.usage.cpu_s + _idle_s() - idle_s) / work.usage.wall_s
        memory = memory_by_part()
        time.sleep(_TALLIES_S)
        tallies = Tallies.read(own.home / "tallies").since(before)
        with Meter() as read:
            jobs = asyncio.run(client.read(len(paths)))
        return Figures.of(
            tree=name_of(tree),
            shape=shape,
            way=way,
            ledger=ledger,
            number=number,
            n_shards=n_shards,
            cores_free=cores_free,
            jobs=jobs,
            work=work.usage,
            idle=idle.usage,
            read=read.usage,
            tallies=tallies,
            memory=memory,
        )


def _idle_s() -> float:
    """Return the seconds that this machine's cores have had nothing to do since it started, all together."""
    times = psutil.cpu_times()
    return times.idle + getattr(times, "iowait", 0.0)


@contextlib.contextmanager
def cluster(tree: Path, ledger_url: str, n_shards: int, options: argparse.Namespace) -> Iterator[OwnCluster]:
    """Run a cluster of the code in ``tree``, with an engine that answers at once."""
    with tempfile.TemporaryDirectory(prefix="meetmemo-instant-") as folder:
        model = Path(folder)
        for name, content in (("config.json", "{}"), ("tokenizer.json", "{}"), ("vocabulary.json", "[]")):
            (model / name).write_text(content)
        (model / "model.bin").write_bytes(b"no weights")
        shape = {
            "name": "instant",
            "path": str(model),
            "min_replicas": options.replicas,
            "max_replicas": options.replicas,
        }
        own = OwnCluster(
            model,
            options.cores,
            program="instant_cluster",
            environment={
                "PYTHONPATH": os.pathsep.join([str(tree), str(_HERE)]),
                "MEETMEMO_MODELS": json.dumps([shape]),
                "MEETMEMO_LIMITS__SOURCE_FILES_BELOW": json.dumps([str(options.work)]),
                DEVICES: str(options.devices),
                SPEED: str(options.speed),
                **({STAND_IN: "1"} if options.stand_in else {}),
                **({"MEETMEMO_COORDINATOR__SHARDS": str(n_shards)} if n_shards > 1 else {}),
                **({"MEETMEMO_LEDGER_URL": ledger_url} if ledger_url else {}),
            },
            folder=tree,
        )
        try:
            yield own
        finally:
            own.close()


def name_of(tree: Path) -> str:
    """Return the commit of a checkout, with a + where files were changed since."""
    git = ["git", "-C", str(tree)]
    commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run(
        [*git, "status", "--porcelain", "-uno", "cluster", "deployments", "pipelines"], capture_output=True, text=True
    ).stdout
    return f"{commit}{'+' if changed else ''}" or tree.name


if __name__ == "__main__":
    main()
