"""`scripts/simulate`: where clusters of any size are bound, by measured costs; the queue and its policies without.

1. With ``--costs`` the costs of a job are fitted to runs of `scripts/bench-control` (`scripts.scaling.costs`), and
   clusters of each size are simulated with them (`scripts.scaling.capacity`).
2. With ``--check`` besides, measured runs are predicted instead (`scripts.scaling.check`); exit code 1 over 20 %.
3. Without, the queue, the autoscaling, economy work and estimates are simulated (`scripts.scaling.queue_report`).
"""

import argparse
import sys
from pathlib import Path

from scripts.scaling import capacity, check, plots
from scripts.scaling.capacity import Prices
from scripts.scaling.cluster import Cluster
from scripts.scaling.costs import Costs, Measured, Shape, fit, read_rows
from scripts.scaling.queue_report import print_report

SHAPES = {"calls": "35s", "meetings": "10min"}
"""The shapes of clusters by those of `scripts/bench-control`, whose length and chunks they have."""


def main() -> None:
    options = parse()
    if not options.costs:
        runs = print_report(options.speed, options.batch, options.rows_per_second)
        if options.out:
            plots.plot_queue(runs, options.out)
        return
    known = [run for run in read_rows(options.costs) if is_kind(run, options)]
    fitted = [run for run in known if run.n_shards == 1 and (not options.fit or run.shape.name in options.fit)]
    try:
        costs = fit(fitted)
    except ValueError as error:
        sys.exit(f"simulate: {error}")
    print(f"Costs of {', '.join(dict.fromkeys(run.label for run in fitted))}:\n\n{costs_table(costs)}\n")
    if options.check:
        others = [run for run in read_rows(options.check) if is_kind(run, options) and run not in fitted]
        sys.exit(predict_all(costs, others, options.out))
    plan(costs, {name: shape_of(known, name) for name in options.shape}, options)


def parse() -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(prog="simulate", description="Where clusters of any size are bound.")
    add = parser.add_argument
    add("--costs", type=Path, nargs="+", default=[], help="bench-control.json files: what jobs cost")
    add("--way", choices=("upload", "batch"), default="batch", help="of the runs to take from them (%(default)s)")
    add("--ledger", choices=("sqlite", "postgresql"), default="postgresql", help="the same (%(default)s)")
    add("--fit", nargs="+", default=[], help="only runs of these shapes tell costs (all)")
    add("--check", type=Path, nargs="+", help="files whose other runs are predicted; exit code 1 where 20 %% off")
    add("--shape", nargs="+", choices=list(SHAPES), default=list(SHAPES), help="what is transcribed (both)")
    add("--devices", type=int, nargs="+", default=[1, 10, 100, 1000], help="(%(default)s)")
    add("--speed", type=float, default=500.0, help="audio seconds per second of one device, stated (%(default)s)")
    add("--batch", type=int, default=64, help="rows in a batch (%(default)s)")
    add("--load", type=float, default=0.9, help="share of the devices' time that is asked for (%(default)s)")
    add("--shards", type=int, default=1, help="Coordinators (%(default)s)")
    add("--segmenters", type=int, default=1, help="cores of Segmenters (%(default)s)")
    add("--ingestion", type=int, default=1, help="replicas (%(default)s)")
    add("--minutes-writers", type=int, default=1, help="replicas (%(default)s)")
    add("--ledger-cores", type=int, default=16, help="of PostgreSQL's machine (%(default)s)")
    add("--store-nodes", type=int, default=1, help="of 2.5 GB/s and 5,000 calls/s each (%(default)s)")
    add("--device-usd", type=float, default=Prices.device_usd, help="an hour of a device with its host (%(default)s)")
    add("--core-usd", type=float, default=Prices.core_usd, help="an hour of any other core (%(default)s)")
    add("--rows-per-second", type=float, help="what the Coordinator handles, without --costs; default: the queue's / 4")
    add("--out", type=Path, help="file for the plot")
    return parser.parse_args()


def is_kind(run: Measured, options: argparse.Namespace) -> bool:
    """Return whether a run has the way and the ledger that are asked for."""
    return (run.way, run.ledger) == (options.way, options.ledger)


def shape_of(runs: list[Measured], name: str) -> Shape:
    """Return a shape as it was measured; exits where it was not."""
    for run in runs:
        if run.shape.name == SHAPES[name]:
            return Shape(name=name, audio_s=run.shape.audio_s, n_chunks=run.shape.n_chunks)
    sys.exit(f"simulate: no run has the shape {SHAPES[name]} of {name}")


def predict_all(costs: Costs, runs: list[Measured], out: Path | None) -> int:
    """Print what was predicted of each run and measured; return the exit code."""
    if not runs:
        print("No run is left to predict.")
        return 1
    checked = [(run, check.predict(costs, run)) for run in runs]
    print(check.table(checked))
    if out:
        plots.plot_check(checked, out)
    return int(not all(one.holds for _, predictions in checked for one in predictions))


def plan(costs: Costs, shapes: dict[str, Shape], options: argparse.Namespace) -> None:
    """Print where each number of devices is bound, as the cluster is and with all that feeds them."""
    base = Cluster(
        devices=1,
        speed=options.speed,
        rows=options.batch,
        shards=options.shards,
        segmenters=options.segmenters,
        ingestion=options.ingestion,
        minutes_writers=options.minutes_writers,
        ledger_cores=options.ledger_cores,
        store_nodes=options.store_nodes,
    )
    prices = Prices(device_usd=options.device_usd, core_usd=options.core_usd)
    print(f"Devices of {options.speed:g} × real time (stated), asked for {options.load:g} of that.\n")
    found: dict[bool, dict[str, list[capacity.Row]]] = {False: {}, True: {}}
    for feed, told in ((False, "with the processes given"), (True, "with as many processes as feed the devices")):
        for name, shape in shapes.items():
            rows = capacity.simulate_all(
                base, options.devices, costs, shape, load=options.load, prices=prices, feed=feed
            )
            found[feed][name] = rows
            print(f"{name.capitalize()}, {told}:\n\n{capacity.table(rows)}\n", flush=True)
    print(f"What no number of processes raises:\n\n{capacity.walls_table(base, costs, list(shapes.values()))}")
    if options.out:
        plots.plot_capacity(found[True], found[False], options.out)


def costs_table(costs: Costs) -> str:
    """Format a Markdown table of what each part takes."""
    lines = ["| part | ms a job | ms each | of | idle, ms a second |", "|---|---|---|---|---|"]
    units = {"chunk": "chunk", "audio_s": "second of audio"}
    for part, cost in costs.parts.items():
        idle = costs.idle_ms.get(part, 0.0)
        lines.append(f"| {part} | {cost.job:.2f} | {cost.each:.3f} | {units[cost.unit]} | {idle:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
