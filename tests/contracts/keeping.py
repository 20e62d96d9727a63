"""What every ledger must do with its audit log, legal holds and receipts."""

from dataclasses import replace
from typing import Any

import pytest

from pipelines.audit import AuditAction, AuditFilter, Deed, ObjectKind, check
from pipelines.errors import IllegalTransition, InvalidRequest, JobUnknown, NotFound, OnHold
from pipelines.jobs.batch import Batch, BatchState, Entry
from pipelines.jobs.job import Job
from pipelines.jobs.reference import Reference
from pipelines.keeping.legal_holds import Hold, HoldScope
from pipelines.keeping.receipts import Cause, ErasedBlob, Receipt
from pipelines.ledger.protocol import Ledger
from pipelines.ledger.sql_batches import SqlBatches
from tests.contracts.ledger_base import LedgerBase, make_job
from tests.contracts.ledger_corrections import version
from tests.fakes.ledger import ManualClock


def deed(action: AuditAction = AuditAction.READ, object_id: str = "j1", **more: object) -> Deed:
    given = {"tenant": "acme", "actor": "key-1", "kind": ObjectKind.JOB, "request_id": "r1", **more}
    return Deed(action=action, object_id=object_id, **given)  # type: ignore[arg-type]


def hold(hold_id: str = "h1", *, tenant: str = "acme", **scope: Any) -> Hold:
    return Hold(
        id=hold_id,
        tenant=tenant,
        name="Doe v. Acme",
        reason="a letter of 12 May",
        scope=HoldScope(**scope),
        placed_by="key-1",
    )


def receipt(
    receipt_id: str = "r1", object_id: str = "j1", *, kind: ObjectKind = ObjectKind.JOB, at_s: float = 5.0
) -> Receipt:
    return Receipt(
        id=receipt_id,
        tenant="acme",
        kind=kind,
        object_id=object_id,
        cause=Cause.REQUEST,
        actor="key-1",
        begun_at_s=at_s,
        blobs=(ErasedBlob(key=f"acme/{object_id}/a", n_bytes=3, sha256="ab"),),
    )


def placing(placed: Hold) -> Deed:
    return deed(AuditAction.HOLD, placed.id, tenant=placed.tenant, kind=ObjectKind.HOLD)


def with_reference(job_id: str, **reference: object) -> Job:
    return replace(make_job(job_id), reference=Reference(**reference))  # type: ignore[arg-type]


