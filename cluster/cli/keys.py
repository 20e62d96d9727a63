"""``meetmemo keys``: make, list and revoke API keys, in the ledger itself, so that the first needs no other."""

import json
import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cluster.cli.target import USUAL_HOME, Group, HomeTarget
from pipelines.ledger.api_keys import JOB_SCOPES, ApiKey, KeyStore, new_key
from pipelines.ledger.open import connect_keys, open_ledger
from pipelines.storage.layout import is_tenant

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]
DAY_S = 86_400.0


def keys_app(console: Console) -> Group:
    """Build the sub-commands."""
    app = Group(help="API keys: make them, list them, revoke them.")

    def store(home: HomeTarget) -> KeyStore:
        url = home.settings().ledger_url
        open_ledger(url).close()  # the table may not be there yet
        return connect_keys(url)

    @app.command("create")
    def create(
        tenant: Annotated[str, typer.Option(help="Whose jobs the key opens.")] = "default",
        scope: Annotated[
            list[str] | None, typer.Option(help="jobs:read, jobs:write, metrics or admin; default: both of jobs.")
        ] = None,
        name: Annotated[str, typer.Option(help="What the key is for.")] = "",
        expires_days: Annotated[float | None, typer.Option(help="Days until it opens nothing any more.")] = None,
        home: HomeTarget = USUAL_HOME,
        as_json: JsonOption = False,
    ) -> None:
        """Make a key and print it, once: only its hash is kept."""
        key, token = new_key(
            tenant=tenant,
            scopes=scope or JOB_SCOPES,
            name=name,
            now_s=time.time(),
            lifetime_s=None if expires_days is None else expires_days * DAY_S,
        )
        store(home).add(key)
        if as_json:
            typer.echo(json.dumps({"id": key.id, "key": token, "tenant": key.tenant, "scopes": sorted(key.scopes)}))
        else:
            typer.echo(token)

    @app.command("list")
    def list_keys(
        tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None, home: HomeTarget = USUAL_HOME
    ) -> None:
        """List keys, newest first."""
        table = Table("id", "tenant", "scopes", "name", "made", "expires", "last used", "state")
        now_s = time.time()
        for key in store(home).list(tenant):
            times = (_day(at_s) for at_s in (key.created_at_s, key.expires_at_s, key.last_used_at_s))
            table.add_row(
                key.id, key.tenant, " ".join(sorted(key.scopes)), escape(key.name), *times, _state(key, now_s)
            )
        console.print(table)

    @app.command("revoke")
    def revoke(key_id: Annotated[str, typer.Argument(help="The key's id.")], home: HomeTarget = USUAL_HOME) -> None:
        """End a key for good; it opens nothing after a few seconds."""
        store(home).revoke(key_id, time.time())
        console.print(f"{key_id} is revoked.")

    return app


def _day(at_s: float | None) -> str:
    return "" if at_s is None else f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M}"


def _state(key: ApiKey, now_s: float) -> str:
    if key.revoked_at_s is not None:
        return "revoked"
    if not key.valid(now_s):
        return "expired"
    return "valid" if is_tenant(key.tenant) else "refused: reserved name"
