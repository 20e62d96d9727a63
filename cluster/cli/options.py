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
JobArgument = Annotated[str, typer.Argument(help="The job's id.")]
BatchArgument = Annotated[str, typer.Argument(help="The batch's id.")]
ModelArgument = Annotated[str, typer.Argument(help="The model's name.")]
UrlOption = Annotated[
    str | None, typer.Option("--url", help="Endpoint of a cluster; default: this home's.", envvar=URL)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
