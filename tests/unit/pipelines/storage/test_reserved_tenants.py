"""Tenants that are called like the marks beside them: nobody can be, and what such tenants left harms nobody."""

import hashlib

import jwt
import pytest
from typer.testing import CliRunner

from cluster.cli.main import app
from cluster.lifecycle.up import check_authentication
from cluster.settings.settings import load_settings
from cluster.wiring.authentication import complaints_about_keys
from deployments.artifacts.parked_minutes import DeferredMinutes
from deployments.artifacts.presigned_uploads import DirectUpload, DirectUploads, expire_uploads
from deployments.auth.api_keys import ApiKeyAuthenticator
from deployments.auth.jwt import JwtAuthenticator, JwtRules, SharedSecret
from deployments.ports import MinutesRequest
from deployments.retention.housekeeping import DAY_S, Retention, enforce_retention, expire_audio
from pipelines.codec import encode
from pipelines.errors import ConfigurationError, NotFound, Unauthenticated
from pipelines.ids import new_id
from pipelines.ledger.credentials.api_keys import JOB_SCOPES, ApiKey, digest_of, new_key, nobodys_keys
from pipelines.ledger.credentials.sql_api_keys import SqlKeys
from pipelines.ledger.open import connect_keys, open_ledger
from pipelines.storage.folder import LocalStore
from pipelines.storage.layout import RESERVED_TENANTS, JobKeys
from tests.fakes.api_keys import OPERATOR, MemoryKeys
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore

NOW_S = 1_900_000_000.0
NAMES = sorted(RESERVED_TENANTS)
SECRET = "a secret that is long enough for HS256"