class AuditContract(LedgerBase):
    """Appending, listing, the chain, pruning."""

    def test_deeds_are_listed(self, ledger: Ledger, another: Ledger, clock: ManualClock) -> None:
        """Entries are numbered by tenant, listed newest first, and narrowed by action, actor, object and time."""
        ledger.audit.append([deed(detail=(("result", "minutes.pdf"),)), deed(tenant="other")])
        clock.advance(10)
        another.audit.append([deed(AuditAction.SEARCH, "acme", actor="key-2", kind=ObjectKind.TENANT, n_times=3)])
        listed = ledger.audit.list("acme").entries
        assert [(each.seq, each.at_s, each.deed.action) for each in listed] == [
            (2, clock(), AuditAction.SEARCH),
            (1, clock() - 10, AuditAction.READ),
        ]
        assert listed[1].deed == deed(detail=(("result", "minutes.pdf"),))
        assert listed[0].deed.n_times == 3
        for wanted, seqs in (
            (AuditFilter(action=AuditAction.READ), [1]),
            (AuditFilter(actor="key-2"), [2]),
            (AuditFilter(object_id="j1"), [1]),
            (AuditFilter(from_s=clock()), [2]),
            (AuditFilter(before_s=clock()), [1]),
            (AuditFilter(actor=""), []),
        ):
            assert [each.seq for each in another.audit.list("acme", wanted).entries] == seqs

    def test_pages_of_the_log(self, ledger: Ledger) -> None:
        """Pages lead through all entries once; what is no cursor is refused."""
        ledger.audit.append([deed(object_id=f"j{number}") for number in range(5)])
        seqs, after = [], None
        while True:
            page = ledger.audit.list("acme", limit=2, after=after)
            seqs += [each.seq for each in page.entries]
            after = page.next_cursor
            if after is None:
                break
        assert seqs == [5, 4, 3, 2, 1]
        for wrong in ("", "x", "-1", "9" * 40):
            with pytest.raises(InvalidRequest):
                ledger.audit.list("acme", after=wrong)

    def test_the_chain_is_whole(self, ledger: Ledger, another: Ledger) -> None:
        """A check finds every entry in its place, whoever wrote it, and one that was noted."""
        for number in range(3):
            (ledger if number % 2 else another).audit.append([deed(object_id=f"j{number}\0"), deed(tenant="other")])
        found = check(ledger.audit, "acme")
        assert (found.fault, found.n_entries, found.head.seq) == ("", 3, 3)
        second = ledger.audit.walk("acme", after_seq=1, limit=1)[0]
        assert check(ledger.audit, "acme", known=(2, second.digest)).fault == ""
        assert "not the one" in check(ledger.audit, "acme", known=(2, "ab")).fault
        assert "not the one" in check(ledger.audit, "acme", known=(9, second.digest)).fault
        assert check(ledger.audit, "nobody").fault == ""

    def test_pruning_keeps_the_chain(self, ledger: Ledger, clock: ManualClock) -> None:
        """Old entries go from the start, and the rest is still whole; the numbers go on."""
        ledger.audit.append([deed(), deed()])
        clock.advance(100)
        ledger.audit.append([deed(), deed(tenant="other")])
        assert ledger.audit.prune(clock() - 50) == 2
        assert ledger.audit.prune(clock() - 50) == 0
        assert [each.seq for each in ledger.audit.list("acme").entries] == [3]
        assert check(ledger.audit, "acme").fault == ""
        assert ledger.audit.prune(clock() + 1) == 2
        ledger.audit.append([deed()])
        found = check(ledger.audit, "acme")
        assert (found.fault, found.head.seq, found.n_entries) == ("", 4, 1)

    def test_a_change_and_its_entry_are_one(self, ledger: Ledger) -> None:
        """A correction and a deletion bring their entries with them; what fails brings none."""
        ledger.create(make_job("j1"))
        ledger.corrections.add("acme", "j1", version(1), deed(AuditAction.CORRECT))
        ledger.corrections.add("acme", "j1", version(1), deed(AuditAction.CORRECT))  # a repetition
        ledger.delete("acme", "j1", deed=deed(AuditAction.ERASE))
        with pytest.raises(JobUnknown):
            ledger.delete("acme", "j1", deed=deed(AuditAction.ERASE))
        assert [each.deed.action for each in ledger.audit.walk("acme")] == [AuditAction.CORRECT, AuditAction.ERASE]


