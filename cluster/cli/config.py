"""``meetmemo config`` and ``meetmemo init``: make settings, check them, show what results."""

import json
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console

from cluster.cli.common.options import ConfigOption, HomeOption, JsonOption, PortOption
from cluster.cli.common.tables import print_json
from cluster.cli.common.target import USUAL_HOME, Group, HomeTarget, config_file, read_settings
from cluster.settings.check import check_settings
from cluster.settings.settings import Settings
from cluster.settings.sources import process_environment
from cluster.settings.starters import STARTERS, Place
from pipelines.errors import ConfigurationError


def config_app() -> Group:
    """Build the sub-commands."""
    app = Group(help="Settings: check them, show what results, their schema.")

    @app.command("show")
    def show(config: ConfigOption = None, home: HomeOption = None, port: PortOption = None) -> None:
        """Print the resolved settings as YAML, secrets masked."""
        values = read_settings(config, home, port).model_dump(mode="json")
        typer.echo(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), nl=False)

    @app.command("check")
    def check(
        file: Annotated[
            Path | None, typer.Argument(help="The settings file; default: that of --config or of the home.")
        ] = None,
        config: ConfigOption = None,
        home: HomeOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Name every fault of the settings at once, each with its line: of the file, of the environment, together.

        Reaches neither the ledger nor the store nor a cluster; `meetmemo doctor` does. Exit code 2 where there are any.
        """
        from cluster.lifecycle.buildable import complaints_about

        path = file or config or config_file(home)
        env = process_environment() | ({"MEETMEMO_HOME": str(home)} if home else {})
        found = check_settings(path, env, complaints_about)
        if as_json:
            faults = [{"line": fault.line, "setting": fault.setting, "message": fault.message} for fault in found]
            print_json({"file": str(path) if path else None, "faults": faults})
        else:
            for fault in found:
                typer.echo(fault.told(path))
            if not found:
                typer.echo(f"{path or 'The defaults and the environment'}: no faults")
        if found:
            raise typer.Exit(2)

    @app.command("schema")
    def schema() -> None:
        """Print the JSON Schema of a settings file, for editors."""
        typer.echo(json.dumps(Settings.model_json_schema(), indent=2, ensure_ascii=False))

    @app.command("serve")
    def serve(home: HomeTarget = USUAL_HOME) -> None:
        """Print the settings as the file that `serve deploy` and KubeRay's `serveConfigV2` take, without secrets."""
        from cluster.serve.config_file import serve_yaml

        typer.echo(serve_yaml(home.settings()), nl=False)

    return app


def add_init(app: Group, console: Console) -> None:
    """Add the command to the program."""

    @app.command()
    def init(
        place: Annotated[Place, typer.Argument(help="Where it is to run.")] = "laptop",
        out: Annotated[
            Path | None, typer.Option("--out", "-o", help="File to write; default: config.yaml in the home.")
        ] = None,
        force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
        home: HomeOption = None,
    ) -> None:
        """Write a settings file to begin with, every line explained; the other commands read that of the home."""
        path = out or config_file(home, there=False)
        assert path is not None
        if path.exists() and not force:
            raise ConfigurationError(f"{path} is there already; --force writes over it.")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_text(STARTERS[place], encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from None
        console.print(f"{path}: written. `meetmemo config check` looks for faults.", soft_wrap=True, highlight=False)
