"""The ``meetmemo`` command: parse, call, print.

Exit codes: 0 done, 1 some jobs failed, 2 wrong usage or settings, 3 no speech in a recording that was transcribed.
"""

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from cluster import __version__
from cluster.cli.archive import add_review, add_search
from cluster.cli.backup import add_backup
from cluster.cli.batch import batch_app
from cluster.cli.canary import add_canary
from cluster.cli.common.option_flags import PairsOption, options_given, pairs_of, takes_options
from cluster.cli.common.options import ConfigOption, HomeOption, JsonOption, PortOption, UrlOption
from cluster.cli.common.tables import print_json, show_table, words
from cluster.cli.common.target import USUAL_CLUSTER, USUAL_HOME, ClusterTarget, Group, HomeTarget, read_settings
from cluster.cli.config import add_init, config_app
from cluster.cli.estimate import add_estimate
from cluster.cli.jobs import jobs_app
from cluster.cli.keeping.audit import audit_app
from cluster.cli.keeping.export import add_export
from cluster.cli.keeping.holds import hold_app
from cluster.cli.keeping.receipts import receipts_app
from cluster.cli.keeping.retention import retention_app
from cluster.cli.keys import keys_app
from cluster.cli.minutes import minutes_app
from cluster.cli.models import models_app
from cluster.cli.quarantine import quarantine_app
from cluster.cli.redo import add_redo
from cluster.cli.report import add_report
from cluster.cli.sessions import sessions_app
from cluster.cli.tune import add_tune
from cluster.cli.voices import voices_app
from cluster.cli.webhooks import webhooks_app
from cluster.client.choices import check_choices
from cluster.client.http import ApiError, Client
from cluster.client.transcribe import exit_code, one_line, plan, take_folders, transcribe
from cluster.settings.settings import Settings
from pipelines.errors import ConfigurationError, MeetMemoError, ModelUnknown, OptionError

app = Group(pretty_exceptions_enable=False, help="Transcripts and minutes of recordings, in bulk.")

console = Console()
errors = Console(stderr=True)


def main() -> None:
    """Run the command line; MeetMemo's own errors become one line and an exit code."""
    try:
        app()
    except (ConfigurationError, OptionError, ModelUnknown) as error:
        errors.print(f"[red]{escape(str(error))}[/red]", soft_wrap=True, highlight=False)
        sys.exit(2)
    except ApiError as error:
        errors.print(f"[red]{escape(str(error))}[/red] ({error.code})", soft_wrap=True, highlight=False)
        sys.exit(1)
    except MeetMemoError as error:
        errors.print(f"[red]{escape(str(error))}[/red] ({error.reason})", soft_wrap=True, highlight=False)
        sys.exit(1)


def _version(asked: bool) -> None:
    if asked:
        console.print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before the command."""


# The cluster


@app.command()
def up(
    config: ConfigOption = None,
    home: HomeOption = None,
    port: PortOption = None,
    address: Annotated[
        str | None, typer.Option(help="Join the Ray cluster at this address instead of starting one.")
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return once it is ready; stop it with `meetmemo down`.")
    ] = False,
) -> None:
    """Start the cluster and serve until SIGTERM or Ctrl-C. Unfinished jobs of earlier runs go on by themselves."""
    from cluster.lifecycle.detached import start_detached
    from cluster.lifecycle.up import run_until_stopped

    settings = read_settings(config, home, port, ray={"address": address})
    if detach:
        arguments = [word for word in sys.argv[1:] if word not in ("--detach", "-d")]
        running = start_detached(settings, arguments)
        console.print(f"MeetMemo listens on {running.url} (process {running.pid}, log {running.log}).", soft_wrap=True)
        return
    run_until_stopped(
        settings,
        lambda url: console.print(f"MeetMemo listens on {url}; API at {url}/docs. Ctrl-C stops it.", soft_wrap=True),
        lambda: read_settings(config, home, port, ray={"address": address}),
    )


@app.command()
def down(home: HomeTarget = USUAL_HOME) -> None:
    """Stop this home's cluster. Nothing is lost: what is unfinished goes on at the next start."""
    from cluster.lifecycle.running_cluster import find_running, stop_running

    settings = home.settings()
    running = find_running(settings)
    if running is None:
        console.print("No cluster of this home runs.")
    elif stop_running(running, settings.coordinator.drain_s):
        console.print(f"Stopped {running.url}.")
    else:
        console.print(f"Process {running.pid} did not stop in time and was killed; its jobs go on at the next start.")


