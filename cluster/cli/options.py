"""Options and connections that the groups of commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.settings.settings import Settings

Ask = Callable[..., dict[str, Any]]
"""Calls a method of `cluster.client.http.Client` by name, at an endpoint."""
Endpoint = Callable[[Path | None, Path | None, str | None], str]
ReadSettings = Callable[[Path | None, Path | None], Settings]

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="YAML file with settings.", envvar="MEETMEMO_CONFIG", dir_okay=False),
]
HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder of the ledger, the store and models (MEETMEMO_HOME).")
]
JobArgument = Annotated[str, typer.Argument(help="The job's id.")]
BatchArgument = Annotated[str, typer.Argument(help="The batch's id.")]
ModelArgument = Annotated[str, typer.Argument(help="The model's name.")]
UrlOption = Annotated[
    str | None, typer.Option("--url", help="Endpoint of a cluster; default: this home's.", envvar="MEETMEMO_URL")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
