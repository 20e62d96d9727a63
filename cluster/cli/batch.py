"""``meetmemo batch``: submit thousands of recordings as one, watch them in one progress bar, steer them."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from cluster.cli.common.option_flags import PairsOption, options_given, takes_options
from cluster.cli.common.options import BatchArgument, JsonOption
from cluster.cli.common.tables import ids, minute, numbers, print_json, show_table, words
from cluster.cli.common.target import USUAL_CLUSTER, ClusterTarget, Group
from cluster.cli.estimate import counted, estimate_text, show_estimate, tell_unreadable
from cluster.client.batch_upload import BatchPlan, failed_entries, plan, submit, upload_missing, watch
from cluster.client.choices import check_choices
from cluster.client.dry_run import look_at
from cluster.client.http import Client

MAX_FAILED_SHOWN = 20


def batch_app(console: Console, errors: Console) -> Group:
    """Build the commands; ``errors`` shows progress."""
    app = Group(help="Thousands of recordings as one: submit, steer, fetch the manifest.")

    def report(batch: dict[str, Any], failed: Sequence[Mapping[str, Any]] = ()) -> None:
        counts = ", ".join(f"{n} {state}" for state, n in batch["counts"].items())
        console.print(f"{batch['id']}: {state_of(batch)}, {counted(batch['n_entries'])}: {counts}", soft_wrap=True)
        if batch["estimate"]:
            console.print(estimate_text(batch["estimate"]), soft_wrap=True, highlight=False)
        for entry in failed:
            console.print(f"[red]{escape(failure_text(entry))}[/red]", soft_wrap=True, highlight=False)
        if n_more := batch["counts"].get("failed", 0) - len(failed) if failed else 0:
            console.print(f"and {n_more} more; `meetmemo batch output {batch['id']}` lists all", soft_wrap=True)

    def submit_command(
        *,
        source: Annotated[
            str, typer.Argument(help="A folder, a recording, a manifest (*.jsonl), or s3://bucket/prefix/.")
        ],
        options: dict[str, Any],
        option: PairsOption = None,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look: hours, expected time and cost.")] = False,
        detach: Annotated[bool, typer.Option("--detach", "-d", help="Do not wait for the end.")] = False,
        cluster: ClusterTarget = USUAL_CLUSTER,
    ) -> None:
        """Submit a batch and show its progress. Interrupted, it goes on; `batch status --watch` shows it again.

        A folder's recordings are uploaded; submitted again, the same folder goes on where it was interrupted. What is
        a recording its content says; what is left out is listed, and the exit code is 1. A dry run of a folder looks
        at the recordings here and uploads nothing; a cluster that runs tells how long it takes and what it costs.
        """
        given = options_given(option, options)
        planned = plan(source, given, dry_run=dry_run)
        for item in planned.left_out:
            console.print(f"[yellow]{escape(str(item))}[/yellow]", soft_wrap=True, highlight=False)
        if dry_run and planned.uploads:
            looks = tell_unreadable(console, look_at(planned.uploads.values()))
            show_estimate(console, looks, cluster, given)
            if planned.left_out or any(look.unreadable for look in looks):
                raise typer.Exit(1)
            return
        endpoint = cluster.endpoint()

        async def run() -> tuple[dict[str, Any], list[dict[str, Any]]]:
            async with Client(endpoint) as client:
                await check_choices(client, given)
                batch = await submit(client, planned)
                console.print(f"Batch {batch['id']}: {counted(batch['n_entries'])}.", soft_wrap=True)
                uploads = asyncio.create_task(_upload(client, batch, planned))
                if not detach:
                    batch = await watch(client, batch["id"], errors, until=uploads)
                faults = await uploads
                failed = await failures(client, batch)
            for fault in faults:
                console.print(f"[red]{escape(fault)}[/red]", soft_wrap=True)
            if faults:
                raise typer.Exit(1)
            return batch, failed

        batch, failed = asyncio.run(run())
        report(batch, failed)
        if planned.left_out or batch["counts"].get("failed"):
            raise typer.Exit(1)

    app.command("submit")(takes_options(submit_command))

    @app.command("status")
    def status(
        batch_id: BatchArgument,
        follow: Annotated[bool, typer.Option("--watch", "-w", help="Show progress until it ends.")] = False,
        as_json: JsonOption = False,
        cluster: ClusterTarget = USUAL_CLUSTER,
    ) -> None:
        """Show how far a batch is, and the first recordings that failed, with the reason."""
        endpoint = cluster.endpoint()

        async def run() -> tuple[dict[str, Any], list[dict[str, Any]]]:
            async with Client(endpoint) as client:
                batch = await watch(client, batch_id, errors) if follow else await client.batch(batch_id)
                return batch, [] if as_json else await failures(client, batch)

        batch, failed = asyncio.run(run())
        if as_json:
            print_json(batch)
        else:
            report(batch, failed)

    @app.command("list")
    def list_batches(
        limit: Annotated[int, typer.Option(min=1, max=100, help="Batches to show at most.")] = 20,
        cluster: ClusterTarget = USUAL_CLUSTER,
        as_json: JsonOption = False,
    ) -> None:
        """List batches, newest first."""
        found = cluster.ask("batches", limit)
        if as_json:
            print_json(found)
            return
        rows = [
            (
                batch["id"],
                batch["name"],
                state_of(batch),
                str(batch["n_entries"]),
                str(batch["counts"].get("failed", 0)),
                minute(batch["created_at"]),
            )
            for batch in found["batches"]
        ]
        columns = (*ids("id"), *words("name", "state"), *numbers("recordings", "failed", "created (UTC)"))
        show_table(console, columns, rows)

    def steer(move: str, help: str) -> None:
        @app.command(move, help=help)
        def command(batch_id: BatchArgument, cluster: ClusterTarget = USUAL_CLUSTER) -> None:
            answer = cluster.ask("batch", batch_id, move)
            if move == "retry":
                console.print(f"{counted(answer['n_retried'])} taken on again.")
            report(answer.get("batch", answer))

    steer("pause", "Make no more of its jobs; those that are made go on.")
    steer("resume", "Go on, or start what was only looked at.")
    steer("cancel", "End it and its jobs.")
    steer("retry", "Take on again what failed.")

    @app.command("output")
    def output(
        batch_id: BatchArgument,
        out: Annotated[Path, typer.Option(help="File for the manifest.", dir_okay=False)] = Path("manifest.jsonl"),
        cluster: ClusterTarget = USUAL_CLUSTER,
    ) -> None:
        """Fetch the output manifest: a line per recording with its job, its state, and checksums of its results."""
        endpoint = cluster.endpoint()

        async def run() -> None:
            async with Client(endpoint) as client:
                await client.save_result(f"/v1/batches/{batch_id}/manifest", out)

        asyncio.run(run())
        console.print(str(out), soft_wrap=True)

    return app


async def failures(client: Client, batch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the first entries that failed, where some did."""
    return await failed_entries(client, batch["id"], MAX_FAILED_SHOWN) if batch["counts"].get("failed") else []


def failure_text(entry: Mapping[str, Any]) -> str:
    """Return which recording of a batch failed and why, in words."""
    name = entry["custom_id"] or entry["filename"] or entry["source"] or f"entry {entry['seq']}"
    return ": ".join(filter(None, (name, entry["reason"], entry["detail"])))


def state_of(batch: Mapping[str, Any]) -> str:
    """Return the state of a batch for people: a running one whose recordings have all ended is finished."""
    return "finished" if batch["finished"] and batch["state"] == "running" else str(batch["state"])


async def _upload(client: Client, batch: dict[str, Any], planned: BatchPlan) -> list[str]:
    waits = batch["counts"].get("uploading")
    return await upload_missing(client, batch["id"], planned.uploads) if waits else []
