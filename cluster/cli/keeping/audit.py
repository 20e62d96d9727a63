"""``meetmemo audit``: who did what, whether the log of it is whole, and the log as a file."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from cluster.cli.common.options import JsonOption
from cluster.cli.common.tables import ids, minute, numbers, print_json, show_table, words
from cluster.cli.common.target import USUAL_CLUSTER, ClusterTarget, Group
from cluster.cli.usage_report import since
from cluster.client.json_lines import write_lines
from pipelines.audit import AuditAction
from pipelines.errors import OptionError

ActionOption = Annotated[AuditAction | None, typer.Option(help="Only such deeds.")]
ActorOption = Annotated[str | None, typer.Option(help="Only those of this credential.")]
ObjectOption = Annotated[str | None, typer.Option("--object", help="Only those done to this job, voice, hold or key.")]
SinceOption = Annotated[
    str | None, typer.Option("--since", help="First day, such as 2026-11-01, or how long ago: 36h, 7d, 2w.")
]
BeforeOption = Annotated[str | None, typer.Option("--before", help="Only before; written so, too.")]
PAGE = 500


def audit_app(console: Console) -> Group:
    """Build the sub-commands."""
    app = Group(help="The audit log: who read, corrected, exported, held and deleted what. Needs a key with admin.")

    @app.command("list")
    def list_entries(
        action: ActionOption = None,
        actor: ActorOption = None,
        object_id: ObjectOption = None,
        after: SinceOption = None,
        before: BeforeOption = None,
        limit: Annotated[int, typer.Option(min=1, max=PAGE, help="Entries to show at most.")] = 50,
        cluster: ClusterTarget = USUAL_CLUSTER,
        as_json: JsonOption = False,
    ) -> None:
        """List who did what, the newest first."""
        found = cluster.ask("audit", {**_wanted(action, actor, object_id, after, before), "limit": limit})
        if as_json:
            print_json(found)
            return
        columns = (*numbers("number"), *words("at", "action", "actor", "kind"), *ids("object"), *words("detail"))
        show_table(console, columns, [_row(entry) for entry in found["entries"]])

    @app.command("check")
    def check(
        known: Annotated[
            str | None, typer.Option(help="Number and digest of an earlier check, 120:9f86…: that entry must be there.")
        ] = None,
        cluster: ClusterTarget = USUAL_CLUSTER,
        as_json: JsonOption = False,
    ) -> None:
        """Check that nothing was changed or removed; exit code 1 when something was.

        Prints the last entry's number and digest: keep them elsewhere, for --known.
        """
        seq, _, digest = (known or "").partition(":")
        if known and not (seq.isdecimal() and digest):
            raise OptionError("--known is a number, a colon and a digest, as `meetmemo audit check` prints them")
        found = cluster.ask("check_audit", {"seq": int(seq), "digest": digest} if known else {})
        if as_json:
            print_json(found)
        elif found["whole"]:
            console.print(f"{found['entries']} entries are whole: {found['seq']}:{found['digest']}", soft_wrap=True)
        else:
            console.print(f"The audit log is not whole: {escape(found['fault'])}.", soft_wrap=True)
        if not found["whole"]:
            raise typer.Exit(1)

    @app.command("export")
    def export(
        file: Annotated[Path, typer.Argument(help="JSON lines, the newest first; - for the standard output.")],
        action: ActionOption = None,
        actor: ActorOption = None,
        object_id: ObjectOption = None,
        after: SinceOption = None,
        before: BeforeOption = None,
        cluster: ClusterTarget = USUAL_CLUSTER,
    ) -> None:
        """Write the audit log to a file, for other systems."""
        wanted = {**_wanted(action, actor, object_id, after, before), "limit": PAGE}
        n_entries = write_lines(file, _entries(cluster, wanted))
        if str(file) != "-":
            console.print(f"{n_entries} entries → {escape(str(file))}", soft_wrap=True)

    return app


def _entries(cluster: ClusterTarget, wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    while True:
        page = cluster.ask("audit", {**wanted, **({"cursor": cursor} if cursor else {})})
        yield from page["entries"]
        if page["next"] is None:
            return
        cursor = str(page["entries"][-1]["seq"])


def _wanted(
    action: AuditAction | None, actor: str | None, object_id: str | None, after: str | None, before: str | None
) -> dict[str, Any]:
    now = datetime.now(UTC)
    given = {
        "action": action.value if action else None,
        "actor": actor,
        "object": object_id,
        "after": since(after, now).isoformat() if after else None,
        "before": since(before, now).isoformat() if before else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _row(entry: dict[str, Any]) -> list[str]:
    detail = ", ".join(f"{name} {value}" for name, value in entry["detail"].items())
    times = f" ({entry['times']} times)" if entry["times"] > 1 else ""
    return [
        str(entry["seq"]),
        minute(entry["at"]),
        entry["action"],
        entry["actor"],
        entry["kind"],
        entry["object"],
        f"{detail}{times}",
    ]