@app.command()
def reload(
    restart: Annotated[
        bool, typer.Option("--restart", help="Replace all replicas, one after the other, whatever changed.")
    ] = False,
    timeout_s: Annotated[float, typer.Option("--timeout", min=1, help="Seconds to wait for it.")] = 600.0,
    home: HomeTarget = USUAL_HOME,
) -> None:
    """Take over changed settings without stopping. What need not restart runs on; no job is lost.

    Reads the files and .env again that `meetmemo up` was started with, on the machine it runs on. Settings that do
    not run are not taken over: exit code 2, and the earlier ones hold.
    """
    from cluster.lifecycle.reload import request
    from cluster.lifecycle.running_cluster import find_running

    settings = home.settings()
    running = find_running(settings)
    if running is None:
        raise ConfigurationError("No cluster of this home runs.")
    answer = request(settings, running, restart=restart, timeout_s=timeout_s)
    if answer.failed:
        raise ConfigurationError(answer.said)
    console.print(answer.said, soft_wrap=True)


@app.command()
def drain(
    timeout_s: Annotated[float, typer.Option("--timeout", min=0, help="Seconds to wait for the jobs in hand.")] = 600.0,
    refuse: Annotated[
        bool, typer.Option("--refuse", help="Turn new jobs away meanwhile, instead of queueing.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Begin jobs again.")] = False,
    cluster: ClusterTarget = USUAL_CLUSTER,
) -> None:
    """Begin no more jobs and wait until those in hand have ended. `down` afterwards interrupts nothing.

    Exit code 1 when some have not ended in time; draining goes on.
    """
    from cluster.client.drain import drain_cluster

    endpoint = cluster.endpoint()
    if undo:
        cluster.ask("end_drain")
        console.print("Queued jobs are begun again.")
        return
    n_left = asyncio.run(drain_cluster(endpoint, timeout_s=timeout_s, refuse=refuse))
    if n_left:
        errors.print(f"{n_left} jobs have not ended within {timeout_s:g} s; draining goes on.")
        raise typer.Exit(1)
    console.print("No job is in hand.")


@app.command()
def status(cluster: ClusterTarget = USUAL_CLUSTER, as_json: JsonOption = False) -> None:
    """Show whether the cluster is ready, its components, and its jobs by state."""
    endpoint = cluster.endpoint()

    async def ask() -> tuple[dict[str, Any], dict[str, int]]:
        async with Client(endpoint) as client:
            ready = await client.ready()
            counts = {
                state: len((await client.jobs({"state": state, "limit": 500}))["jobs"])
                for state in ("queued", "transcribing", "summarizing")
            }
            return ready, counts

    ready, counts = asyncio.run(ask())
    if as_json:
        print_json({"url": endpoint, "ready": ready, "jobs": counts})
        return
    components = ready.get("components", {}).items()
    rows = [(name, component["status"], component.get("detail") or "") for name, component in components]
    show_table(console, words("component", "status", "detail"), rows, endpoint)
    console.print("Jobs: " + ", ".join(f"{n} {state}" for state, n in counts.items()), soft_wrap=True)


def transcribe_command(
    *,
    files: Annotated[list[Path], typer.Argument(help="Recordings, audio or video, and folders of them.", exists=True)],
    options: dict[str, Any],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results; default: beside each file.", file_okay=False)
    ] = None,
    config: ConfigOption = None,
    home: HomeOption = None,
    port: PortOption = None,
    url: UrlOption = None,
) -> None:
    """Transcribe recordings and write their minutes.

    Uses this home's cluster, or starts one for the time it takes. Writes <stem>/transcript.{json,txt,srt,vtt} and
    <stem>/minutes.{json,md,docx,pdf} beside each file or under --out. What is a recording in a folder its content
    says. Exit code 1 when a recording failed or a file of a folder was left out, 3 when all were transcribed and one or
    more have no speech.
    """
    flags: dict[str, Any] = {}
    if model := options.get("model"):
        named = Path(model).name if "/" in model else model
        flags = {"models": ({"name": named, "path": model if "/" in model else ""},), "default_model": named}
    settings = read_settings(config, home, port, **flags)
    options["model"] = settings.default_model
    taken, left_out = take_folders(files)
    for item in left_out:
        errors.print(f"[yellow]{escape(str(item))}[/yellow]", soft_wrap=True, highlight=False)
    if not taken:
        raise ConfigurationError(f"There are no recordings in {', '.join(map(str, files))}.")
    recordings = plan(taken, out)

    with _cluster(settings, url) as endpoint:

        async def run() -> None:
            async with Client(endpoint) as client:
                await transcribe(client, recordings, options, errors)

        asyncio.run(run())
    for recording in recordings:
        if recording.error:
            errors.print(f"[red]{escape(str(recording.path))}: {escape(recording.error)}[/red]", soft_wrap=True)
        else:
            warnings = f"  [yellow]{escape(one_line(recording.warnings))}[/yellow]" if recording.warnings else ""
            console.print(f"{escape(str(recording.path))} → {escape(str(recording.folder))}/{warnings}", soft_wrap=True)
    if code := 1 if left_out else exit_code(recordings):
        raise typer.Exit(code)