@pytest.fixture(params=["memory", "folder"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "store")


def key_of(tenant: str) -> tuple[ApiKey, str]:
    """A key as an earlier version made it, which knew two of the names."""
    key, token = new_key(tenant="acme", scopes=JOB_SCOPES, name="", now_s=NOW_S)
    return ApiKey(**{**vars(key), "tenant": tenant, "digest": digest_of(token)}), token


# Nobody is called so


@pytest.mark.parametrize("name", NAMES)
async def test_keys_that_there_are_open_nothing(name):
    """A key of such a tenant is refused when it is used, with a reason; another's is not."""
    keys = MemoryKeys()
    key, token = key_of(name)
    keys.add(key, OPERATOR)
    with pytest.raises(Unauthenticated, match="reserved name"):
        await ApiKeyAuthenticator(keys, clock=lambda: NOW_S).authenticate(token)
    good, token = key_of("acme")
    keys.add(good, OPERATOR)
    assert (await ApiKeyAuthenticator(keys, clock=lambda: NOW_S).authenticate(token)).tenant == "acme"


@pytest.mark.parametrize("name", NAMES)
async def test_tokens_open_nothing(name):
    """Nor does a JSON Web Token whose claim names one."""
    authenticator = JwtAuthenticator(SharedSecret(SECRET), JwtRules())
    token = jwt.encode({"tenant": name, "exp": 4e9}, SECRET, algorithm="HS256")
    with pytest.raises(Unauthenticated, match="names no tenant"):
        await authenticator.authenticate(token)


def test_a_start_tells_of_such_keys():
    """In one line each, with what to do; revoked and expired ones are nobody's business."""
    (bad, _), (good, _), (ended, _) = key_of("uploads-open"), key_of("acme"), key_of("audio-kept")
    ended = ApiKey(**{**vars(ended), "revoked_at_s": NOW_S})
    assert nobodys_keys([bad, good, ended], NOW_S) == [bad]
    (said,) = complaints_about_keys([bad, good, ended])
    assert bad.id in said
    assert "'uploads-open'" in said
    assert f"meetmemo keys revoke {bad.id}" in said
    assert "\n" not in said


def test_the_command_line_makes_none(tmp_path):
    """`meetmemo keys create` refuses the name and makes no key; the list says which are refused."""
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    open_ledger(url).close()
    run = CliRunner().invoke
    refused = run(app, ["keys", "create", "--tenant", "uploads-open", "--home", str(tmp_path)])
    assert refused.exit_code != 0
    listed = run(app, ["keys", "list", "--home", str(tmp_path)])
    assert "uploads-open" not in listed.output


@pytest.mark.parametrize(
    "flags",
    [
        {"limits": {"tenants": {"uploads-open": {"max_upload_mb": 1}}}},
        {"minutes": {"tenants": {"audio-kept": {"title": "x"}}}},
        {"retention": {"tenants": {"uploads-open": 1}}},
        {"webhooks": {"tenants": {"uploads-open": "https://hooks.example/"}}},
        {"metrics": {"tenant_classes": {"uploads-open": "gold"}}},
        {"vocabulary": {"audio-kept": ["word"]}},
        {"twilio": [{"account": "AC" + "0" * 32, "tenant": "audio-kept"}]},
        {"sources": [{"name": "a", "url": "s3://a/b", "tenants": ["Not one"]}]},
    ],
)
def test_settings_name_tenants(flags, tmp_path):
    """Wherever settings name a tenant, what cannot be one is a mistake that is told at the start."""
    with pytest.raises(ConfigurationError, match="is no tenant's name"):
        load_settings(env={}, flags={"home": str(tmp_path), **flags})


# What they left


@pytest.mark.parametrize("name", ["uploads-open", "audio-kept"])
def test_housekeeping_deletes_nothing_of_theirs(store, name):
    """Blobs of a job of such a tenant are no marks: a source, working data and results survive every round."""
    keys = JobKeys(tenant=name, job_id=new_id())
    for key in (keys.source, keys.summary, keys.transcript):
        store.put(key, b"{}")
    enforce_retention(MemoryLedger(), store, Retention(), NOW_S + 100 * DAY_S)
    assert list(store.list(keys.root)) == [keys.transcript, keys.source, keys.summary]


def test_marks_that_are_none_are_left_alone(store):
    """Only what has a mark's form and does not name another upload is acted upon; of that also what is torn."""
    over, torn = new_id(), new_id()
    own = DirectUpload(
        id=over, tenant="acme", n_bytes=1, filename="a", url_expires_at_s=NOW_S - 2, expires_at_s=NOW_S - 1
    )
    store.put(own.keys.upload_mark, encode(own))
    store.put(JobKeys(tenant="acme", job_id=torn).upload_mark, b"torn")
    strange = {
        "uploads-open/acme/notes.txt",
        f"uploads-open/{new_id()}/source",
        "uploads-open/x",
        f"uploads-open/ACME/{over}",
        JobKeys(tenant="globex", job_id=new_id()).upload_mark,
    }
    for key in strange:
        store.put(key, encode(own))
    assert sorted(expire_uploads(store, now_s=NOW_S)) == sorted([over, torn])
    assert set(store.list("uploads-open/")) == strange


def test_kept_audio_of_nobody_is_left_alone(store):
    """A key among the marks of kept audio that names no job expires nothing."""
    for key in ("audio-kept/acme/notes.txt", f"audio-kept/{new_id()}/source", "audio-kept/acme/a/b"):
        store.put(key, b"x")
    assert expire_audio(MemoryLedger(), store, Retention(), now_s=NOW_S) == []
    assert len(list(store.list("audio-kept/"))) == 3


def test_a_recording_that_is_a_mark_opens_no_other_job(store):
    """A tenant called like the marks sends, as its recording, a mark that names another tenant's job."""
    victim, token = new_id(), "token.attacker-job"
    planted = DirectUpload(
        id=victim,
        tenant="victim",
        n_bytes=9,
        filename="a",
        url_expires_at_s=NOW_S + 60,
        expires_at_s=NOW_S + 60,
        token_sha256=hashlib.sha256(token.encode()).hexdigest(),
    )
    # The key of the recording of job "attacker-job" of tenant "uploads-open" is that of a mark.
    store.put(JobKeys(tenant="uploads-open", job_id="attacker-job").source, encode(planted))
    uploads = DirectUploads(store=store, clock=lambda: NOW_S, new_id=new_id)
    with pytest.raises(NotFound):
        uploads.addressed("source", token)
    with pytest.raises(NotFound):
        uploads.whole("attacker-job", "source")


def test_parked_minutes_of_another_job_are_not_written(store):
    """An entry under a key that is not its own is passed over."""
    deferred = DeferredMinutes(store)
    request = MinutesRequest(tenant="acme", job_id="a1", title="Call", minutes="llm", language=None)
    deferred.park(request, "later")
    (entry,) = deferred.list()
    store.put("minutes-parked/globex/b2.json", encode(entry))
    assert deferred.list() == [entry]


def test_a_start_looks_at_the_keys_there_are(tmp_path):
    """The cluster starts all the same, and its operator hears of the key."""
    settings = load_settings(env={}, flags={"home": str(tmp_path)})
    open_ledger(settings.ledger_url).close()
    keys = connect_keys(settings.ledger_url)
    assert isinstance(keys, SqlKeys)
    bad, _ = key_of("uploads-open")
    keys.add(bad, OPERATOR)
    said: list[str] = []
    check_authentication(settings, said.append)
    assert len(said) == 1
    assert bad.id in said[0]
    keys.close()
