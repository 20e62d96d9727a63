"""API keys: what they look like, what is kept of them, and the two stores that keep it."""

from contextlib import closing

import pytest

from pipelines.audit import AuditAction, Doer, ObjectKind, check
from pipelines.errors import KeyUnknown, LedgerUnavailable, OptionError
from pipelines.ledger.credentials.api_keys import ALL_SCOPES, JOB_SCOPES, Scope, checked_tenant, key_id_of, new_key
from pipelines.ledger.credentials.sql_api_keys import SqlKeys
from pipelines.ledger.database import Database
from pipelines.ledger.open import connect_keys, connect_ledger, open_ledger
from tests.fakes.api_keys import OPERATOR, MemoryKeys


def make_key(tenant="acme", *, now_s=1000.0, lifetime_s=None, name="recorder", scopes=JOB_SCOPES):
    return new_key(tenant=tenant, scopes=scopes, name=name, now_s=now_s, lifetime_s=lifetime_s)


class KeysAt(SqlKeys):
    """Keys in a database whose audit log a test reads, too."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


@pytest.fixture(params=["memory", "sqlite"])
def keys(request, tmp_path):
    if request.param == "memory":
        yield MemoryKeys()
        return
    url = f"sqlite:///{tmp_path}/ledger.db"
    open_ledger(url).close()
    keys = KeysAt(url)
    yield keys
    keys.close()


def test_a_key_cannot_be_told_from_what_is_kept():
    """The store gets a hash; the key knows its own id, and nothing else is it."""
    key, token = make_key()
    assert token not in repr(key)
    _prefix, key_id, secret = token.split("_", 2)
    assert key_id == key.id
    assert secret not in repr(key)
    assert key.is_of(token)
    assert key_id_of(token) == key.id
    assert not key.is_of(token[:-1] + ("A" if token[-1] != "A" else "B"))
    assert make_key()[1] != token


@pytest.mark.parametrize("text", ["", "mm_", "mm_0123456789abcdef_short", "sk-123", "mm_0123456789ABCDEF_" + "a" * 43])
def test_what_is_no_key(text):
    """Only the form that `new_key` makes is looked up."""
    assert key_id_of(text) is None


@pytest.mark.parametrize("tenant", ["", "UPPER", "a/b", "..", "minutes-parked", "a" * 64, "-a", "a.b", "é", "a\n"])
def test_what_is_no_tenant(tenant):
    """Names that would lead out of the tenant's part of the store, or into what is no tenant's."""
    with pytest.raises(OptionError):
        checked_tenant(tenant)


@pytest.mark.parametrize("wrong", [{"scopes": ()}, {"scopes": ("root",)}, {"lifetime_s": 0.0}, {"name": "x" * 101}])
def test_a_key_that_makes_no_sense_is_refused(wrong):
    """No scope, an unknown one, no lifetime, a name without end."""
    with pytest.raises(OptionError):
        make_key(**wrong)


def test_keys_are_found_and_listed(keys):
    """By id, and by tenant, the newest first."""
    (old, _), (new, _), (other, _) = make_key(), make_key(now_s=2000.0, scopes=ALL_SCOPES), make_key("globex")
    for key in (old, new, other):
        keys.add(key, OPERATOR)
    assert keys.find(new.id) == new
    assert keys.find("0" * 16) is None
    assert list(keys.list("acme")) == [new, old]
    assert {key.id for key in keys.list()} == {old.id, new.id, other.id}


def test_a_revoked_key_stays_revoked(keys):
    """The first revocation counts; a key nobody has cannot be revoked."""
    key, _ = make_key()
    keys.add(key, OPERATOR)
    assert keys.revoke(key.id, 5000.0, OPERATOR).revoked_at_s == 5000.0
    assert keys.revoke(key.id, 6000.0, OPERATOR).revoked_at_s == 5000.0
    assert not keys.find(key.id).valid(5000.0)
    with pytest.raises(KeyUnknown):
        keys.revoke("0" * 16, 1.0, OPERATOR)


def entered(keys, tenant="acme"):
    """The deeds in a tenant's audit log, oldest first, of either store."""
    if isinstance(keys, MemoryKeys):
        return [deed for deed in keys.entered if deed.tenant == tenant]
    with closing(connect_ledger(keys.url)) as ledger:
        assert not check(ledger.audit, tenant).fault
        return [entry.deed for entry in ledger.audit.walk(tenant)]


def test_making_and_revoking_is_entered(keys):
    """In the log of the key's tenant: once each, by whom; a revocation that changes nothing is none."""
    key, _ = make_key()
    keys.add(key, OPERATOR)
    keys.add(make_key("globex")[0], OPERATOR)
    for at_s in (5000.0, 6000.0):
        keys.revoke(key.id, at_s, Doer(actor="cli:root"))
    with pytest.raises(KeyUnknown):
        keys.revoke("0" * 16, 1.0, OPERATOR)
    told = [(deed.action, deed.kind, deed.object_id, deed.actor, deed.request_id) for deed in entered(keys)]
    assert told == [
        (AuditAction.CREATE_KEY, ObjectKind.KEY, key.id, "key:operator", "r1"),
        (AuditAction.REVOKE_KEY, ObjectKind.KEY, key.id, "cli:root", ""),
    ]


def test_no_key_without_its_entry(tmp_path):
    """Where the entry cannot be written nothing is made or revoked."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    open_ledger(url).close()
    keys = SqlKeys(url)
    (kept, _), (new, _) = make_key(), make_key()
    keys.add(kept, OPERATOR)
    database = Database(url)
    with database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE audit_entries")
    database.close()
    with pytest.raises(LedgerUnavailable):
        keys.add(new, OPERATOR)
    with pytest.raises(LedgerUnavailable):
        keys.revoke(kept.id, 5000.0, OPERATOR)
    assert [(key.id, key.revoked_at_s) for key in keys.list()] == [(kept.id, None)]
    keys.close()


def test_use_is_noted(keys):
    """The time of the last use; of a key that is gone it is no error."""
    key, _ = make_key()
    keys.add(key, OPERATOR)
    keys.touch(key.id, 1234.0)
    keys.touch("0" * 16, 1.0)
    assert keys.find(key.id).last_used_at_s == 1234.0


def test_a_key_expires():
    """At its time, not before."""
    key, _ = make_key(lifetime_s=60.0)
    assert key.valid(1059.9)
    assert not key.valid(1060.0)


def test_scopes_of_a_newer_version_grant_nothing(tmp_path):
    """A row may name a scope this version does not know."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    open_ledger(url).close()
    keys = connect_keys(url)
    assert isinstance(keys, SqlKeys)
    key, _ = make_key(scopes=(Scope.JOBS_READ,))
    keys.add(key, OPERATOR)
    database = Database(url)
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE api_keys SET scopes = 'jobs:read jobs:teleport'")
    found = keys.find(key.id)
    assert found is not None
    assert found.scopes == {Scope.JOBS_READ}
    database.close()
    keys.close()


def test_a_database_that_is_away(tmp_path):
    """Is an outage, not an unknown key."""
    keys = connect_keys(f"sqlite:///{tmp_path}/ledger.db")
    assert isinstance(keys, SqlKeys)
    with pytest.raises(LedgerUnavailable):
        keys.find("0" * 16)
    keys.close()
