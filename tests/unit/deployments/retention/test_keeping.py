"""Retention by rules, holds that go before it, erasures that go on after they were interrupted."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from deployments.retention.erasure import Erasure, erase, erase_voice
from deployments.retention.housekeeping import DAY_S, due, enforce_retention, expire, expire_audio, go_on
from deployments.retention.rules import Retention, RetentionRule
from pipelines.audit import AuditAction, Deed, ObjectKind, check
from pipelines.errors import JobUnknown, OnHold
from pipelines.jobs.job import Job
from pipelines.jobs.reference import Reference
from pipelines.keeping.legal_holds import Hold, HoldScope
from pipelines.keeping.receipts import Cause, document
from pipelines.keeping.signing import ReceiptKey, new_key, verify
from pipelines.ledger.open import open_ledger
from pipelines.search.protocol import ERASURE_S
from pipelines.storage.layout import JobKeys, TenantKeys
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.unit.deployments.retention.test_housekeeping import SUCCESS, Site

KEY = ReceiptKey(new_key())


@pytest.fixture
def site() -> Site:
    return Site(MemoryStore())


def tagged(site: Site, value: str, tenant: str = "t") -> Job:
    return site.job(*SUCCESS, tenant=tenant, reference=Reference(metadata=(("matter", value),)))


def hold(site: Site, **scope: Any) -> None:
    placed = Hold(id="h1", tenant="t", name="Doe", reason="a letter", scope=HoldScope(**scope), placed_by="key-1")
    deed = Deed(tenant="t", action=AuditAction.HOLD, actor="key-1", kind=ObjectKind.HOLD, object_id="h1")
    site.ledger.legal_holds.place(placed, deed)


def test_the_first_rule_that_takes_a_job_decides(site: Site) -> None:
    """Before the days of its tenant, and before later rules; what it leaves out holds as without it."""
    retention = Retention(
        results_days=10.0,
        audio_days=5.0,
        tenants={"brief": 1.0},
        rules=(
            RetentionRule(metadata=(("matter", "17"),), results_days=0.0),
            RetentionRule(metadata=(("matter", "*"),), tenant="brief", audio_days=0.0),
            RetentionRule(metadata=(("matter", "*"),), results_days=2.0),
        ),
    )
    for_ever, brief, two_days, usual = (
        tagged(site, "17"),
        tagged(site, "18", "brief"),
        tagged(site, "18"),
        site.job(*SUCCESS),
    )
    expected = {for_ever.id: None, brief.id: 1.0, two_days.id: 2.0, usual.id: 10.0}
    assert [retention.rule_of(job) for job in (for_ever, brief, two_days, usual)] == [0, 1, 2, None]
    now_s = site.clock()
    for job in (for_ever, brief, two_days, usual):
        stored = site.ledger.get(job.tenant, job.id)
        days = expected[job.id]
        assert retention.job_is_over(stored, now_s + 1000 * DAY_S) == (days is not None)
        if days is not None:
            assert not retention.job_is_over(stored, now_s + days * DAY_S - 1)
            assert retention.job_is_over(stored, now_s + days * DAY_S + 1)
        assert retention.audio_is_over(stored, now_s) == (job is brief)
    assert retention.shortest_days == 1.0


def test_what_would_go_goes(site: Site) -> None:
    """The dry run names what retention then deletes, and what holds keep; it deletes nothing itself."""
    gone, held, kept = tagged(site, "18"), tagged(site, "17"), site.job(*SUCCESS)
    for job in (gone, held, kept):
        keys = JobKeys(tenant=job.tenant, job_id=job.id)
        for key in (keys.playback, keys.audio_mark):
            site.store.put(key, b"x")
    hold(site, metadata=(("matter", "17"),))
    retention = Retention(audio_days=1.0, rules=(RetentionRule(metadata=(("matter", "*"),), results_days=1.0),))
    now_s = site.clock() + 2 * DAY_S
    before = set(site.store.list(""))
    told = {
        (each.job.id, each.what): (each.rule, len(each.holds))
        for each in due(site.ledger, site.store, retention, now_s=now_s)
    }
    assert told == {(gone.id, "results"): (0, 0), (held.id, "results"): (0, 1), (kept.id, "audio"): (None, 0)}
    assert set(site.store.list("")) == before
    site.clock.advance(2 * DAY_S)
    enforce_retention(site.ledger, site.store, retention, now_s, signer=KEY)
    assert {job.id for job in site.ledger.list(None).jobs} == {held.id, kept.id}
    assert "audio/copy.webm" in site.left_of(held)
    assert "audio/copy.webm" not in site.left_of(kept)
    (receipt,) = site.ledger.receipts.list("t").receipts
    assert (receipt.object_id, receipt.cause, receipt.actor) == (gone.id, Cause.RETENTION, "system:retention")
    assert verify(document(receipt), (KEY.public_key,)).trusted
    deeds = [(each.deed.action, each.deed.object_id) for each in site.ledger.audit.walk("t")][1:]
    assert deeds == [(AuditAction.ERASE, gone.id), (AuditAction.DELETE_AUDIO, kept.id)]


def test_a_hold_stops_an_erasure_before_it_begins(site: Site) -> None:
    """Nothing is touched, and nothing stays behind that would erase the job later."""
    job = site.job(*SUCCESS)
    before = set(site.store.list(""))
    hold(site, job_id=job.id)
    with pytest.raises(OnHold, match="h1"):
        erase(site.ledger, site.store, site.ledger.get("t", job.id))
    assert set(site.store.list("")) == before
    assert expire(site.ledger, site.store, Retention(results_days=1.0), now_s=site.clock() + 9 * DAY_S) == []
    assert not site.ledger.receipts.begun(site.clock() + 9 * DAY_S)


def test_a_held_recording_outlives_its_days(site: Site) -> None:
    """Copies of recordings are kept as well."""
    job = site.job(*SUCCESS)
    keys = JobKeys(tenant="t", job_id=job.id)
    for key in (keys.playback, keys.audio_mark):
        site.store.put(key, b"x")
    hold(site, job_id=job.id)
    retention = Retention(audio_days=1.0)
    assert expire_audio(site.ledger, site.store, retention, now_s=site.clock() + 9 * DAY_S) == []
    assert site.store.exists(keys.playback)


def test_a_receipt_has_every_blob(site: Site) -> None:
    """Its keys, sizes and digests are those of what was there; the search finds nothing any more, the log has it."""
    job = site.job(*SUCCESS)
    there = {key: site.store.get(key) for key in site.store.list("")}
    by = Erasure(actor="key-1", request_id="r1", signer=KEY, clock=site.clock)
    receipt = erase(site.ledger, site.store, site.ledger.get("t", job.id), by)
    assert {blob.key: (blob.n_bytes, blob.sha256) for blob in receipt.blobs} == {
        key: (len(data), hashlib.sha256(data).hexdigest()) for key, data in there.items()
    }
    assert receipt.gone
    assert site.ledger.receipts.get("t", receipt.id) == receipt
    (entry,) = site.ledger.audit.walk("t")
    assert (entry.deed.actor, entry.deed.request_id, dict(entry.deed.detail)["receipt"]) == ("key-1", "r1", receipt.id)


class Killed(BaseException):
    """The process was killed."""


class Dying:
    """Passes calls on, and dies right before (or after) the n-th of those that write."""

    WRITES = frozenset({"delete", "delete_prefix", "begin", "finish", "forget", "put"})

    def __init__(self, inner: Any, left: list[int], *, after: bool) -> None:
        self._inner, self._left, self._after = inner, left, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name in ("receipts", "search"):
            return Dying(found, self._left, after=self._after)
        return self._dying(found) if name in self.WRITES else found

    def _dying(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            self._left[0] -= 1
            if self._left[0] == 0 and not self._after:
                raise Killed
            answer = call(*args, **kwargs)
            if self._left[0] == 0:
                raise Killed
            return answer

        return run


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("what", ["job", "voice"])
def test_an_erasure_that_is_killed_anywhere_goes_on(tmp_path: Any, what: str, after: bool) -> None:
    """For every n: killed at the n-th write; housekeeping ends what was begun with one receipt of all there was."""
    for n in range(1, 100):
        site = Site(MemoryStore())
        ledger = open_ledger(f"sqlite:///{tmp_path}/{what}-{after}-{n}.db", clock=site.clock)
        site.ledger = ledger
        job = site.job(*SUCCESS)
        voice = TenantKeys(tenant="t").voice("v1")
        site.store.put(voice, b"sealed")
        own = {voice} if what == "voice" else {key for key in site.store.list("") if key != voice}
        left = [n]
        dying, store = Dying(ledger, left, after=after), Dying(site.store, left, after=after)
        by = Erasure(actor="key-1", request_id="r1", signer=KEY, clock=site.clock)
        killed = False
        try:
            if what == "job":
                erase(dying, store, ledger.get("t", job.id), by)
            else:
                erase_voice(dying, store, "t", "v1", by)
        except Killed:
            killed = True
        begun = bool(ledger.receipts.begun(site.clock() + 1))
        go_on(ledger, site.store, now_s=site.clock() + ERASURE_S + 1, signer=KEY)
        found = ledger.receipts.list("t").receipts
        if begun or found:
            (receipt,) = found
            assert set(receipt.keys) == own, n
            assert all(blob.n_bytes for blob in receipt.blobs)
            assert receipt.gone
            assert receipt.actor == "key-1"
            assert verify(document(receipt), (KEY.public_key,)).trusted
            assert not own & set(site.store.list("")), n
            assert len(ledger.audit.walk("t")) == 1, n
            if what == "job":
                with pytest.raises(JobUnknown):
                    ledger.get("t", job.id)
        else:
            assert own <= set(site.store.list("")), n  # nothing was begun, and nothing is gone
        assert not ledger.receipts.begun(1e12)
        assert check(ledger.audit, "t").fault == ""
        ledger.close()
        if not killed:
            break
    assert n > 3, "there were hardly any writes to die at"


def test_records_go_when_their_own_time_is_over() -> None:
    """The audit log and receipts are kept for ever, or for so many days."""
    site = Site(MemoryStore())
    job = site.job(*SUCCESS)
    erase(site.ledger, site.store, site.ledger.get("t", job.id), Erasure(clock=site.clock))
    now_s = site.clock() + 100 * DAY_S
    enforce_retention(site.ledger, site.store, Retention(), now_s)
    assert len(site.ledger.audit.walk("t")) == len(site.ledger.receipts.list("t").receipts) == 1
    enforce_retention(site.ledger, site.store, Retention(audit_days=99.0), now_s)
    assert (site.ledger.audit.walk("t"), site.ledger.receipts.list("t").receipts) == ([], ())
    assert isinstance(site.ledger, MemoryLedger)
