"""The ``meetmemo`` command: parse, call, print. Exit codes: 0 done, 1 some jobs failed, 2 wrong usage or settings."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml
from rich.console import Console
from rich.markup import escape
from rich.progress import DownloadColumn, Progress
from rich.table import Table

from cluster import __version__
from cluster.batch_cli import batch_app, options_of
from cluster.bulk import plan, transcribe
from cluster.canary_cli import add_canary
from cluster.cli_options import ConfigOption, HomeOption, UrlOption
from cluster.client import ApiError, Client
from cluster.keys_cli import keys_app
from cluster.minutes_cli import RECORDED_HELP, TEMPLATE_HELP, TERM_HELP, TITLE_HELP, minutes_app, wishes
from cluster.quarantine_cli import quarantine_app
from cluster.report_cli import add_report
from cluster.settings import Settings, load_settings
from cluster.tune_cli import add_tune
from cluster.webhooks_cli import webhooks_app
from pipelines.errors import ConfigurationError, MeetMemoError, OptionError

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, help="Transcripts and minutes of recordings, in bulk."
)

jobs_app = typer.Typer(no_args_is_help=True, help="Look at jobs, cancel them, fetch their results.")
models_app = typer.Typer(no_args_is_help=True, help="Whisper models: list, fetch, verify.")
config_app = typer.Typer(no_args_is_help=True, help="The resolved settings.")
app.add_typer(jobs_app, name="jobs")
app.add_typer(models_app, name="models")
app.add_typer(config_app, name="config")

console = Console()
errors = Console(stderr=True)

PortOption = Annotated[int | None, typer.Option("--port", help="Port of the HTTP endpoint (MEETMEMO_HTTP__PORT).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def main() -> None:
    """Run the command line; MeetMemo's own errors become one line and an exit code."""
    try:
        app()
    except (ConfigurationError, OptionError) as error:
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
    """Options before the command."""


def _settings(config: Path | None, home: Path | None, port: int | None = None, **flags: Any) -> Settings:
    default = (home or Path(os.environ.get("MEETMEMO_HOME") or load_settings(env={}).home)) / "config.yaml"
    path = config or (default if default.is_file() else None)
    environment = dict(os.environ)
    for name in ("MEETMEMO_CONFIG", "MEETMEMO_URL"):
        environment.pop(name, None)
    return load_settings(path, flags={"home": home, "http": {"port": port}, **flags})


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
    from cluster.lifecycle import run_until_stopped, start_detached

    settings = _settings(config, home, port, ray={"address": address})
    if detach:
        arguments = [word for word in sys.argv[1:] if word not in ("--detach", "-d")]
        running = start_detached(settings, arguments)
        console.print(f"MeetMemo listens on {running.url} (process {running.pid}, log {running.log}).", soft_wrap=True)
        return
    run_until_stopped(
        settings,
        lambda url: console.print(f"MeetMemo listens on {url}; API at {url}/docs. Ctrl-C stops it."),
        lambda: _settings(config, home, port, ray={"address": address}),
    )


