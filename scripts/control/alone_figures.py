"""The figures of Coordinators that were measured alone: rows of bench-control.json, and their table as Markdown."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from scripts.control.coordinator_alone import Alone


@dataclass(frozen=True, kw_only=True)
class AloneFigures:
    """One run of ``n_shards`` Coordinators at once, each with a process and ``n_jobs / n_shards`` jobs of its own.

    ``shard_ms`` is the processor time that each shard's Coordinator took for one of its own jobs, ``server_ms`` what
    the ledger's server took for a job of any shard (0 with SQLite, which is in the Coordinator). ``calls`` are ledger
    transactions and store calls per job.
    """

    kind: str = "alone"
    tree: str
    shape: str
    ledger: str
    number: int
    n_shards: int
    n_jobs: int
    n_chunks: int
    wall_s: float
    shard_ms: tuple[float, ...]
    server_ms: float
    calls: dict[str, float]

    @classmethod
    def of(cls, tree: str, shape: str, ledger: str, number: int, shards: Sequence[Alone]) -> Self:
        """Put the shards of a run together."""
        n_jobs = sum(one.n_jobs for one in shards)
        calls = sum((one.calls for one in shards), type(shards[0].calls)())
        return cls(
            tree=tree,
            shape=shape,
            ledger=ledger,
            number=number,
            n_shards=len(shards),
            n_jobs=n_jobs,
            n_chunks=sum(one.n_jobs * one.n_chunks for one in shards),
            wall_s=max(one.wall_s for one in shards),
            shard_ms=tuple(one.ms_a_job for one in shards),
            server_ms=1000 * max(one.server_s for one in shards) / n_jobs,  # each saw it for about as long
            calls={name: n / n_jobs for name, n in sorted(calls.items())},
        )

    @property
    def jobs_a_second(self) -> float:
        """Jobs a second of all shards, where each Coordinator has a core and the ledger's server those it needs."""
        return sum(1000 / ms for ms in self.shard_ms)

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as JSON takes them."""
        return asdict(self)


def alone_table(measured: Sequence[AloneFigures]) -> str:
    """Return a row for each run, with its gain over the same checkout's single Coordinator in the same round."""
    lines = [
        "| checkout | shape | ledger | shards | Coordinator, ms a job | a chunk | server, ms a job "
        "| jobs/s with a core each | × one shard |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    single = {_load(one): one for one in measured if one.n_shards == 1}
    for one in measured:
        mean_ms = sum(one.shard_ms) / one.n_shards
        alone = single.get(_load(one))
        gain = f"{one.jobs_a_second / alone.jobs_a_second:.2f}" if alone else "–"
        lines.append(
            f"| {one.tree} | {one.shape} | {one.ledger} | {one.n_shards} | {mean_ms:.2f} "
            f"| {mean_ms * one.n_jobs / one.n_chunks:.3f} | {one.server_ms:.2f} | {one.jobs_a_second:.0f} | {gain} |"
        )
    return "\n".join(lines)


def _load(one: AloneFigures) -> tuple[str, str, str, int]:
    return one.tree, one.shape, one.ledger, one.number
