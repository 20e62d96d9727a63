"""``meetmemo retention``: what the rules would delete, before they do."""

import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from cluster.cli.common.options import JsonOption
from cluster.cli.common.tables import ids, minute, print_json, show_table, words
from cluster.cli.common.target import USUAL_HOME, Group, HomeTarget
from cluster.cli.usage_report import since
from cluster.wiring.limits import retention_of
from deployments.retention.housekeeping import Due, due
from pipelines.ledger.open import open_ledger
from pipelines.storage.open import open_store


def retention_app(console: Console) -> Group:
    """Build the sub-commands."""
    app = Group(help="Retention: what would go, and what legal holds keep.")

    @app.command("preview")
    def preview(
        later: Annotated[
            str | None, typer.Option("--in", help="What would go after so long, if nothing changes: 36h, 7d, 2w.")
        ] = None,
        home: HomeTarget = USUAL_HOME,
        as_json: JsonOption = False,
    ) -> None:
        """List what the settings of this home would delete of jobs of all tenants; deletes nothing.

        Reads ledger and store themselves, with the settings as they are in the file now.
        """
        settings = home.settings()
        now = datetime.now(UTC)
        ahead_s = (now - since(later, now)).total_seconds() if later else 0.0
        ledger, store = open_ledger(settings.ledger_url), open_store(settings.store_url)
        try:
            found = list(due(ledger, store, retention_of(settings.retention), now_s=time.time() + ahead_s))
        finally:
            ledger.close()
        if as_json:
            print_json({"due": [_told(each) for each in found]})
            return
        rows = [
            [
                *(each.job.id, each.job.tenant, each.job.filename, minute(each.job.updated_at_s), each.what),
                *("" if each.rule is None else str(each.rule + 1), ", ".join(hold.id for hold in each.holds)),
            ]
            for each in found
        ]
        columns = (*ids("job"), *words("tenant", "file", "untouched since", "goes", "rule", "kept by hold"))
        show_table(console, columns, rows)

    return app


def _told(each: Due) -> dict[str, object]:
    return {
        "job_id": each.job.id,
        "tenant": each.job.tenant,
        "filename": each.job.filename,
        "updated_at_s": each.job.updated_at_s,
        "what": each.what,
        "rule": each.rule,
        "holds": [hold.id for hold in each.holds],
    }