_MODEL_NOTE = "Here also a folder with one; `meetmemo models list` names those that can be had."
app.command("transcribe")(takes_options(transcribe_command, notes={"model": _MODEL_NOTE}))


def watch(
    *,
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder to look into.")],
    done: Annotated[Path | None, typer.Option(help="Folder for what was taken; default: it stays.")] = None,
    options: dict[str, Any],
    option: PairsOption = None,
    field: Annotated[
        list[str] | None, typer.Option("--field", help="theirs=ours: a name in sidecars; no others are read then.")
    ] = None,
    interval_s: Annotated[float, typer.Option("--interval", min=0.1, help="Seconds between two looks.")] = 5.0,
    once: Annotated[bool, typer.Option("--once", help="Take what is there and end.")] = False,
    cluster: ClusterTarget = USUAL_CLUSTER,
) -> None:
    """Submit every recording that appears in a folder, until Ctrl-C.

    A file is taken when it did not change between two looks; what is a recording its content says, other files are
    told of once. Options for one recording stand beside it, in call.json or call.wav.json. The same file is never
    transcribed twice, also after a restart. With --once the exit code is 1 when something was left out or refused.
    """
    from cluster.client.watch_folder import Watcher

    wanted, fields, endpoint = options_given(option, options), pairs_of(field), cluster.endpoint()

    def tell(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True, highlight=False)

    async def run() -> int:
        async with Client(endpoint) as client:
            await check_choices(client, wanted)
            watcher = Watcher(client, folder, options=wanted, done=done, told=tell, fields=fields)
            await watcher.look()
            while True:
                await asyncio.sleep(interval_s)
                if not await watcher.look() and once:
                    return watcher.n_left

    with contextlib.suppress(KeyboardInterrupt):
        if asyncio.run(run()):
            raise typer.Exit(1)


app.command()(takes_options(watch))


@app.command()
def doctor(
    config: ConfigOption = None,
    home: HomeOption = None,
    port: PortOption = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle",
            help="Also write an archive (.tar.gz) for support: versions, settings, logs, metrics.",
            dir_okay=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Examine this machine and the settings; beside each finding stands how to mend it.

    The archive holds no recordings, no transcripts and no secrets. Exit code 1 when something is bad.
    """
    from cluster.lifecycle.doctor import examine
    from cluster.lifecycle.support_bundle import write_bundle

    settings = read_settings(config, home, port)
    findings = list(examine(settings))
    if as_json:
        print_json({"findings": [asdict(finding) for finding in findings]})
    else:
        rows = [(finding.status, finding.subject, finding.detail, finding.mend) for finding in findings]
        show_table(console, words("status", "subject", "finding", "what to do"), rows)
    if bundle is not None:
        names = write_bundle(bundle, settings, findings)
        errors.print(f"{bundle}: {', '.join(names)}", soft_wrap=True, highlight=False, markup=False)
    if any(finding.status == "bad" for finding in findings):
        raise typer.Exit(1)


# Small parts


@contextlib.contextmanager
def _cluster(settings: Settings, url: str | None) -> Iterator[str]:
    """Yield the endpoint: the given URL, that of this home's cluster, or of one started for the duration of the
    block.
    """
    if url:
        yield url.rstrip("/")
        return
    from cluster.lifecycle.running_cluster import find_running
    from cluster.lifecycle.up import serving

    running = find_running(settings)
    if running is not None:
        yield running.url
        return
    errors.print("Starting a cluster (the first start takes about 30 s) …")
    with serving(settings, quiet=True):
        yield settings.url


add_init(app, console)
app.add_typer(config_app(), name="config")
app.add_typer(jobs_app(console), name="jobs")
models = models_app(console)
app.add_typer(models, name="models")
app.add_typer(batch_app(console, errors), name="batch")
add_report(app, console)
add_search(app, console)
add_redo(app, console)
add_review(app, console)
add_estimate(app, console)
add_export(app, console)
add_backup(app, console)
add_canary(models, console)
add_tune(models, console)
app.add_typer(quarantine_app(console), name="quarantine")
app.add_typer(keys_app(console), name="keys")
app.add_typer(sessions_app(console), name="sessions")
app.add_typer(minutes_app(console), name="minutes")
app.add_typer(webhooks_app(console), name="webhooks")
app.add_typer(voices_app(console), name="voices")
app.add_typer(audit_app(console), name="audit")
app.add_typer(hold_app(console), name="hold")
app.add_typer(receipts_app(console), name="receipts")
app.add_typer(retention_app(console), name="retention")
