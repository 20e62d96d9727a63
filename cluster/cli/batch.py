"""``meetmemo batch``: submit thousands of recordings as one, watch them in one progress bar, steer them."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from cluster.cli.option_flags import PairsOption, pairs_of, takes_options
from cluster.cli.options import BatchArgument, JsonOption
from cluster.cli.target import USUAL_CLUSTER, ClusterTarget, Group
from cluster.client.batch_upload import plan, submit, upload_missing, watch
from cluster.client.http import Client
from cluster.client.transcribe import clock


def batch_app(console: Console) -> Group:
    """Build the commands."""
    app = Group(help="Thousands of recordings as one: submit, steer, fetch the manifest.")

    def report(batch: dict[str, Any]) -> None:
        counts = ", ".join(f"{n} {state}" for state, n in batch["counts"].items())
        console.print(f"{batch['id']}: {batch['state']}, {batch['n_entries']} recordings: {counts}", soft_wrap=True)
        if estimate := batch["estimate"]:
            wall = "unknown time" if estimate["wall_s"] is None else clock(estimate["wall_s"])
            cost = "" if estimate["cost_usd"] is None else f", ${estimate['cost_usd']:.2f}"
            unreadable = f", {estimate['n_unreadable']} cannot be read" if estimate["n_unreadable"] else ""
            console.print(f"{estimate['audio_h']:.2f} hours of audio, {wall}{cost}{unreadable}", soft_wrap=True)

    def end(batch: dict[str, Any]) -> None:
        report(batch)
        if batch["counts"].get("failed"):
            raise typer.Exit(1)

    def submit_command(
        *,
        source: Annotated[str, typer.Argument(help="A folder, a manifest (*.jsonl), or s3://bucket/prefix/.")],
        options: dict[str, Any],
        option: PairsOption = None,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look: hours, expected time and cost.")] = False,
        detach: Annotated[bool, typer.Option("--detach", "-d", help="Do not wait for the end.")] = False,
        cluster: ClusterTarget = USUAL_CLUSTER,
    ) -> None:
        """Submit a batch and show its progress. Interrupted, it goes on; `batch status --watch` shows it again.

        A folder's recordings are uploaded; submitted again, the same folder goes on where it was interrupted.
        """
        planned = plan(source, pairs_of(option, options), dry_run=dry_run)
        endpoint = cluster.endpoint()

        async def run() -> dict[str, Any]:
            async with Client(endpoint) as client:
                batch = await submit(client, planned)
                console.print(f"Batch {batch['id']}: {batch['n_entries']} recordings.", soft_wrap=True)
                uploads = asyncio.create_task(_upload(client, batch, source))
                if not detach:
                    batch = await watch(client, batch["id"], console, until=uploads)
                faults = await uploads
            for fault in faults:
                console.print(f"[red]{escape(fault)}[/red]", soft_wrap=True)
            if faults:
                raise typer.Exit(1)
            return batch

        end(asyncio.run(run()))

    app.command("submit")(takes_options(submit_command))

    @app.command("status")
    def status(
        batch_id: BatchArgument,
        follow: Annotated[bool, typer.Option("--watch", "-w", help="Show progress until it ends.")] = False,
        as_json: JsonOption = False,
        cluster: ClusterTarget = USUAL_CLUSTER,
    ) -> None:
        """Show how far a batch is."""
        endpoint = cluster.endpoint()

        async def run() -> dict[str, Any]:
            async with Client(endpoint) as client:
                return await watch(client, batch_id, console) if follow else await client.batch(batch_id)

        batch = asyncio.run(run())
        if as_json:
            console.print_json(json.dumps(batch))
        else:
            report(batch)

    def steer(move: str, help: str) -> None:
        @app.command(move, help=help)
        def command(batch_id: BatchArgument, cluster: ClusterTarget = USUAL_CLUSTER) -> None:
            answer = cluster.ask("batch", batch_id, move)
            if move == "retry":
                console.print(f"{answer['n_retried']} recordings are taken on again.")
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


async def _upload(client: Client, batch: dict[str, Any], source: str) -> list[str]:
    waits = batch["counts"].get("uploading")
    return await upload_missing(client, batch["id"], Path(source)) if waits else []
