"""``meetmemo keys``: make, list and revoke API keys, in the ledger itself, so that the first needs no other."""

import json
import time
from typing import Annotated, Any

import typer
from rich.console import Console

from cluster.cli.common.operator import operator
from cluster.cli.common.options import LimitOption
from cluster.cli.common.tables import ids, minute, print_json, show_table, words
from cluster.cli.common.target import USUAL_HOME, Group, HomeTarget
from pipelines.errors import OptionError
from pipelines.ledger.credentials.api_keys import JOB_SCOPES, ApiKey, KeyStore, new_key
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
        store(home).add(key, operator())
        if as_json:
            typer.echo(json.dumps({"id": key.id, "key": token, "tenant": key.tenant, "scopes": sorted(key.scopes)}))
        else:
            typer.echo(token)

    @app.command("list")
    def list_keys(
        tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
        limit: LimitOption = 1000,
        home: HomeTarget = USUAL_HOME,
        as_json: JsonOption = False,
    ) -> None:
        """List keys, newest first."""
        now_s = time.time()
        found = [_told(key, now_s) for key in store(home).list(tenant)[:limit]]
        if as_json:
            print_json({"keys": found})
            return
        names = ("tenant", "scopes", "name", "state", "made", "expires", "last used")
        times = ("created_at_s", "expires_at_s", "last_used_at_s")
        rows = [
            (
                key["id"],
                key["tenant"],
                " ".join(key["scopes"]),
                key["name"],
                key["state"],
                *(minute(key[t]) for t in times),
            )
            for key in found
        ]
        show_table(console, (*ids("id"), *words(*names)), rows)

    @app.command("revoke")
    def revoke(
        key_id: Annotated[str, typer.Argument(help="The key's id, or how it begins.")], home: HomeTarget = USUAL_HOME
    ) -> None:
        """End a key for good; it opens nothing after a few seconds."""
        keys = store(home)
        alike = [key.id for key in keys.list() if key.id.startswith(key_id)] if key_id else []
        if len(alike) > 1 and key_id not in alike:
            raise OptionError(f"several keys have an id that begins with {key_id}: give more of it")
        revoked = keys.revoke(key_id if key_id in alike or not alike else alike[0], time.time(), operator())
        console.print(f"{revoked.id} is revoked.")

    return app


def _told(key: ApiKey, now_s: float) -> dict[str, Any]:
    """Return what a list tells of a key: all but its hash; times in Unix seconds."""
    return {
        "id": key.id,
        "tenant": key.tenant,
        "scopes": sorted(key.scopes),
        "name": key.name,
        "state": _state(key, now_s),
        "created_at_s": key.created_at_s,
        "expires_at_s": key.expires_at_s,
        "last_used_at_s": key.last_used_at_s,
        "revoked_at_s": key.revoked_at_s,
    }


def _state(key: ApiKey, now_s: float) -> str:
    if key.revoked_at_s is not None:
        return "revoked"
    if not key.valid(now_s):
        return "expired"
    return "valid" if is_tenant(key.tenant) else "refused: reserved name"
