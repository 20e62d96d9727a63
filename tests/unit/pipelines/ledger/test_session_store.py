"""Sessions of people: the same behaviour in the database and in the fake."""

from contextlib import closing
from dataclasses import replace

import pytest

from pipelines.audit import AuditAction, Doer, ObjectKind
from pipelines.errors import LedgerUnavailable
from pipelines.ledger.credentials.sessions import Session, new_token, session_digest, session_id_of, successor
from pipelines.ledger.credentials.sql_sessions import SqlSessions
from pipelines.ledger.open import connect_ledger, connect_sessions, open_ledger
from tests.fakes.sessions import MemorySessions


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    if request.param == "memory":
        yield MemorySessions()
        return
    url = f"sqlite:///{tmp_path}/ledger.db"
    open_ledger(url).close()
    store = connect_sessions(url)
    assert isinstance(store, SqlSessions)
    yield store
    store.close()


def session(token, *, at_s=1000.0):
    return Session(
        id=str(session_id_of(token)),
        digest=session_digest(token),
        subject="emil",
        name="Émil \x00 Editor",
        email="emil@acme.example",
        groups=("writers", "作者"),
        tenant="acme",
        created_at_s=at_s,
        rotated_at_s=at_s,
        seen_at_s=at_s,
        checked_at_s=at_s,
    )


def test_a_session_is_kept_without_its_token(store):
    """All that was put in comes back; the token is in none of it."""
    token = new_token()
    store.add(replace(session(token), name="Emil"))
    found = store.find(session_id_of(token))
    assert found == replace(session(token), name="Emil")
    assert token not in repr(found)
    assert list(store.list()) == [found]


def test_an_ended_session_is_gone(store):
    """For good; ending it again is no error."""
    token = new_token()
    store.add(session(token))
    assert store.end(session_id_of(token))
    assert store.find(session_id_of(token)) is None
    assert not store.end(session_id_of(token))


def test_ending_somebody_elses_session_is_entered(store, tmp_path):
    """In the log of the tenant they work in, by whom; once, and not where there was none."""
    token = new_token()
    store.add(session(token))
    by = Doer(actor="user:ada", request_id="r1")
    assert store.end_for(session_id_of(token), by, 5000.0)
    assert store.find(session_id_of(token)) is None
    assert not store.end_for(session_id_of(token), by, 6000.0)
    if isinstance(store, MemorySessions):
        deeds = store.entered
    else:
        with closing(connect_ledger(f"sqlite:///{tmp_path}/ledger.db")) as ledger:
            deeds = [entry.deed for entry in ledger.audit.walk("acme")]
    told = [(deed.tenant, deed.action, deed.kind, deed.object_id, deed.actor) for deed in deeds]
    assert told == [("acme", AuditAction.END_SESSION, ObjectKind.SESSION, session_id_of(token), "user:ada")]


def test_an_offer_is_for_the_holder_of_the_token(store):
    """It is noted once the token is still the session's, and is void when that was replaced."""
    token, following = new_token(), successor(new_token(), b"key")
    store.add(session(token))
    store.offer(session_id_of(token), "another digest", session_digest(following))
    assert store.find(session_id_of(token)).next_digest is None
    store.offer(session_id_of(token), session_digest(token), session_digest(following))
    assert store.find(session_id_of(token)).next_digest == session_digest(following)


def test_a_token_is_replaced_once(store):
    """Of two servers that replace the same token one does; the tenant changes with it where one is named."""
    token = new_token()
    session_id = session_id_of(token)
    store.add(session(token))
    assert store.rotate(session_id, session_digest(token), "new", 2000.0, "lab")
    assert not store.rotate(session_id, session_digest(token), "newer", 3000.0)
    found = store.find(session_id)
    assert (found.digest, found.previous_digest, found.next_digest) == ("new", session_digest(token), None)
    assert (found.tenant, found.rotated_at_s) == ("lab", 2000.0)


def test_old_and_idle_sessions_are_purged(store):
    """What began too long ago, or was not used for too long; use counts."""
    old, idle, used = (new_token() for _ in range(3))
    store.add(session(old, at_s=10.0))
    store.add(session(idle, at_s=100.0))
    store.add(session(used, at_s=100.0))
    store.touch(session_id_of(old), 500.0)
    store.touch(session_id_of(used), 500.0)
    assert store.purge(created_before_s=50.0, seen_before_s=400.0) == 2
    assert [kept.id for kept in store.list()] == [session_id_of(used)]


def test_a_database_that_is_away(tmp_path):
    """Is an outage, not the end of a session."""
    store = connect_sessions(f"sqlite:///{tmp_path}/ledger.db")
    assert isinstance(store, SqlSessions)
    with pytest.raises(LedgerUnavailable):
        store.find("0" * 16)
    store.close()


def test_tokens():
    """Two are never the same; a successor is the same on every server, of the same session, and nobody's guess."""
    token = new_token()
    assert token != new_token()
    assert successor(token, b"key") == successor(token, b"key") != successor(token, b"another key")
    assert session_id_of(successor(token, b"key")) == session_id_of(token)
    assert session_id_of("ms_xyz_" + "a" * 43) is None
    assert session_id_of(f"{token}x") is None


def test_groups_are_read_anew_by_one(store):
    """The first server to say so; what it finds is kept, and what it leaves out stays."""
    token = new_token()
    store.add(replace(session(token), name="Emil", renewal="sealed", provider_session="s-1"))
    session_id = str(session_id_of(token))
    assert store.claim_check(session_id, 1000.0, 2000.0)
    assert not store.claim_check(session_id, 1000.0, 2000.0)
    store.renew(session_id, checked_at_s=1500.0)
    assert store.find(session_id).checked_at_s == 1500.0
    assert (store.find(session_id).groups, store.find(session_id).renewal) == (("writers", "作者"), "sealed")
    store.renew(session_id, checked_at_s=3000.0, groups=("listeners",), renewal="")
    found = store.find(session_id)
    assert (found.checked_at_s, found.groups, found.renewal, found.provider_session) == (
        3000.0, ("listeners",), "", "s-1",
    )  # fmt: skip
    assert not store.claim_check("0123456789abcdef", 0.0, 1.0)


PROVIDER = Doer(actor="system:identity-provider")


def test_all_sessions_of_somebody(store):
    """By the person, by the session at the provider, or both; of nobody where nothing is named."""
    tokens = [new_token() for _ in range(4)]
    people = [("emil", "s-1"), ("emil", "s-2"), ("ada", "s-3"), ("ada", "")]
    for token, (subject, there) in zip(tokens, people, strict=True):
        store.add(replace(session(token), name="", subject=subject, provider_session=there))
    assert list(store.end_all(PROVIDER, 5000.0)) == []
    assert len(store.list()) == 4
    assert [one.id for one in store.end_all(PROVIDER, 5000.0, subject="ada", provider_session="s-3")] == [
        session_id_of(tokens[2])
    ]
    assert list(store.end_all(PROVIDER, 5000.0, subject="ada", provider_session="s-1")) == []
    assert {one.id for one in store.end_all(PROVIDER, 5000.0, subject="emil")} == {
        session_id_of(token) for token in tokens[:2]
    }
    assert [one.subject for one in store.list()] == ["ada"]
