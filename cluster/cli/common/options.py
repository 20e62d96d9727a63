"""Options and arguments that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from cluster.settings.sources import CONFIG, URL

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="YAML file with settings.", envvar=CONFIG, dir_okay=False)
]
HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder of the ledger, the store and models (MEETMEMO_HOME).")
]
PortOption = Annotated[int | None, typer.Option("--port", help="Port of the HTTP endpoint (MEETMEMO_HTTP__PORT).")]
JobArgument = Annotated[str, typer.Argument(help="The job's id, or how it begins.")]
JobsArgument = Annotated[list[str], typer.Argument(help="Ids of jobs, or how they begin.")]
OptionalJobsArgument = Annotated[list[str] | None, typer.Argument(help="Ids of jobs, or how they begin.")]
OptionalJobArgument = Annotated[str | None, typer.Argument(help="The job's id, or how it begins.")]
BatchArgument = Annotated[str, typer.Argument(help="The batch's id, or how it begins.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="Rows to show at most.")]
ModelArgument = Annotated[str, typer.Argument(help="The model's name.")]
UrlOption = Annotated[
    str | None, typer.Option("--url", help="Endpoint of a cluster; default: this home's.", envvar=URL)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
