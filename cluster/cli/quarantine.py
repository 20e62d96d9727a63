"""``meetmemo quarantine``: chunks that were given up, and decoding them again."""

from typing import Annotated

import typer
from rich.console import Console

from cluster.cli.common.options import JobArgument, JsonOption
from cluster.cli.common.tables import ids, numbers, print_json, show_table, words
from cluster.cli.common.target import USUAL_CLUSTER, ClusterTarget, Group


def quarantine_app(console: Console) -> Group:
    """Build the sub-commands."""
    app = Group(help="Chunks that were given up: list them, decode them again.")

    @app.command("list")
    def list_chunks(
        limit: Annotated[int, typer.Option(min=1, max=1000, help="Jobs to show at most.")] = 100,
        cluster: ClusterTarget = USUAL_CLUSTER,
        as_json: JsonOption = False,
    ) -> None:
        """List the chunks in quarantine, those of the newest jobs first."""
        found = cluster.ask("quarantine", limit)
        if as_json:
            print_json(found)
            return
        rows = [
            (
                chunk["job_id"],
                str(chunk["index"]),
                chunk["filename"],
                f"{chunk['start_s']:.1f} s",
                f"{chunk['end_s']:.1f} s",
                str(len(chunk["attempts"])),
                (chunk["error"].strip().splitlines() or [""])[-1][:120],
            )
            for chunk in found["chunks"]
        ]
        columns = (*ids("job"), *numbers("chunk"), *words("file"), *numbers("from", "to", "attempts"), *words("error"))
        show_table(console, columns, rows)

    @app.command("replay")
    def replay(
        job_id: JobArgument,
        chunks: Annotated[list[int] | None, typer.Argument(help="Chunks to decode again; default: all.")] = None,
        cluster: ClusterTarget = USUAL_CLUSTER,
    ) -> None:
        """Decode a job's chunks in quarantine again, as a new job that takes everything else from the old one."""
        job = cluster.ask("replay", job_id, chunks or [])
        console.print(f"{job['id']}: decodes them again; `meetmemo jobs show {job['id']}` tells how it goes.")

    return app
