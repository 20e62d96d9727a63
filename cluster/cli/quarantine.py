"""``meetmemo quarantine``: chunks that were given up, and decoding them again."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cluster.cli.options import Ask, ConfigOption, Endpoint, HomeOption, JobArgument, UrlOption


def quarantine_app(ask: Ask, endpoint: Endpoint, console: Console) -> typer.Typer:
    """Build the sub-commands."""
    app = typer.Typer(no_args_is_help=True, help="Chunks that were given up: list them, decode them again.")

    @app.command("list")
    def list_chunks(
        limit: Annotated[int, typer.Option(min=1, max=1000, help="Jobs to show at most.")] = 100,
        config: ConfigOption = None,
        home: HomeOption = None,
        url: UrlOption = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    ) -> None:
        """List the chunks in quarantine, those of the newest jobs first."""
        found = ask(endpoint(config, home, url), "quarantine", limit)
        if as_json:
            console.print_json(json.dumps(found))
            return
        table = Table("job", "chunk", "file", "from", "to", "attempts", "error")
        for chunk in found["chunks"]:
            table.add_row(
                chunk["job_id"],
                str(chunk["index"]),
                escape(chunk["filename"]),
                f"{chunk['start_s']:.1f} s",
                f"{chunk['end_s']:.1f} s",
                str(len(chunk["attempts"])),
                escape((chunk["error"].strip().splitlines() or [""])[-1][:120]),
            )
        console.print(table)

    @app.command("replay")
    def replay(
        job_id: JobArgument,
        chunks: Annotated[list[int] | None, typer.Argument(help="Chunks to decode again; default: all.")] = None,
        config: ConfigOption = None,
        home: HomeOption = None,
        url: UrlOption = None,
    ) -> None:
        """Decode a job's chunks in quarantine again, as a new job that takes everything else from the old one."""
        job = ask(endpoint(config, home, url), "replay", job_id, chunks or [])
        console.print(f"{job['id']}: decodes them again; `meetmemo jobs show {job['id']}` tells how it goes.")

    return app
