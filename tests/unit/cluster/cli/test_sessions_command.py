"""``meetmemo sessions``: people who are signed in, listed and ended in the ledger."""

import json
import time

import pytest
from typer.testing import CliRunner

from cluster.cli.common.operator import operator
from cluster.cli.main import app
from cluster.settings.settings import Settings
from pipelines.errors import NotFound, OptionError
from pipelines.ledger.credentials.sessions import Session, new_token, session_digest
from pipelines.ledger.open import connect_sessions, open_ledger

TOKEN = new_token()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home."""
    monkeypatch.setenv("MEETMEMO_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.fixture
def ledger_url(home):
    url = Settings(home=home).ledger_url
    open_ledger(url).close()
    return url


def keep(url, session_id, subject="emil", age_s=60.0):
    now_s = time.time() - age_s
    session = Session(
        id=session_id, digest=session_digest(TOKEN), subject=subject, name=subject.title(), email="somebody@a.example",
        groups=("writers", "admins"), tenant="acme", created_at_s=now_s, rotated_at_s=now_s, seen_at_s=now_s,
        checked_at_s=now_s, renewal="a sealed refresh token",
    )  # fmt: skip
    connect_sessions(url).add(session)


def run(*arguments):
    """Run the command; raise the product's own errors, as `main` gets them."""
    result = CliRunner().invoke(app, ["sessions", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_nobody_is_signed_in(home):
    """Also where there is no ledger yet."""
    assert json.loads(run("list", "--json")) == {"sessions": []}
    assert run("list").splitlines() == ["id\tname\tuser\ttenant\tgroups\tsigned in (UTC)\tlast used"]


def test_who_is_signed_in(ledger_url):
    """Whole ids in a pipe, one line each; nothing that would open a session, and none that is over."""
    keep(ledger_url, "0a" * 8)
    keep(ledger_url, "0b" * 8, "ada", age_s=30.0)
    keep(ledger_url, "0c" * 8, "rita", age_s=13 * 3600.0)
    lines = run("list").splitlines()[1:]
    assert [line.split("\t")[:5] for line in lines] == [
        ["0b" * 8, "Ada", "user:ada", "acme", "writers admins"],
        ["0a" * 8, "Emil", "user:emil", "acme", "writers admins"],
    ]
    told = run("list", "--json", "--user", "user:emil")
    [one] = json.loads(told)["sessions"]
    assert (one["id"], one["actor"], one["groups"]) == ("0a" * 8, "user:emil", ["writers", "admins"])
    assert "sealed" not in told
    assert session_digest(TOKEN) not in told


def test_a_session_is_ended_by_how_its_id_begins(ledger_url):
    """Where only one does; the audit log of the tenant has who did it."""
    keep(ledger_url, "0a1" + "0" * 13)
    keep(ledger_url, "0a2" + "0" * 13, "ada")
    with pytest.raises(OptionError, match="several sessions"):
        run("revoke", "0a")
    with pytest.raises(NotFound):
        run("revoke", "ff")
    assert run("revoke", "0a1") == f"0a1{'0' * 13} of user:emil is over.\n"
    assert [one.subject for one in connect_sessions(ledger_url).list()] == ["ada"]
    ledger = open_ledger(ledger_url)
    [entry] = ledger.audit.list("acme").entries
    ledger.close()
    assert (entry.deed.action, entry.deed.actor) == ("end_session", operator().actor)
    assert (entry.deed.object_id, dict(entry.deed.detail)) == (f"0a1{'0' * 13}", {"of": "user:emil"})


def test_all_sessions_of_a_person_are_ended(ledger_url):
    """In one command; nobody else's."""
    for number in range(3):
        keep(ledger_url, f"{number}" * 16, "ada" if number else "emil")
    ended = json.loads(run("revoke", "--user", "ada", "--json"))["sessions"]
    assert sorted(one["id"] for one in ended) == ["1" * 16, "2" * 16]
    assert [one.subject for one in connect_sessions(ledger_url).list()] == ["emil"]
    assert run("revoke", "--user", "ada") == "There is no such session.\n"


@pytest.mark.parametrize("arguments", [(), ("0a", "--user", "emil")])
def test_what_is_to_end_is_said_once(home, arguments):
    """A session or a person, not both, not neither."""
    with pytest.raises(OptionError, match="name a session"):
        run("revoke", *arguments)