class LegalHoldsContract(LedgerBase):
    """Placing, releasing, what is held."""

    def test_a_held_job_stays(self, ledger: Ledger, another: Ledger, clock: ManualClock) -> None:
        """Neither an erasure nor a deletion begins while a hold is there; afterwards both do."""
        job, _ = ledger.create(make_job("j1"))
        placed = ledger.legal_holds.place(hold(job_id="j1"), placing(hold()))
        assert placed.placed_at_s == clock()
        assert list(another.legal_holds.of_job(job)) == [placed]
        with pytest.raises(OnHold, match="h1") as refused:
            another.receipts.begin(receipt())
        assert refused.value.hold_id == "h1"
        with pytest.raises(OnHold):
            another.delete("acme", "j1")
        clock.advance(5)
        released = another.legal_holds.release("acme", "h1", reason="settled", deed=deed(AuditAction.RELEASE, "h1"))
        assert (released.is_active, released.released_at_s, released.release_reason) == (False, clock(), "settled")
        assert not ledger.legal_holds.of_job(job)
        ledger.receipts.begin(receipt())
        actions = [each.deed.action for each in ledger.audit.walk("acme")]
        assert actions == [AuditAction.HOLD, AuditAction.RELEASE]

    @pytest.mark.parametrize(
        ("scope", "held"),
        [
            ({"metadata": (("matter", "17"),)}, {"j1"}),
            ({"metadata": (("matter", "*"),)}, {"j1", "j2"}),
            ({"metadata": (("matter", "17"), ("room", "7"))}, set()),
            ({"external_id": "call-3"}, {"j3"}),
            ({"external_id": "call-3", "metadata": (("matter", "*"),)}, set()),
            ({"job_id": "j1"}, {"j1", "again"}),
        ],
    )
    def test_what_a_hold_takes(self, ledger: Ledger, scope: dict[str, Any], held: set[str]) -> None:
        """A hold takes jobs by their id, metadata and external id, also those that come later."""
        ledger.create(with_reference("j1", metadata=(("matter", "17"),)))
        ledger.legal_holds.place(hold(**scope), placing(hold()))
        later = (
            with_reference("j2", metadata=(("matter", "18"),)),
            with_reference("j3", external_id="call-3"),
            replace(make_job("again"), minutes_of="j1"),
        )
        for job in later:
            ledger.create(job)
        known = [ledger.get("acme", name) for name in ("j1", "j2", "j3", "again")]
        assert {job.id for job in known if ledger.legal_holds.of_job(job)} == held

    def test_holds_are_listed(self, ledger: Ledger, clock: ManualClock) -> None:
        """Active holds are listed newest first, and all on request; one of the same scope is not placed twice."""
        ledger.create(make_job("j1"))
        first = ledger.legal_holds.place(hold("h1", job_id="j1"), placing(hold()))
        clock.advance(1)
        assert ledger.legal_holds.place(hold("h2", job_id="j1"), placing(hold("h2"))) == first
        second = ledger.legal_holds.place(hold("h3", external_id="x"), placing(hold("h3")))
        assert list(ledger.legal_holds.list("acme")) == [second, first]
        done = ledger.legal_holds.release("acme", "h1", reason="", deed=deed(AuditAction.RELEASE, "h1"))
        assert ledger.legal_holds.release("acme", "h1", reason="again", deed=deed(AuditAction.RELEASE, "h1")) == done
        assert list(ledger.legal_holds.list("acme")) == [second]
        assert list(ledger.legal_holds.list("acme", active=False)) == [second, done]
        assert len(ledger.audit.walk("acme")) == 3

    def test_holds_of_nobody_else(self, ledger: Ledger) -> None:
        """Another tenant's holds are unknown, hold nothing here, and its jobs cannot be held."""
        job, _ = ledger.create(with_reference("j1", external_id="x"))
        ledger.legal_holds.place(hold("h1", tenant="other", external_id="x"), placing(hold(tenant="other")))
        assert not ledger.legal_holds.of_job(job)
        assert not ledger.legal_holds.list("acme")
        with pytest.raises(NotFound):
            ledger.legal_holds.get("acme", "h1")
        with pytest.raises(NotFound):
            ledger.legal_holds.release("acme", "h1", reason="", deed=deed(AuditAction.RELEASE, "h1"))
        with pytest.raises(JobUnknown):
            ledger.legal_holds.place(hold("h2", tenant="other", job_id="j1"), placing(hold()))
        with pytest.raises(NotFound):
            ledger.legal_holds.place(hold("h2", batch_id="b1"), placing(hold()))
        assert not ledger.audit.walk("acme")

    def test_an_erasure_that_has_begun(self, ledger: Ledger) -> None:
        """It is too late for a hold on its job; a hold by metadata stands, and the erasure goes on to its end."""
        ledger.create(with_reference("j1", metadata=(("matter", "17"),)))
        begun = ledger.receipts.begin(receipt())
        with pytest.raises(IllegalTransition, match="has begun"):
            ledger.legal_holds.place(hold(job_id="j1"), placing(hold()))
        ledger.legal_holds.place(hold(metadata=(("matter", "17"),)), placing(hold()))
        assert ledger.receipts.begin(receipt("r2")).id == begun.id
        ledger.delete("acme", "j1", receipt=replace(begun, deleted_at_s=6.0), deed=deed(AuditAction.ERASE))
        assert ledger.receipts.get("acme", "r1").deleted_at_s == 6.0


