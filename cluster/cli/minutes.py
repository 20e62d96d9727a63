"""``meetmemo minutes``: minutes that wait for the language model, and minutes written anew."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cluster.cli.options import Ask, ConfigOption, Endpoint, HomeOption, UrlOption
from pipelines.errors import OptionError

TEMPLATE_HELP = "Layout of the minutes: standard, classic, a configured template, or a file with one."
TITLE_HELP = "Title of the minutes; {title} in it stands for the writer's own."
TERM_HELP = "A name or term as it is spelled; may be repeated."
RECORDED_HELP = "Day of the recording, such as 2026-11-24: 'by Friday' counts from it."


def wishes(
    template: str | None, title: str | None, terms: Sequence[str] | None, recorded: datetime | None
) -> dict[str, Any]:
    """The options of a job that are given; a template that is a file is read. Raises `OptionError`."""
    if template is not None and Path(template).suffix:
        try:
            template = Path(template).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(f"the template {template} cannot be read: {error}") from None
    given = {
        "minutes_template": template,
        "minutes_title": title,
        "glossary": list(terms or ()),
        "recording_date": recorded.date().isoformat() if recorded else None,
    }
    return {name: value for name, value in given.items() if value}


def minutes_app(ask: Ask, endpoint: Endpoint, console: Console) -> typer.Typer:
    """Build the sub-commands."""
    app = typer.Typer(no_args_is_help=True, help="Minutes: write them anew; show and resume those that wait.")

    @app.command("rewrite")
    def rewrite(
        job_id: str,
        writer: Annotated[Literal["auto", "extractive", "llm"] | None, typer.Option(help="Who writes them.")] = None,
        language: Annotated[str | None, typer.Option(help="Language of the minutes.")] = None,
        template: Annotated[str | None, typer.Option(help=TEMPLATE_HELP)] = None,
        title: Annotated[str | None, typer.Option(help=TITLE_HELP)] = None,
        terms: Annotated[list[str] | None, typer.Option("--term", help=TERM_HELP)] = None,
        recorded: Annotated[datetime | None, typer.Option(help=RECORDED_HELP, formats=["%Y-%m-%d"])] = None,
        config: ConfigOption = None,
        home: HomeOption = None,
        url: UrlOption = None,
    ) -> None:
        """Write a job's minutes anew, from the same transcript, as a new job; the earlier ones stay."""
        given = wishes(template, title, terms, recorded)
        given |= {name: value for name, value in (("minutes", writer), ("minutes_language", language)) if value}
        job = ask(endpoint(config, home, url), "rewrite", job_id, given)
        console.print(f"{job['id']}: writes them; `meetmemo jobs results {job['id']}` fetches them.", soft_wrap=True)

    @app.command("versions")
    def versions(job_id: str, config: ConfigOption = None, home: HomeOption = None, url: UrlOption = None) -> None:
        """List the versions of a recording's minutes, oldest first."""
        table = Table("job", "state", "minutes", "writer", "model", "cost", "created")
        for job in ask(endpoint(config, home, url), "minutes_versions", job_id)["versions"]:
            minutes = job["minutes"] or {}
            usage = minutes.get("usage")
            table.add_row(
                job["id"],
                job["state"],
                minutes.get("state", ""),
                minutes.get("writer", ""),
                escape(minutes.get("model", "")),
                f"{usage['cost_usd']:.4f} $" if usage else "",
                job["created_at"],
            )
        console.print(table)

    @app.command("parked")
    def parked(config: ConfigOption = None, home: HomeOption = None, url: UrlOption = None) -> None:
        """Show how many jobs wait for their minutes, and why."""
        show(ask(endpoint(config, home, url), "parked_minutes"))

    @app.command("resume")
    def resume(config: ConfigOption = None, home: HomeOption = None, url: UrlOption = None) -> None:
        """Have parked minutes written now: the language model works again, or its budget is larger."""
        show(ask(endpoint(config, home, url), "parked_minutes", resume=True))

    def show(found: dict[str, Any]) -> None:
        console.print(f"{found['parked']} jobs wait for their minutes.")
        for why, n_jobs in found["reasons"].items():
            console.print(f"  {n_jobs}: {why}", soft_wrap=True)

    return app
