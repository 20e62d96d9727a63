"""``meetmemo hold``: keep jobs, whatever their retention says and whoever wants them gone."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from cluster.cli.common.options import JobArgument, JsonOption
from cluster.cli.common.tables import ids, minute, print_json, show_table, words
from cluster.cli.common.target import USUAL_CLUSTER, ClusterTarget, Group
from pipelines.errors import OptionError

ReasonOption = Annotated[str, typer.Option(help="Why; whoever wants to delete something is told.")]
NameOption = Annotated[str, typer.Option(help="What the hold is called, such as the matter.")]


def hold_app(console: Console) -> Group:
    """Build the sub-commands."""
    app = Group(help="Legal holds: what must stay, whatever its retention says and whoever wants it gone.")

    def told(hold: dict[str, Any], as_json: bool) -> None:
        if as_json:
            print_json(hold)
            return
        state = "is in force" if hold["active"] else "is released"
        console.print(f"Hold {hold['id']} {state}: {escape(_scope(hold))}.", soft_wrap=True)

    @app.command("job")
    def hold_job(
        job_id: JobArgument,
        reason: ReasonOption,
        name: NameOption = "",
        cluster: ClusterTarget = USUAL_CLUSTER,
        as_json: JsonOption = False,
    ) -> None:
        """Hold a job, and those that replayed it or wrote its minutes anew."""
        told(cluster.ask("hold_job", job_id, {"reason": reason, "name": name}), as_json)

    @app.command("place")
    def place(
        reason: ReasonOption,
        name: NameOption = "",
        batch: Annotated[str | None, typer.Option(help="Jobs of this batch.")] = None,
        external_id: Annotated[str | None, typer.Option(help="The job with this external id.")] = None,
        metadata: Annotated[
            list[str] | None, typer.Option(help="Jobs with this pair, name=value (* is any); may be repeated.")
        ] = None,
        cluster: ClusterTarget = USUAL_CLUSTER,
        as_json: JsonOption = False,
    ) -> None:
        """Hold all jobs that fulfil every condition, also those that come later."""
        given = {"reason": reason, "name": name, "batch": batch, "external_id": external_id, "metadata": metadata}
        told(cluster.ask("place_hold", {field: value for field, value in given.items() if value}), as_json)

    @app.command("list")
    def list_holds(
        released: Annotated[bool, typer.Option("--released", help="Also those that were released.")] = False,
        cluster: ClusterTarget = USUAL_CLUSTER,
        as_json: JsonOption = False,
    ) -> None:
        """List holds, the newest first."""
        found = cluster.ask("holds", {"released": str(released).lower()})
        if as_json:
            print_json(found)
            return
        columns = (*ids("id"), *words("name", "what", "reason", "placed by", "placed", "released"))
        show_table(console, columns, [_row(hold) for hold in found["holds"]])

    @app.command("release")
    def release(
        hold_id: Annotated[str | None, typer.Argument(help="The hold's id.")] = None,
        job: Annotated[str | None, typer.Option(help="Instead: the job whose own hold ends.")] = None,
        reason: Annotated[str, typer.Option(help="Why it ends.")] = "",
        cluster: ClusterTarget = USUAL_CLUSTER,
        as_json: JsonOption = False,
    ) -> None:
        """End a hold; the record of it stays."""
        if (hold_id is None) == (job is None):
            raise OptionError("Name a hold, or a --job.")
        method, name = ("release_hold", hold_id) if hold_id else ("release_job", job)
        told(cluster.ask(method, name, reason), as_json)

    return app


def _scope(hold: dict[str, Any]) -> str:
    parts = [f"{field.replace('_', ' ')} {hold[field]}" for field in ("job", "batch", "external_id") if hold[field]]
    return ", ".join([*parts, *hold["metadata"]])


def _row(hold: dict[str, Any]) -> list[str]:
    return [
        *(hold["id"], hold["name"], _scope(hold), hold["reason"], hold["placed_by"]),
        *(minute(hold["placed_at"]), minute(hold["released_at"])),
    ]
