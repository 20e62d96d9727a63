"""``meetmemo export``: everything that there is of a person or a matter, as a ZIP."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from cluster.cli.common.target import USUAL_CLUSTER, ClusterTarget, Group
from cluster.client.http import Client
from pipelines.errors import OptionError


def add_export(app: Group, console: Console) -> None:
    """Add the command to the program."""

    @app.command()
    def export(
        file: Annotated[Path, typer.Argument(help="The ZIP to write.", dir_okay=False)],
        external_id: Annotated[str | None, typer.Option(help="The job with this external id.")] = None,
        voice: Annotated[str | None, typer.Option(help="Jobs in which this voice profile named a speaker.")] = None,
        metadata: Annotated[
            list[str] | None, typer.Option(help="Jobs with this pair, name=value (* is any); may be repeated.")
        ] = None,
        cluster: ClusterTarget = USUAL_CLUSTER,
    ) -> None:
        """Export all that there is of a person: records, documents, versions, recordings where they are kept."""
        given = {"external_id": external_id, "voice": voice, "metadata": metadata}
        body = {name: value for name, value in given.items() if value}
        if not body:
            raise OptionError("Name an --external-id, a --voice or --metadata.")

        async def save() -> None:
            async with Client(cluster.endpoint()) as client:
                await client.save_export(body, file)

        asyncio.run(save())
        console.print(f"{escape(str(file))}: {file.stat().st_size} bytes.", soft_wrap=True)
