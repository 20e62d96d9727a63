"""The cluster that a command is about, by the options that name it, and the groups of commands that have these."""

import asyncio
import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any

import typer
from typer.models import CommandFunctionType

from cluster.cli.common.options import (
    BatchArgument,
    ConfigOption,
    HomeOption,
    JobArgument,
    JobsArgument,
    OptionalJobArgument,
    OptionalJobsArgument,
    UrlOption,
)
from cluster.client.http import ID_DIGITS, Client
from cluster.settings.settings import Settings, load_settings
from pipelines.errors import ConfigurationError


def read_settings(config: Path | None, home: Path | None, port: int | None = None, **flags: Any) -> Settings:
    """Read the settings of a home, from its own file where none is named; raises `ConfigurationError`."""
    return load_settings(config or config_file(home), flags={"home": home, "http": {"port": port}, **flags})


def config_file(home: Path | None, *, there: bool = True) -> Path | None:
    """Return the settings file of a home; None where it has none, unless it need not be ``there``."""
    path = (home or Path(os.environ.get("MEETMEMO_HOME") or load_settings(env={}).home)) / "config.yaml"
    return path if path.is_file() or not there else None


@dataclass(frozen=True, kw_only=True)
class HomeTarget:
    """A home, by the options ``--config`` and ``--home``."""

    config: ConfigOption = None
    home: HomeOption = None

    def settings(self) -> Settings:
        """Return its settings; raises `ConfigurationError`."""
        return read_settings(self.config, self.home)


@dataclass(frozen=True, kw_only=True)
class ClusterTarget(HomeTarget):
    """A running cluster: the one that ``--url`` names, else that of the home."""

    url: UrlOption = None

    def endpoint(self) -> str:
        """Return its URL; raises `ConfigurationError` when no cluster of the home runs."""
        if self.url:
            return self.url.rstrip("/")
        from cluster.lifecycle.running_cluster import find_running

        running = find_running(self.settings())
        if running is None:
            raise ConfigurationError(
                "No cluster of this home runs: start one with `meetmemo up`, or name one with --url."
            )
        return running.url

    def ask(self, method: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Call a method of `cluster.client.http.Client` by its name."""

        async def ask() -> dict[str, Any]:
            async with Client(self.endpoint()) as client:
                answer: dict[str, Any] = await getattr(client, method)(*arguments, **options)
                return answer

        return asyncio.run(ask())

    def whole_ids(self, kind: str, given: Sequence[str]) -> list[str]:
        """Return the ids of jobs or batches that begin so; raises `OptionError` where several do, `ApiError`.

        What nothing begins with is left as it is.
        """
        if all(len(prefix) >= ID_DIGITS for prefix in given):
            return list(given)

        async def ask() -> list[str]:
            async with Client(self.endpoint()) as client:
                return [await client.whole_id(kind, prefix) for prefix in given]

        return asyncio.run(ask())


USUAL_HOME, USUAL_CLUSTER = HomeTarget(), ClusterTarget()


class Group(typer.Typer):
    """Commands; a parameter of theirs that is a `HomeTarget` or `ClusterTarget` stands for the options that name it.

    With a `ClusterTarget` arguments that are ids may be unique prefixes of them.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(no_args_is_help=True, **options)

    def command(self, name: str | None = None, **options: Any) -> Callable[[CommandFunctionType], CommandFunctionType]:
        """Add a command."""
        register = super().command(name, **options)
        return lambda command: register(_with_options(command))


def _whole(cluster: ClusterTarget, kind: Any, given: Any) -> Any:
    if kind in (JobArgument, BatchArgument) or (kind is OptionalJobArgument and given):
        (found,) = cluster.whole_ids("batches" if kind is BatchArgument else "jobs", [given])
        return found
    several = kind is JobsArgument or (kind is OptionalJobsArgument and given)
    return cluster.whole_ids("jobs", given) if several else given


def _with_options(command: Callable[..., None]) -> Any:
    own = inspect.signature(command)
    target = next((each for each in own.parameters.values() if each.annotation in (HomeTarget, ClusterTarget)), None)
    if target is None:
        return command
    options = [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=field.type)
        for field in fields(target.annotation)
    ]

    @wraps(command)
    def run(**given: Any) -> None:
        named = {option.name: given.pop(option.name) for option in options}
        where = target.annotation(**named)
        if isinstance(where, ClusterTarget):
            given = {name: _whole(where, own.parameters[name].annotation, value) for name, value in given.items()}
        command(**given, **{target.name: where})

    parameters: list[inspect.Parameter] = []
    for each in own.parameters.values():
        parameters += options if each is target else [each.replace(kind=inspect.Parameter.KEYWORD_ONLY)]
    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]  # Typer reads it
    return run
