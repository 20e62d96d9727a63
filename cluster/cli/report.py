"""The command ``meetmemo report``."""

from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from cluster.cli.common.options import JsonOption, LimitOption
from cluster.cli.common.tables import numbers, print_json, show_table, words
from cluster.cli.common.target import USUAL_HOME, Group, HomeTarget
from cluster.cli.usage_report import Account, GroupBy, account, costs_since, since
from pipelines.ledger.open import connect_ledger


def add_report(app: Group, console: Console) -> None:
    """Add the command to the program."""

    @app.command()
    def report(
        period: Annotated[
            str, typer.Option("--since", help="First day, such as 2026-11-01, or how long ago: 36h, 7d, 2w.")
        ] = "30d",
        by: Annotated[GroupBy, typer.Option(help="What to sum by.")] = "tenant",
        limit: LimitOption = 1000,
        home: HomeTarget = USUAL_HOME,
        as_json: JsonOption = False,
    ) -> None:
        """Sum what ended jobs took: audio, device and processor time, bytes, tokens, money. Reads the ledger itself.

        Jobs that were purged, or whose retention is over, are counted as well: their figures stay. The most audio
        comes first.
        """
        begin = since(period, datetime.now(UTC))
        with closing(connect_ledger(home.settings().ledger_url)) as ledger:
            accounts = account(costs_since(ledger, begin.timestamp()), by)
        accounts = sorted(accounts, key=lambda entry: -entry.audio_s)[:limit]
        if as_json:
            rows = [asdict(entry) for entry in accounts]
            print_json({"since": begin.isoformat(timespec="seconds"), "by": by, "accounts": rows})
            return
        title = f"Jobs since {begin:%Y-%m-%d %H:%M} UTC, by {by}"
        names = ("jobs", "failed", "audio h", "device h", "cpu h", "source MB", "results MB", "tokens", "US$")
        show_table(console, (*words(by), *numbers(*names)), [account_row(entry) for entry in accounts], title)


def account_row(entry: Account) -> tuple[str, ...]:
    """Return what a line of the report says of an account."""
    usage = entry.usage
    return (
        entry.name,
        str(entry.n_jobs),
        str(entry.n_failed),
        f"{entry.audio_s / 3600:.2f}",
        f"{usage.device_s / 3600:.2f}",
        f"{usage.cpu_s / 3600:.2f}",
        f"{entry.source_bytes / 1e6:.1f}",
        f"{usage.result_bytes / 1e6:.1f}",
        str(entry.tokens.n_tokens),
        f"{entry.tokens.cost_usd:.4f}",
    )
