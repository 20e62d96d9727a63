"""The command ``meetmemo review``."""

from typing import Annotated, Any

import typer
from rich.console import Console

from cluster.cli.options import JsonOption
from cluster.cli.tables import ids, numbers, print_json, show_table, words
from cluster.cli.target import USUAL_CLUSTER, ClusterTarget, Group
from cluster.client.transcribe import clock
from pipelines.review.reasons import ReviewReason


def add_review(app: Group, console: Console) -> None:
    """Add the command to the program."""

    @app.command()
    def review(
        batch: Annotated[str | None, typer.Option(help="Only jobs of this batch.")] = None,
        job: Annotated[str | None, typer.Option(help="Only this job.")] = None,
        reason: Annotated[ReviewReason | None, typer.Option(help="Only what is doubtful for this reason.")] = None,
        done: Annotated[
            list[str] | None, typer.Option("--done", help="Mark the item with this id as done; may be repeated.")
        ] = None,
        undone: Annotated[
            list[str] | None, typer.Option("--undone", help="Take the mark of the item back; may be repeated.")
        ] = None,
        show_done: Annotated[bool, typer.Option("--show-done", help="Those that are done, the latest first.")] = False,
        limit: Annotated[int, typer.Option(min=1, max=100, help="Items to show at most.")] = 20,
        cluster: ClusterTarget = USUAL_CLUSTER,
        as_json: JsonOption = False,
    ) -> None:
        """List the minutes of recordings that are most worth a person's ear, the most doubtful first."""
        for item_id in done or ():
            cluster.ask("mark_reviewed", item_id)
        for item_id in undone or ():
            cluster.ask("mark_reviewed", item_id, done=False)
        wanted = {"batch": batch, "job": job, "reason": reason, "done": "true" if show_done else None, "limit": limit}
        found = cluster.ask("review", {name: value for name, value in wanted.items() if value})
        if as_json:
            print_json(found)
            return
        columns = (*ids("item"), *words("file"), *numbers("from", "to", "score"), *words("reasons", "text"))
        show_table(console, columns, [_row(item) for item in found["items"]])
        told = Console(stderr=True)  # what is piped on is the list alone
        told.print(f"{found['open']} to hear ({clock(found['open_s'])}), {found['done']} done", highlight=False)


def _row(item: dict[str, Any]) -> list[str]:
    reasons = ", ".join(item["reasons"])
    times = (clock(item["start_s"]), clock(item["end_s"]))
    return [item["id"], item["filename"], *times, f"{item['score']:.2f}", reasons, item["text"]]
