"""``meetmemo sessions``: who is signed in with a browser, and ending that; in the ledger itself, as with keys."""

import time
from contextlib import closing
from typing import Annotated, Any

import typer
from rich.console import Console

from cluster.cli.common.operator import operator
from cluster.cli.common.options import JsonOption, LimitOption
from cluster.cli.common.tables import ids, minute, print_json, show_table, words
from cluster.cli.common.target import USUAL_HOME, Group, HomeTarget
from cluster.settings.settings import Settings
from pipelines.audit import USER
from pipelines.errors import NotFound, OptionError
from pipelines.ledger.credentials.sessions import Session
from pipelines.ledger.open import connect_sessions, open_ledger


def sessions_app(console: Console) -> Group:
    """Build the sub-commands."""
    app = Group(help="Sessions of people who signed in with a browser: list them, end them.")

    @app.command("list")
    def list_sessions(
        user: Annotated[str | None, typer.Option(help="Only this person's: the subject, or user:SUBJECT.")] = None,
        limit: LimitOption = 1000,
        home: HomeTarget = USUAL_HOME,
        as_json: JsonOption = False,
    ) -> None:
        """List sessions, newest first."""
        found = [_told(session) for session in _chosen(home.settings(), user)[:limit]]
        if as_json:
            print_json({"sessions": found})
            return
        rows = [
            (
                one["id"],
                one["name"],
                one["actor"],
                one["tenant"],
                " ".join(one["groups"]),
                minute(one["signed_in_at_s"]),
                minute(one["last_used_at_s"]),
            )
            for one in found
        ]
        show_table(
            console, (*ids("id"), *words("name", "user", "tenant", "groups", "signed in (UTC)", "last used")), rows
        )

    @app.command("revoke")
    def revoke(
        session_id: Annotated[str | None, typer.Argument(help="The session's id, or how it begins.")] = None,
        user: Annotated[str | None, typer.Option(help="All of this person's: the subject, or user:SUBJECT.")] = None,
        home: HomeTarget = USUAL_HOME,
        as_json: JsonOption = False,
    ) -> None:
        """End a session, or all of a person; they open nothing after a few seconds. The audit log has it."""
        if (session_id is None) == (user is None):
            raise OptionError("name a session, or a person with --user")
        settings = home.settings()
        wanted = _chosen(settings, user) if session_id is None else [_one(_chosen(settings, None), session_id)]
        ended = _ended(settings, wanted)
        if as_json:
            print_json({"sessions": [_told(session) for session in ended]})
            return
        for session in ended:
            console.print(f"{session.id} of {USER}{session.subject} is over.", markup=False, highlight=False)
        if not ended:
            console.print("There is no such session.")

    return app


def _chosen(settings: Settings, user: str | None) -> list[Session]:
    """Return the sessions that are not over, of one person where one is named."""
    url, now_s, oidc = settings.ledger_url, time.time(), settings.oidc
    open_ledger(url).close()  # the table may not be there yet
    return [
        session
        for session in connect_sessions(url).list()
        if (user is None or session.subject == user.removeprefix(USER))
        and now_s - session.created_at_s < oidc.lifetime_h * 3600
        and now_s - session.seen_at_s < oidc.idle_h * 3600
    ]


def _one(sessions: list[Session], prefix: str) -> Session:
    """Return the one whose id begins so; raises `NotFound` for none, `OptionError` for several."""
    found = [session for session in sessions if session.id.startswith(prefix)] if prefix else []
    if len(found) > 1:
        raise OptionError(f"several sessions have an id that begins with {prefix}: give more of it")
    if not found:
        raise NotFound("There is no such session.")
    return found[0]


def _ended(settings: Settings, wanted: list[Session]) -> list[Session]:
    """End sessions and enter that into the audit log; return those that there were."""
    with closing(connect_sessions(settings.ledger_url)) as store:
        return [session for session in wanted if store.end_for(session.id, operator(), time.time())]


def _told(session: Session) -> dict[str, Any]:
    """Return what a list tells of a session: who and when, none of its secrets; times in Unix seconds."""
    return {
        "id": session.id,
        "actor": f"{USER}{session.subject}",
        "name": session.name,
        "email": session.email,
        "tenant": session.tenant,
        "groups": list(session.groups),
        "signed_in_at_s": session.created_at_s,
        "last_used_at_s": session.seen_at_s,
        "groups_read_at_s": session.checked_at_s,
    }