@app.command()
def down(config: ConfigOption = None, home: HomeOption = None) -> None:
    """Stop this home's cluster. Nothing is lost: what is unfinished goes on at the next start."""
    from cluster.lifecycle import find_running, stop_running

    settings = _settings(config, home)
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
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Take over changed settings without stopping. What need not restart runs on; no job is lost.

    Reads the files and .env again that `meetmemo up` was started with, on the machine it runs on. Settings that do
    not run are not taken over: exit code 2, and the earlier ones hold.
    """
    from cluster.lifecycle import find_running
    from cluster.reloading import request

    settings = _settings(config, home)
    running = find_running(settings)
    if running is None:
        raise ConfigurationError("No cluster of this home runs.")
    answer = request(settings, running.pid, restart=restart, timeout_s=timeout_s)
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
    config: ConfigOption = None,
    home: HomeOption = None,
    url: UrlOption = None,
) -> None:
    """Begin no more jobs and wait until those in hand have ended. `down` afterwards interrupts nothing.

    Exit code 1 when some have not ended in time; draining goes on.
    """
    from cluster.draining import drain_cluster

    endpoint = _endpoint(config, home, url)
    if undo:
        _ask(endpoint, "end_drain")
        console.print("Queued jobs are begun again.")
        return
    n_left = asyncio.run(drain_cluster(endpoint, timeout_s=timeout_s, refuse=refuse))
    if n_left:
        errors.print(f"{n_left} jobs have not ended within {timeout_s:g} s; draining goes on.")
        raise typer.Exit(1)
    console.print("No job is in hand.")


@app.command()
def status(
    config: ConfigOption = None, home: HomeOption = None, url: UrlOption = None, as_json: JsonOption = False
) -> None:
    """Show whether the cluster is ready, its components, and its jobs by state."""
    endpoint = _endpoint(config, home, url)

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
        console.print_json(json.dumps({"url": endpoint, "ready": ready, "jobs": counts}))
        return
    table = Table("component", "status", "detail", title=endpoint)
    for name, component in ready.get("components", {}).items():
        table.add_row(name, component["status"], component.get("detail") or "")
    console.print(table)
    console.print("Jobs: " + ", ".join(f"{n} {state}" for state, n in counts.items()))


@app.command("transcribe")
def transcribe_command(
    files: Annotated[
        list[Path], typer.Argument(help="Recordings: any audio or video file.", exists=True, dir_okay=False)
    ],
    model: Annotated[
        str | None, typer.Option(help="Whisper model: a name from `meetmemo models list` or a folder.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="Spoken language, such as en or zh; default: detected.")] = None,
    channels: Annotated[
        Literal["mix", "split"], typer.Option(help="split: transcribe each channel on its own (calls).")
    ] = "mix",
    words: Annotated[bool, typer.Option("--words", help="Time every word.")] = False,
    minutes: Annotated[
        Literal["auto", "extractive", "llm", "none"], typer.Option(help="Who writes the minutes.")
    ] = "auto",
    template: Annotated[str | None, typer.Option(help=TEMPLATE_HELP)] = None,
    title: Annotated[str | None, typer.Option(help=TITLE_HELP)] = None,
    terms: Annotated[list[str] | None, typer.Option("--term", help=TERM_HELP)] = None,
    recorded: Annotated[datetime | None, typer.Option(help=RECORDED_HELP, formats=["%Y-%m-%d"])] = None,
    keep_audio: Annotated[bool, typer.Option("--keep-audio", help="Keep a copy, for clips of decisions.")] = False,
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
    <stem>/minutes.{json,md,docx,pdf} beside each file or under --out.
    """
    flags: dict[str, Any] = {}
    if model is not None:
        named = Path(model).name if "/" in model else model
        flags = {"models": ({"name": named, "path": model if "/" in model else ""},), "default_model": named}
    settings = _settings(config, home, port, **flags)
    options: dict[str, Any] = wishes(template, title, terms, recorded)
    options |= {"channels": channels, "minutes": minutes, "word_timestamps": str(words).lower()}
    options |= {name: value for name, value in (("model", settings.default_model), ("language", language)) if value}
    if keep_audio:
        options["keep_audio"] = "true"
    recordings = plan(files, out)

    with _cluster(settings, url) as endpoint:

        async def run() -> None:
            async with Client(endpoint) as client:
                await transcribe(client, recordings, options, console)

        asyncio.run(run())
    for recording in recordings:
        if recording.error:
            errors.print(f"[red]{escape(str(recording.path))}: {escape(recording.error)}[/red]", soft_wrap=True)
        else:
            console.print(f"{recording.path} → {recording.folder}/", soft_wrap=True)
    if any(recording.error for recording in recordings):
        raise typer.Exit(1)


