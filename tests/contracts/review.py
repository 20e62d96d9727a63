"""What the review queue of every ledger must do: order, marks that stay, nothing of others, nothing that is gone."""

from dataclasses import replace

import pytest

from pipelines.core import Segment
from pipelines.errors import InvalidRequest, NotFound
from pipelines.jobs.events import Claimed, ResultsStored
from pipelines.ledger.protocol import Lease, Ledger
from pipelines.review.findings import Finding
from pipelines.review.protocol import Reviewed, ReviewFilter, ReviewPage
from pipelines.review.reasons import WEIGHTS, ReviewReason
from pipelines.search.protocol import ERASURE_S, IndexEntry
from pipelines.transcript.corrections import Correction
from tests.contracts.ledger_base import TRANSCRIBED, LedgerBase, after, make_job
from tests.contracts.search import add_batch, add_entries
from tests.fakes.ledger import ManualClock

ALL = ReviewFilter()
HEARD = ReviewFilter(heard=True)


def finding(at_s: float, reason: ReviewReason = ReviewReason.NAME, doubt: float = 0.6, channel: int = 0) -> Finding:
    return Finding(reason=reason, channel=channel, start_s=at_s, end_s=at_s + 2.0, doubt=doubt, detail=f"word{at_s:g}")


def starts(page: ReviewPage) -> list[float]:
    return [each.item.start_s for each in page.items]


