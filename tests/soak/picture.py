"""A soak in one picture: memory, open files, the ledger, the store, jobs and latency over time."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.soak.sampler import OTHERS, PARTS

_STYLES = ("-", "--", ":", "-.")


def draw(rows: Sequence[Mapping[str, float]], path: Path, title: str) -> None:
    """Draw the rows of `tests.soak.sampler` to an image file."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    minutes = [row["minute"] for row in rows]
    figure, places = pyplot.subplots(3, 2, figsize=(13, 12), sharex=True, layout="constrained")
    (memory, files), (ledger, store), (jobs, latency) = places

    def column(name: str) -> list[float]:
        return [row[name] for row in rows]

    def each(part: str, what: str) -> list[float]:
        return [row[f"{part} {what}"] / (1 if part == OTHERS else row[f"{part} processes"] or 1) for row in rows]

    for number, part in enumerate((*PARTS, OTHERS)):
        if all(value != value for value in column(f"{part} processes")):
            continue
        style = _STYLES[number // 5 % len(_STYLES)]
        label = "all others together" if part == OTHERS else part
        if part != OTHERS:
            memory.plot(minutes, each(part, "MiB"), style, label=label)
            files.plot(minutes, each(part, "files"), style, label=label)
        else:
            files.plot(minutes, each(part, "files"), style, label=label)
            memory.plot(minutes, [value / 10 for value in each(part, "MiB")], style, label=f"{label}, tenth")
    memory.set(title="resident memory of a process", ylabel="MiB")
    files.set(title="open files of a process")
    ledger.plot(minutes, column("ledger_mb"))
    ledger.set(title="the ledger in PostgreSQL", ylabel="MiB")
    store.plot(minutes, column("store_keys"), label="keys")
    store.plot(minutes, column("ended"), "--", label="jobs ended")
    store.set(title="keys in the store")
    jobs.plot(minutes, column("jobs_per_s"), label="jobs ended per second")
    jobs.set(title="rate; a process is killed every minute", xlabel="minutes", ylabel="jobs/s")
    latency.plot(minutes, column("p50_s"), label="median")
    latency.plot(minutes, column("p95_s"), "--", label="95th percentile")
    latency.set(title="from acceptance to the end", xlabel="minutes", ylabel="s", yscale="log")
    listing = latency.twinx()
    listing.plot(minutes, column("list_s"), ":", color="tab:green", label="GET /v1/jobs")
    listing.set(ylabel="s, a tenant's list of 50 jobs", ylim=(0, None))
    for place in (memory, files, ledger, store, jobs):
        place.set_ylim(bottom=0)
    for place in (memory, files):
        place.legend(fontsize=8, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.05))
    store.legend()
    lines = [*latency.get_lines(), *listing.get_lines()]
    latency.legend(lines, [str(line.get_label()) for line in lines])
    figure.suptitle(title)
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