@app.command()
def watch(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False)],
    done: Annotated[Path | None, typer.Option(help="Folder for what was taken; default: it stays.")] = None,
    option: Annotated[list[str] | None, typer.Option("--option", "-o", help="name=value, for all recordings.")] = None,
    field: Annotated[
        list[str] | None, typer.Option("--field", help="theirs=ours: a name in sidecars; no others are read then.")
    ] = None,
    interval_s: Annotated[float, typer.Option("--interval", min=0.1, help="Seconds between two looks.")] = 5.0,
    once: Annotated[bool, typer.Option("--once", help="Take what is there and end.")] = False,
    config: ConfigOption = None,
    home: HomeOption = None,
    url: UrlOption = None,
) -> None:
    """Submit every recording that appears in a folder, until Ctrl-C.

    A file is taken when it did not change between two looks. Options for one recording stand beside it, in
    call.json or call.wav.json. The same file is never transcribed twice, also after a restart.
    """
    from cluster.watch import Watcher

    endpoint, options, fields = _endpoint(config, home, url), options_of(option or []), options_of(field or [])

    async def run() -> None:
        async with Client(endpoint) as client:
            watcher = Watcher(
                client, folder, options=options, done=done, told=lambda line: console.print(line), fields=fields
            )
            await watcher.look()
            while True:
                await asyncio.sleep(interval_s)
                if not await watcher.look() and once:
                    return

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())


@app.command()
def doctor(config: ConfigOption = None, home: HomeOption = None, port: PortOption = None) -> None:
    """Examine this machine and the settings; beside each finding stands how to mend it."""
    from cluster.doctor import examine

    table = Table("", "subject", "finding", "what to do")
    marks = {"ok": "[green]ok[/green]", "note": "[yellow]note[/yellow]", "bad": "[red]bad[/red]"}
    findings = list(examine(_settings(config, home, port)))
    for finding in findings:
        table.add_row(marks[finding.status], finding.subject, escape(finding.detail), escape(finding.mend))
    console.print(table)
    if any(finding.status == "bad" for finding in findings):
        raise typer.Exit(1)


# Jobs


