"""The commands about all transcripts: ``meetmemo search``, ``meetmemo reindex``, ``meetmemo review``."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from cluster.cli.common.options import JsonOption
from cluster.cli.common.tables import ids, numbers, print_json, show_table, words
from cluster.cli.common.target import USUAL_CLUSTER, ClusterTarget, Group
from cluster.cli.usage_report import since
from cluster.client.transcribe import clock
from pipelines.review.reasons import ReviewReason


def add_search(app: Group, console: Console) -> None:
    """Add the commands to the program."""

    @app.command()
    def search(
        terms: Annotated[list[str], typer.Argument(help='Words, "\\"phrases\\"", begin*; after --, also -without.')],
        speaker: Annotated[str | None, typer.Option(help="Only what is said by this speaker.")] = None,
        language: Annotated[str | None, typer.Option(help="Only passages in it; a code such as en.")] = None,
        within: Annotated[
            Literal["transcripts", "minutes"] | None, typer.Option("--in", help="Only these; default: both.")
        ] = None,
        metadata: Annotated[
            list[str] | None, typer.Option(help="Only jobs with this pair, name=value; may be repeated.")
        ] = None,
        batch: Annotated[str | None, typer.Option(help="Only jobs of this batch.")] = None,
        job: Annotated[str | None, typer.Option(help="Only this job.")] = None,
        after: Annotated[
            str | None, typer.Option("--since", help="First day, such as 2026-11-01, or how long ago: 36h, 7d, 2w.")
        ] = None,
        before: Annotated[
            str | None, typer.Option("--before", help="Only jobs created before; written so, too.")
        ] = None,
        newest: Annotated[bool, typer.Option("--newest", help="Those of the newest jobs first.")] = False,
        limit: Annotated[int, typer.Option(min=1, max=100, help="Hits to show at most.")] = 20,
        cluster: ClusterTarget = USUAL_CLUSTER,
        as_json: JsonOption = False,
    ) -> None:
        """Find what was said: in all transcripts and minutes, with its second and its speaker, the best first."""
        now = datetime.now(UTC)
        wanted = {
            "q": " ".join(terms),
            "speaker": speaker,
            "language": language,
            "within": within,
            "metadata": metadata,
            "batch": batch,
            "job": job,
            "created_after": since(after, now).isoformat() if after else None,
            "created_before": since(before, now).isoformat() if before else None,
            "sort": "newest" if newest else "relevance",
            "limit": limit,
        }
        found = cluster.ask("search", {name: value for name, value in wanted.items() if value})
        if as_json:
            print_json(found)
            return
        columns = (*ids("job"), *words("file"), *numbers("at"), *words("speaker", "kind", "passage"))
        show_table(console, columns, [_hit_row(hit) for hit in found["hits"]])
        count = f"{found['total']}{' or more' if found['more'] else ''} hits"
        waiting = f", {found['pending']} jobs still to be indexed" if found["pending"] else ""
        told = Console(stderr=True)  # what is piped on is the list alone
        told.print(f"{len(found['hits'])} of {count}{waiting}", highlight=False)

    @app.command()
    def reindex(cluster: ClusterTarget = USUAL_CLUSTER) -> None:
        """Have every transcript and all minutes of all tenants indexed again; what is found meanwhile stays."""
        console.print(f"{cluster.ask('rebuild_search')['pending']} jobs are to be indexed.")


def _hit_row(hit: dict[str, Any]) -> list[str]:
    minutes, seconds = divmod(int(hit["start_s"]), 60)
    passage = "".join(part["text"] for part in hit["text"])
    return [hit["job_id"], hit["filename"], f"{minutes}:{seconds:02}", hit["speaker"], hit["kind"], passage]


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
        show_table(console, columns, [_review_row(item) for item in found["items"]])
        told = Console(stderr=True)  # what is piped on is the list alone
        told.print(f"{found['open']} to hear ({clock(found['open_s'])}), {found['done']} done", highlight=False)


def _review_row(item: dict[str, Any]) -> list[str]:
    reasons = ", ".join(item["reasons"])
    times = (clock(item["start_s"]), clock(item["end_s"]))
    return [item["id"], item["filename"], *times, f"{item['score']:.2f}", reasons, item["text"]]