class ReviewContract(LedgerBase):
    """Items are written with a job's passages, ordered by score, marked as heard, and go with their job."""

    def review(
        self, ledger: Ledger, lease: Lease, job_id: str, *findings: Finding, tenant: str = "acme", minutes_of: str = ""
    ) -> None:
        """End a job, and do what the indexer does with it."""
        ledger.create(replace(make_job(job_id, tenant=tenant), minutes_of=minutes_of))
        (claimed,) = ledger.claim(lease, 1)
        events = (Claimed(), *TRANSCRIBED, ResultsStored(names=("transcript.json",)))
        ledger.apply(lease, after(claimed, *events), claimed.version)
        self.look(ledger, *findings)

    def look(self, ledger: Ledger, *findings: Finding, version: int = 0) -> None:
        """Index the one job that pends."""
        (pending,) = ledger.search.pending(10)
        said = Segment(id=0, channel=0, speaker="", start_s=0.0, end_s=900.0, text="Said here.")
        reviewed = Reviewed(findings=findings, segments=(said,))
        assert ledger.search.write([IndexEntry(pending=pending, version=version, reviewed=reviewed)]) == [pending]
        ledger.search.settle([pending])

    def test_the_highest_score_first(self, ledger: Ledger, another: Ledger, lease: Lease) -> None:
        """Over all jobs of the tenant, with what is told of each item; counted, and summed up in seconds."""
        self.review(ledger, lease, "j1", finding(0.0), finding(100.0, ReviewReason.UNHEARD, 1.0))
        self.review(ledger, lease, "j2", finding(200.0, doubt=0.9))
        page = another.review.list("acme", ALL)
        assert starts(page) == [100.0, 200.0, 0.0]
        assert (page.n_open, page.n_heard, page.open_s, page.next_cursor) == (3, 0, 6.0, None)
        first = page.items[0]
        assert first.job == ledger.get("acme", "j1")
        assert (first.item.channel, first.item.end_s, first.item.score) == (0, 102.0, WEIGHTS[ReviewReason.UNHEARD])
        assert (first.item.reasons, first.item.details) == ((ReviewReason.UNHEARD,), ("word100",))
        assert (first.item.text, first.version, first.heard_at_s, first.heard_by) == ("Said here.", 0, None, "")

    def test_pages_of_items(self, ledger: Ledger, lease: Lease) -> None:
        """Pages hold each item once, also of equal scores; a cursor of another list is none."""
        self.review(ledger, lease, "j1", *(finding(100.0 * i, doubt=0.5 + 0.1 * (i % 2)) for i in range(5)))
        found, after_ = [], None
        for _ in range(3):
            page = ledger.review.list("acme", ALL, limit=2, after=after_)
            found += [each.id for each in page.items]
            after_ = page.next_cursor or after_
        assert page.next_cursor is None
        assert sorted(found) == sorted(each.id for each in ledger.review.list("acme", ALL).items)
        for cursor, wanted in (("x", ALL), (after_, HEARD)):
            with pytest.raises(InvalidRequest):
                ledger.review.list("acme", wanted, after=cursor)

    def test_items_by_job_and_reason(self, ledger: Ledger, lease: Lease) -> None:
        """By job and by reason; an item of several reasons is found by each."""
        self.review(ledger, lease, "j1", finding(0.0), finding(1.0, ReviewReason.NUMBER), finding(100.0))
        self.review(ledger, lease, "j2", finding(200.0, ReviewReason.NUMBER))
        by_reason = ReviewFilter(reason=ReviewReason.NUMBER)
        assert sorted(starts(ledger.review.list("acme", by_reason))) == [0.0, 200.0]
        assert sorted(starts(ledger.review.list("acme", ReviewFilter(reason=ReviewReason.NAME)))) == [0.0, 100.0]
        assert starts(ledger.review.list("acme", ReviewFilter(job_id="j2"))) == [200.0]
        assert ledger.review.list("acme", by_reason).n_open == 2

    def test_an_item_is_marked(self, ledger: Ledger, another: Ledger, lease: Lease, clock: ManualClock) -> None:
        """An item that was heard leaves the queue; the list of heard ones has the latest first, and who it was."""
        self.review(ledger, lease, "j1", finding(0.0), finding(100.0), finding(200.0))
        names = {each.item.start_s: each.id for each in ledger.review.list("acme", ALL).items}
        for at_s in (100.0, 0.0):
            clock.advance(10.0)
            marked = another.review.mark("acme", names[at_s], author="ann")
            assert (marked.heard_at_s, marked.heard_by) == (clock.now_s, "ann")
        page = ledger.review.list("acme", ALL)
        assert (starts(page), page.n_open, page.n_heard, page.open_s) == ([200.0], 1, 2, 2.0)
        assert starts(ledger.review.list("acme", HEARD)) == [0.0, 100.0]
        again = ledger.review.mark("acme", names[0.0], author="bob")
        assert again.heard_by == "ann"

    def test_what_was_heard_does_not_come_back(self, ledger: Ledger, lease: Lease) -> None:
        """A correction has the job looked through anew: what is in a stretch that somebody heard is settled."""
        self.review(ledger, lease, "j1", finding(0.0), finding(30.0), finding(200.0))
        (first, _) = ledger.review.list("acme", ALL).items
        assert (first.item.start_s, first.item.end_s) == (0.0, 32.0)
        ledger.review.mark("acme", first.id, author="ann")
        ledger.corrections.add("acme", "j1", Correction(version=1, author="", note="", n_segments=1, name="1-a"))
        self.look(ledger, finding(10.0), finding(50.0), finding(200.0), version=1)
        page = ledger.review.list("acme", ALL)
        assert sorted(starts(page)) == [50.0, 200.0]
        assert {each.version for each in page.items} == {1}
        assert starts(ledger.review.list("acme", HEARD)) == [0.0]

    def test_a_mark_is_taken_back(self, ledger: Ledger, lease: Lease) -> None:
        """The item waits again, and its job is looked through anew."""
        self.review(ledger, lease, "j1", finding(0.0))
        (item,) = ledger.review.list("acme", ALL).items
        ledger.review.mark("acme", item.id, author="ann")
        assert ledger.search.pending(10) == []
        assert ledger.review.mark("acme", item.id, author="ann", heard=False).heard_at_s is None
        assert starts(ledger.review.list("acme", ALL)) == [0.0]
        self.look(ledger)
        assert ledger.review.list("acme", ALL).items == ()

    def test_items_of_other_tenants(self, ledger: Ledger, lease: Lease) -> None:
        """Nobody sees or marks what is another tenant's, whatever the name of the item."""
        self.review(ledger, lease, "j1", finding(0.0))
        (item,) = ledger.review.list("acme", ALL).items
        page = ledger.review.list("other", ALL)
        assert (page.items, page.n_open, page.open_s) == ((), 0, 0.0)
        for tenant, name in (("other", item.id), ("acme", "j1.0.7-8"), ("acme", "j1"), ("acme", "\0"), ("acme", "")):
            with pytest.raises(NotFound):
                ledger.review.mark(tenant, name, author="eve")
        assert ledger.review.list("acme", ALL).n_open == 1

    def test_minutes_anew_bring_nothing(self, ledger: Ledger, lease: Lease) -> None:
        """A job that only wrote minutes has a copy of the transcript, which is reviewed once."""
        self.review(ledger, lease, "j1", finding(0.0))
        self.review(ledger, lease, "j2", finding(0.0), minutes_of="j1")
        assert [each.job.id for each in ledger.review.list("acme", ALL).items] == ["j1"]

    def test_no_items_stay(self, ledger: Ledger, lease: Lease, clock: ManualClock) -> None:
        """An erasure takes open items and the words of heard ones first, and with the job everything."""
        self.review(ledger, lease, "j1", finding(0.0), finding(100.0))
        (heard, _) = ledger.review.list("acme", ALL).items
        ledger.review.mark("acme", heard.id, author="ann")
        ledger.search.forget("acme", "j1")
        assert ledger.review.list("acme", ALL).items == ()
        (left,) = ledger.review.list("acme", HEARD).items
        assert (left.item.text, left.item.details) == ("", ())
        clock.advance(ERASURE_S)
        self.look(ledger, finding(0.0), finding(100.0))
        assert ledger.review.list("acme", ALL).n_open == 1
        ledger.delete("acme", "j1")
        assert ledger.review.list("acme", HEARD).items == ()


class BatchReviewContract(LedgerBase):
    """For ledgers in a database, whose ``url`` is a fixture."""

    def test_items_of_a_batch(self, ledger: Ledger, lease: Lease, url: str) -> None:
        """Only items of the batch's jobs are listed and counted."""
        contract = ReviewContract()
        for i in range(3):
            contract.review(ledger, lease, f"j{i}", finding(100.0 * i))
        add_batch(url, "b")
        add_entries(url, "b", ["j0", "j2", None])
        page = ledger.review.list("acme", ReviewFilter(batch_id="b"))
        assert (sorted(starts(page)), page.n_open) == ([0.0, 200.0], 2)
        assert ledger.review.list("acme", ReviewFilter(batch_id="none")).n_open == 0
        assert ledger.review.list("other", ReviewFilter(batch_id="b")).n_open == 0