@jobs_app.command("list")
def jobs_list(
    state: Annotated[list[str] | None, typer.Option(help="Only jobs in this state; may be repeated.")] = None,
    filename: Annotated[str | None, typer.Option(help="Only jobs whose file name holds this.")] = None,
    external_id: Annotated[str | None, typer.Option(help="Only the job with this id of its submitter's.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    config: ConfigOption = None,
    home: HomeOption = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """List jobs, newest first."""
    params = {"state": state or [], "filename": filename, "external_id": external_id, "limit": limit}
    page = _ask(_endpoint(config, home, url), "jobs", {name: value for name, value in params.items() if value})
    if as_json:
        console.print_json(json.dumps(page))
        return
    table = Table("id", "file", "state", "audio", "created")
    for job in page["jobs"]:
        heard = job["progress"]
        state_text = job["state"] + (f": {job['reason']}" if job.get("reason") else "")
        table.add_row(
            job["id"],
            escape(job["filename"]),
            state_text,
            f"{heard['done_s']:.0f}/{heard['audio_s']:.0f} s",
            job["created_at"],
        )
    console.print(table)


@jobs_app.command("show")
def jobs_show(job_id: str, config: ConfigOption = None, home: HomeOption = None, url: UrlOption = None) -> None:
    """Show everything about one job."""
    console.print_json(json.dumps(_ask(_endpoint(config, home, url), "job", job_id)))


@jobs_app.command("cancel")
def jobs_cancel(
    job_ids: list[str],
    purge: Annotated[bool, typer.Option("--purge", help="Remove everything of the job, results too.")] = False,
    config: ConfigOption = None,
    home: HomeOption = None,
    url: UrlOption = None,
) -> None:
    """Cancel jobs; it takes effect at the next chunk."""
    for job_id in job_ids:
        _ask(_endpoint(config, home, url), "cancel", job_id, purge=purge)
        console.print(f"{job_id}: {'removed' if purge else 'cancelled'}")


@jobs_app.command("results")
def jobs_results(
    job_id: str,
    out: Annotated[Path, typer.Option(help="Folder to write them to.", file_okay=False)] = Path(),
    config: ConfigOption = None,
    home: HomeOption = None,
    url: UrlOption = None,
) -> None:
    """Download a job's results."""
    endpoint = _endpoint(config, home, url)

    async def fetch() -> None:
        async with Client(endpoint) as client:
            job = await client.job(job_id)
            if not job["results"]:
                raise ApiError(f"Job {job_id} is {job['state']} and has no results.")
            out.mkdir(parents=True, exist_ok=True)
            for name, result_url in job["results"].items():
                await client.save_result(result_url, out / name)
                console.print(str(out / name))

    asyncio.run(fetch())


# Models


@models_app.command("list")
def models_list(config: ConfigOption = None, home: HomeOption = None) -> None:
    """List known models and which of them are on this machine."""
    from pipelines.catalogue import list_models

    table = Table("name", "size", "where")
    for entry in list_models(_settings(config, home).models_dir):
        size = f"{entry.n_bytes / 1e6:.0f} MB" if entry.path else ""
        table.add_row(
            entry.name, size, str(entry.path) if entry.path else "not here; `meetmemo models pull` fetches it"
        )
    console.print(table)


@models_app.command("pull")
def models_pull(name: str, config: ConfigOption = None, home: HomeOption = None) -> None:
    """Fetch a published model from the Hugging Face hub; it is verified and then moved into place."""
    from pipelines.model_download import pull

    with Progress(*Progress.get_default_columns(), DownloadColumn(), console=console) as progress:
        bar = progress.add_task(name, total=None)
        path = pull(
            name,
            _settings(config, home).models_dir,
            lambda done, total: progress.update(bar, completed=done, total=total),
        )
    console.print(f"{name} is in {path}", soft_wrap=True)


@models_app.command("verify")
def models_verify(name: str, config: ConfigOption = None, home: HomeOption = None) -> None:
    """Check a model's files against their SHA-256."""
    from pipelines.catalogue import resolve, verify

    files = resolve(name, _settings(config, home).models_dir)
    checked = verify(files.path)
    console.print(
        f"{files.path}: {len(checked)} files are intact."
        if checked
        else f"{files.path}: complete, but it has no SHA256SUMS to check against."
    )


# Settings


@config_app.command("show")
def config_show(config: ConfigOption = None, home: HomeOption = None, port: PortOption = None) -> None:
    """Print the resolved settings as YAML, secrets masked."""
    values = _settings(config, home, port).model_dump(mode="json")
    typer.echo(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), nl=False)


@config_app.command("serve")
def config_serve(config: ConfigOption = None, home: HomeOption = None) -> None:
    """Print the settings as the file that `serve deploy` and KubeRay's `serveConfigV2` take, without secrets."""
    from cluster.serve_config import serve_yaml

    typer.echo(serve_yaml(_settings(config, home)), nl=False)


# Small parts


def _endpoint(config: Path | None, home: Path | None, url: str | None) -> str:
    if url:
        return url.rstrip("/")
    from cluster.lifecycle import find_running

    running = find_running(_settings(config, home))
    if running is None:
        raise ConfigurationError("No cluster of this home runs: start one with `meetmemo up`, or name one with --url.")
    return running.url


@contextlib.contextmanager
def _cluster(settings: Settings, url: str | None) -> Iterator[str]:
    """The endpoint to use: the given one, this home's running one, or one for the duration of the block."""
    if url:
        yield url.rstrip("/")
        return
    from cluster.lifecycle import find_running, serving

    running = find_running(settings)
    if running is not None:
        yield running.url
        return
    with console.status("Starting a cluster …") as spinner, serving(settings, quiet=True):
        spinner.stop()
        yield settings.url


def _ask(endpoint: str, method: str, *arguments: Any, **options: Any) -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        async with Client(endpoint) as client:
            answer: dict[str, Any] = await getattr(client, method)(*arguments, **options)
            return answer

    return asyncio.run(ask())


app.add_typer(batch_app(_ask, _endpoint, console), name="batch")
add_report(app, _settings, console)
add_canary(models_app, _settings, _endpoint, console)
add_tune(models_app, _settings, console)
app.add_typer(quarantine_app(_ask, _endpoint, console), name="quarantine")
app.add_typer(keys_app(_settings, console), name="keys")
app.add_typer(minutes_app(_ask, _endpoint, console), name="minutes")
app.add_typer(webhooks_app(_ask, _endpoint, console), name="webhooks")


if __name__ == "__main__":
    main()
