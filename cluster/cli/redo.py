"""``meetmemo redo``: one stage of jobs done again, told with hours and price first where that is wanted."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console

from cluster.cli.common.option_flags import SHORT_FLAGS, pairs_of, takes_options
from cluster.cli.common.options import JsonOption, OptionalJobsArgument
from cluster.cli.common.tables import ids, print_json, show_table, words
from cluster.cli.common.target import USUAL_CLUSTER, ClusterTarget, Group
from cluster.cli.estimate import estimate_text
from cluster.cli.usage_report import since
from deployments.schemas.redo import RedoOptions
from pipelines.errors import OptionError
from pipelines.ids import new_id
from pipelines.jobs.stages import Stage

_SUMS = ("n_jobs", "n_made", "n_refused", "n_minutes", "heard_h")
_OF_ESTIMATE = ("audio_h", "n_probed", "wall_s", "cost_usd", "device_s", "device_cost_usd")


def add_redo(app: Group, console: Console) -> None:
    """Add the command to the program."""

    def redo(
        *,
        jobs: OptionalJobsArgument = None,
        stage: Annotated[Stage, typer.Option(help="Which stage is done again.")],
        batch: Annotated[str | None, typer.Option(help="All jobs of this batch.")] = None,
        search: Annotated[str | None, typer.Option(help="Jobs with hits of this search.")] = None,
        where: Annotated[
            list[str] | None,
            typer.Option("--where", help="Filter of the search as of GET /v1/search, name=value; may be repeated."),
        ] = None,
        after: Annotated[
            str | None, typer.Option("--since", help="First day of the search, such as 2026-11-01, or 36h, 7d, 2w.")
        ] = None,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what it would take.")] = False,
        options: dict[str, Any],
        cluster: ClusterTarget = USUAL_CLUSTER,
        as_json: JsonOption = False,
    ) -> None:
        """Do one stage again, as new jobs: of single jobs, of a batch, or of what a search finds; the rest is kept.

        Exit code 1 when a job is refused.
        """
        body = {**options, "stage": stage.value, "dry_run": dry_run, **_selection(jobs, batch, search, where, after)}
        found = _all(cluster, body)
        if as_json:
            print_json(found)
        else:
            _show(console, found)
        if found["n_refused"]:
            raise typer.Exit(1)

    app.command("redo")(takes_options(redo, RedoOptions, {**SHORT_FLAGS, "minutes": "--writer"}))


def _selection(
    jobs: Sequence[str] | None,
    batch: str | None,
    search: str | None,
    where: Sequence[str] | None,
    after: str | None,
) -> dict[str, Any]:
    if sum(map(bool, (jobs, batch, search))) != 1:
        raise OptionError("Give either jobs, --batch or --search.")
    if search is None:
        if where or after:
            raise OptionError("--where and --since narrow a --search.")
        return {"batch": batch} if batch else {"jobs": list(jobs or ())}
    pairs = [pair for pair in where or () if not pair.startswith("metadata=")]
    metadata = [pair.partition("=")[2] for pair in where or () if pair.startswith("metadata=")]
    query: dict[str, Any] = {"q": search, **pairs_of(pairs), **({"metadata": metadata} if metadata else {})}
    if after:
        query["created_after"] = since(after, datetime.now(UTC)).isoformat()
    return {"search": query}


def _all(cluster: ClusterTarget, body: Mapping[str, Any]) -> dict[str, Any]:
    """Ask until a batch comes to its end; return the sums of all answers, and all jobs."""
    key = new_id()
    found = cluster.ask("redo", body, key)
    while found["next_after"] is not None:
        more = cluster.ask("redo", {**body, "after": found["next_after"]}, key)
        sums = {name: found[name] + more[name] for name in _SUMS}
        decoded = {**found["decoded"], **{n: _added(found["decoded"][n], more["decoded"][n]) for n in _OF_ESTIMATE}}
        found = {**more, **sums, "decoded": decoded, "jobs": [*found["jobs"], *more["jobs"]]}
    return found


def _added(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _show(console: Console, found: Mapping[str, Any]) -> None:
    rows = [
        (each["job_id"], each["filename"], each["work"] or "", each["redo"] or "", each["reason"] or "", each["detail"])
        for each in found["jobs"]
    ]
    columns = (*ids("job"), *words("file", "recording"), *ids("new job"), *words("refused", "why"))
    show_table(console, columns, rows)
    made = "would be made" if found["dry_run"] else "made"
    n_made = found["n_jobs"] - found["n_refused"] if found["dry_run"] else found["n_made"]
    told = Console(stderr=True)  # what is piped on is the list alone
    kept = f"; kept: {', '.join(found['kept'])}" if found["kept"] else ""
    told.print(f"{n_made} jobs {made}, {found['n_refused']} refused{kept}", highlight=False)
    told.print(f"to decode: {estimate_text(found['decoded'])}", highlight=False, soft_wrap=True)
    if found["heard_h"]:
        told.print(f"voices to tell apart in {found['heard_h']:.2f} hours, nothing decoded", highlight=False)
    told.print(f"minutes to write: {found['n_minutes']}", highlight=False)
