"""The commands ``meetmemo estimate`` and ``meetmemo capacity``: what work would take before it is submitted."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from cluster.cli.common.option_flags import PairsOption, options_given, takes_options
from cluster.cli.common.options import JsonOption
from cluster.cli.common.tables import print_json
from cluster.cli.common.target import USUAL_CLUSTER, ClusterTarget, Group
from cluster.client.dry_run import Look, look_at
from cluster.client.recordings import files_in, sort_out
from cluster.client.transcribe import clock
from pipelines.errors import ConfigurationError, OptionError

HoursOption = Annotated[float, typer.Option(min=0.001, help="Hours of audio of the job asked about.")]


def add_estimate(app: Group, console: Console) -> None:
    """Add the commands to the program."""

    def estimate(
        *,
        paths: Annotated[
            list[Path] | None, typer.Argument(help="Recordings, or folders with some; they are not uploaded.")
        ] = None,
        options: dict[str, Any],
        option: PairsOption = None,
        hours: Annotated[float | None, typer.Option(min=0.001, help="Hours of audio, in place of recordings.")] = None,
        cluster: ClusterTarget = USUAL_CLUSTER,
        as_json: JsonOption = False,
    ) -> None:
        """Tell how long recordings would take now and what they would cost; nothing is submitted.

        Exit code 1 when one of them cannot be read.
        """
        if bool(paths) == bool(hours):
            raise OptionError("Give either recordings or --hours.")
        given = options_given(option, options)
        looks = [Look(path=Path(), audio_s=hours * 3600)] if hours else list(look_at(_recordings(paths or [])))
        if as_json:
            print_json(_asked(cluster, looks, given))
        else:
            show_estimate(console, tell_unreadable(console, looks), cluster, given)
        if any(look.unreadable for look in looks):
            raise typer.Exit(1)

    app.command("estimate")(takes_options(estimate))

    @app.command()
    def capacity(hours: HoursOption = 1.0, cluster: ClusterTarget = USUAL_CLUSTER, as_json: JsonOption = False) -> None:
        """Show how much the cluster has to do, and what a job of some hours would wait."""
        found = cluster.ask("capacity", hours)
        if as_json:
            print_json(found)
        else:
            for line in capacity_lines(found):
                console.print(line, soft_wrap=True, highlight=False)


def _recordings(paths: Sequence[Path]) -> list[Path]:
    """Return the recordings at these paths and in these folders; raises `ConfigurationError` without any."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise ConfigurationError(f"There is no file or folder {path}.")
        found += sort_out(files_in(path)).recordings if path.is_dir() else [path]
    if not found:
        raise ConfigurationError("There are no recordings in what was named.")
    return found


def tell_unreadable(console: Console, looks: Iterable[Look]) -> list[Look]:
    """Tell which recordings cannot be read; return all looks."""
    looks = list(looks)
    for look in looks:
        if look.unreadable:
            console.print(f"[red]{escape(f'{look.path}: {look.unreadable}')}[/red]", soft_wrap=True, highlight=False)
    return looks


def show_estimate(console: Console, looks: Sequence[Look], cluster: ClusterTarget, options: Mapping[str, Any]) -> None:
    """Tell what was found of recordings here, and what a cluster that runs says about it."""
    try:
        found = _asked(cluster, looks, options)
    except ConfigurationError:  # none runs: hours are told all the same
        found = _counts(looks)
    console.print(estimate_text(found), soft_wrap=True, highlight=False)


def _asked(cluster: ClusterTarget, looks: Sequence[Look], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cluster's estimate; raises `ConfigurationError` where none runs, `ApiError`."""
    lengths_s = [look.audio_s for look in looks if look.audio_s]
    answer = cluster.ask("estimate", lengths_s, options) if lengths_s else {}
    return {**answer, **_counts(looks)}


def _counts(looks: Sequence[Look]) -> dict[str, Any]:
    known = [look.audio_s for look in looks if look.audio_s is not None]
    n_unreadable = sum(bool(look.unreadable) for look in looks)
    return {
        "audio_h": sum(known) / 3600,
        "n_probed": len(known),
        "n_unknown": len(looks) - len(known) - n_unreadable,
        "n_unreadable": n_unreadable,
    }


def estimate_text(estimate: Mapping[str, Any]) -> str:
    """Return an estimate, in words."""
    audio_s = estimate["audio_h"] * 3600
    told = [f"{clock(audio_s)} of audio ({estimate['audio_h']:.2f} hours) in {counted(estimate['n_probed'])}"]
    if "wall_s" in estimate:
        wall_s = estimate["wall_s"]
        told.append("how long the cluster takes is not known" if wall_s is None else f"done in about {clock(wall_s)}")
    if estimate.get("cost_usd") is not None:
        told.append(f"${estimate['cost_usd']:.2f}")
    if estimate.get("device_s") is not None:
        cost = estimate.get("device_cost_usd")
        told.append(f"{clock(estimate['device_s'])} of the device" + ("" if cost is None else f" (${cost:.2f})"))
    if n_unknown := estimate["n_unknown"]:
        told.append(f"{counted(n_unknown)} of unknown length besides")
    if n_unreadable := estimate["n_unreadable"]:
        told.append(f"{counted(n_unreadable)} that cannot be read")
    return ", ".join(told)


def capacity_lines(found: Mapping[str, Any]) -> list[str]:
    """Return what a cluster has to do, in words, a line for each thing."""
    speed = "not measured yet" if found["speed"] is None else f"{found['speed']:.1f} times real time"
    jobs = f"{found['n_live_jobs']} jobs in hand, {found['n_queued_jobs']} queued"
    lines = [
        f"speed: {speed}",
        f"backlog: {found['backlog_audio_h']:.2f} hours of audio, {jobs}",
        f"free: {100 * found['free_share']:.0f} %",
    ]
    if found["wall_s"] is not None:
        economy = f", as economy in about {clock(found['economy_wall_s'])}"
        lines.append(f"a job of {found['hours']:g} hours: done in about {clock(found['wall_s'])}{economy}")
    if found["typical_error"] is not None:
        lines.append(f"estimates are off by {100 * found['typical_error']:.0f} % (median of the last jobs)")
    if found["full"]:
        lines.append(f"full: new jobs are refused; ask again in {found['retry_after_s']} s")
    return lines


def counted(n: int) -> str:
    """Return a number of recordings, in words."""
    return "1 recording" if n == 1 else f"{n} recordings"
