"""``meetmemo receipts``: proof of what was deleted, and whether it holds."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from cluster.cli.common.options import JsonOption
from cluster.cli.common.tables import ids, minute, numbers, print_json, show_table, words
from cluster.cli.common.target import USUAL_CLUSTER, ClusterTarget, Group
from cluster.settings.sources import process_environment
from cluster.wiring.receipts import receipt_key
from pipelines.errors import OptionError


def receipts_app(console: Console) -> Group:
    """Build the sub-commands."""
    app = Group(help="Receipts of deletions: list them, save them, verify them.")

    @app.command("list")
    def list_receipts(
        object_id: Annotated[str | None, typer.Option("--object", help="Only of this job or voice.")] = None,
        limit: Annotated[int, typer.Option(min=1, max=500, help="Receipts to show at most.")] = 50,
        cluster: ClusterTarget = USUAL_CLUSTER,
        as_json: JsonOption = False,
    ) -> None:
        """List receipts, the newest first."""
        found = cluster.ask("receipts", {"limit": limit, **({"object": object_id} if object_id else {})})
        if as_json:
            print_json(found)
            return
        rows = [
            [
                *(each["id"], each["kind"], each["object_id"], each["cause"], each["actor"]),
                *(minute(each["deleted_at"]), str(len(each["blobs"])), "yes" if each["signature"] else "no"),
            ]
            for each in found["receipts"]
        ]
        columns = (*ids("id"), *words("of"), *ids("object"), *words("cause", "actor", "deleted"), *numbers("blobs"))
        show_table(console, (*columns, *words("signed")), rows)

    @app.command("show")
    def show(
        receipt_id: Annotated[str, typer.Argument(help="The receipt's id.")], cluster: ClusterTarget = USUAL_CLUSTER
    ) -> None:
        """Print a receipt, as a file that `verify` reads."""
        print_json(cluster.ask("receipt", receipt_id))

    @app.command("verify")
    def verify_receipt(
        file: Annotated[Path, typer.Argument(help="A receipt as JSON.", exists=True, dir_okay=False)],
        public_key: Annotated[
            list[str] | None, typer.Option(help="A key that may have signed it, base64; may be repeated.")
        ] = None,
        as_json: JsonOption = False,
    ) -> None:
        """Verify that a receipt is as it was signed, and by whom; asks no cluster. Exit code 1 when it is not.

        Without --public-key it must be signed by the key in MEETMEMO_RECEIPT_KEY, where that is set.
        """
        from pipelines.keeping.signing import verify

        own = receipt_key(process_environment())
        trusted = tuple(public_key or ([own.public_key] if own else []))
        try:
            written = json.loads(file.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError):
            raise OptionError(f"{file} is no JSON") from None
        found = verify(written.get("receipt", written) if isinstance(written, dict) else written, trusted)
        good = found.whole and (found.trusted or not trusted)
        if as_json:
            print_json({"whole": found.whole, "trusted": found.trusted, "key": found.public_key, "fault": found.fault})
        elif not good:
            console.print(f"{escape(str(file))}: {found.fault}.", soft_wrap=True)
        elif found.trusted:
            console.print(f"{escape(str(file))} is as it was signed by {found.public_key}.", soft_wrap=True)
        else:
            console.print(
                f"{escape(str(file))} is as it was signed by {found.public_key}; whether that key is to be trusted "
                "--public-key says.",
                soft_wrap=True,
            )
        if not good:
            raise typer.Exit(1)

    @app.command("new-key")
    def make_key() -> None:
        """Print a key for MEETMEMO_RECEIPT_KEY, which signs receipts; `public-key` tells the half for others."""
        from pipelines.keeping.signing import new_key  # with a library that few other commands need

        typer.echo(new_key())

    @app.command("public-key")
    def show_public_key() -> None:
        """Print the public half of the key in MEETMEMO_RECEIPT_KEY, for who is to verify receipts."""
        key = receipt_key(process_environment())
        if key is None:
            raise OptionError("MEETMEMO_RECEIPT_KEY is not set; `meetmemo receipts new-key` makes one.")
        typer.echo(key.public_key)

    return app