class ReceiptsContract(LedgerBase):
    """Beginning, finishing, listing."""

    def test_a_repeated_erasure_goes_on(self, ledger: Ledger, another: Ledger) -> None:
        """A begun receipt is found by the next one, keeps its digests, and gets the blobs that came besides."""
        ledger.create(make_job("j1"))
        ledger.receipts.begin(receipt())
        assert list(another.receipts.begun(5.0)) == []
        assert list(another.receipts.begun(6.0)) == [receipt()]
        late = ErasedBlob(key="acme/j1/b", n_bytes=1, sha256="cd")
        changed = ErasedBlob(key="acme/j1/a", n_bytes=9, sha256="ef")
        whole = another.receipts.begin(replace(receipt("r2", at_s=9.0), blobs=(changed, late)))
        assert whole == replace(receipt(), blobs=(*receipt().blobs, late))
        assert list(ledger.receipts.begun(6.0)) == [whole]
        done = replace(whole, deleted_at_s=10.0, gone=True)
        ledger.delete("acme", "j1", receipt=done, deed=deed(AuditAction.ERASE))
        assert list(another.receipts.begun(100.0)) == []
        assert another.receipts.get("acme", "r1") == done

    def test_only_of_what_is_there(self, ledger: Ledger) -> None:
        """There is no erasure of a job that is unknown; of a voice the ledger knows nothing."""
        with pytest.raises(JobUnknown):
            ledger.receipts.begin(receipt())
        begun = ledger.receipts.begin(receipt(object_id="v1", kind=ObjectKind.VOICE))
        ledger.receipts.finish(replace(begun, deleted_at_s=7.0), deed(AuditAction.DELETE_VOICE, "v1"))
        ledger.receipts.finish(replace(begun, deleted_at_s=8.0), deed(AuditAction.DELETE_VOICE, "v1"))  # too late
        assert [(each.object_id, each.deleted_at_s) for each in ledger.receipts.list("acme").receipts] == [("v1", 7.0)]
        assert [each.deed.action for each in ledger.audit.walk("acme")] == [AuditAction.DELETE_VOICE]

    def test_receipts_are_listed(self, ledger: Ledger) -> None:
        """Finished receipts are listed newest first, by page and object; another tenant sees none; old ones go."""
        for number in range(5):
            begun = ledger.receipts.begin(receipt(f"r{number}", f"v{number}", kind=ObjectKind.VOICE))
            if number:
                ledger.receipts.finish(replace(begun, deleted_at_s=10.0 + number), deed(object_id=f"v{number}"))
        seen, after = [], None
        while True:
            page = ledger.receipts.list("acme", limit=3, after=after)
            seen += [each.id for each in page.receipts]
            after = page.next_cursor
            if after is None:
                break
        assert seen == ["r4", "r3", "r2", "r1"]
        assert [each.id for each in ledger.receipts.list("acme", object_id="v2").receipts] == ["r2"]
        assert ledger.receipts.list("other").receipts == ()
        for tenant, receipt_id in (("other", "r1"), ("acme", "r0"), ("acme", "r9")):
            with pytest.raises(NotFound):
                ledger.receipts.get(tenant, receipt_id)
        assert ledger.receipts.prune(13.0) == 2
        assert [each.id for each in ledger.receipts.list("acme").receipts] == ["r4", "r3"]
        assert [each.id for each in ledger.receipts.begun(100.0)] == ["r0"]


class BatchHoldsContract(LedgerBase):
    """Holds of batches, which lie in the ledger's database: needs a fixture ``url``."""

    def test_the_jobs_of_a_batch(self, ledger: Ledger, url: str) -> None:
        """A hold of a batch takes the jobs of its entries, also those that come later, and no others."""
        book = SqlBatches(url)
        batch = Batch(
            id="b1", tenant="acme", name="", state=BatchState.RUNNING, n_entries=1, created_at_s=1.0, updated_at_s=1.0
        )
        entry = Entry(seq=0, source="", filename="a.wav", custom_id="", options=make_job().options)
        book.create(batch, [entry], key=None, fingerprint="")
        ledger.legal_holds.place(hold(batch_id="b1"), placing(hold()))
        jobs = [ledger.create(make_job(name))[0] for name in ("j1", "j2")]
        book.attach("acme", "b1", 0, "j1")
        book.close()
        assert [bool(ledger.legal_holds.of_job(job)) for job in jobs] == [True, False]
        with pytest.raises(OnHold):
            ledger.receipts.begin(receipt())
