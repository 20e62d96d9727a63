"""What the search index of every ledger must do: find what is published, nothing of others, nothing that is gone."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import create_engine, insert

from pipelines.errors import InvalidRequest
from pipelines.jobs.events import Claimed, ResultsStored
from pipelines.jobs.reference import Reference
from pipelines.ledger.protocol import Lease, Ledger
from pipelines.ledger.schema import batch_entries, batches
from pipelines.search.passages import Passage, PassageKind
from pipelines.search.protocol import ERASURE_S, Hit, IndexEntry, PendingJob, SearchFilter, SearchPage, SearchSort
from pipelines.search.query import parse
from pipelines.transcript.corrections import Correction
from tests.contracts.ledger_base import TRANSCRIBED, LedgerBase, after, make_job
from tests.fakes.ledger import ManualClock

ANY = SearchFilter()
ENDED = (Claimed(), *TRANSCRIBED, ResultsStored(names=("transcript.json",)))


def speech(text: str, at_s: float = 0.0, *, speaker: str = "Ann", language: str = "en") -> Passage:
    return Passage(
        kind=PassageKind.SPEECH,
        text=text,
        start_s=at_s,
        end_s=at_s + 2.0,
        speaker=speaker,
        language=language,
        segment_id=round(at_s),
    )


def texts(page: SearchPage) -> list[str]:
    return [hit.passage.text for hit in page.hits]


def wrote(ledger: Ledger, pending: PendingJob, *passages: Passage, version: int = 0) -> bool:
    """Write what is found of a job; return whether that was done."""
    return bool(ledger.search.write([IndexEntry(pending=pending, passages=passages, version=version)]))


class SearchContract(LedgerBase):
    """Queries, filters, pages, tenants; what becomes of the index when jobs change."""

    def end(
        self,
        ledger: Ledger,
        lease: Lease,
        job_id: str,
        *,
        tenant: str = "acme",
        at_s: float = 1_000.0,
        metadata: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Create a job and end it."""
        job = replace(make_job(job_id, tenant=tenant, created_at_s=at_s), reference=Reference(metadata=metadata))
        ledger.create(job)
        (claimed,) = ledger.claim(lease, 1)
        ledger.apply(lease, after(claimed, *ENDED), claimed.version)

    def index(self, ledger: Ledger, *passages: Passage, version: int = 0) -> None:
        """Do what the indexer does with the one job that pends."""
        (pending,) = ledger.search.pending(10)
        assert wrote(ledger, pending, *passages, version=version)
        ledger.search.settle([pending])

    def put(self, ledger: Ledger, lease: Lease, job_id: str, *passages: Passage, **named: object) -> None:
        self.end(ledger, lease, job_id, **named)  # type: ignore[arg-type]
        self.index(ledger, *passages)

    def found(self, ledger: Ledger, q: str, wanted: SearchFilter = ANY, *, tenant: str = "acme") -> list[str]:
        return sorted(texts(ledger.search.find(tenant, parse(q), wanted, limit=100)))

    @pytest.mark.parametrize(
        ("q", "n"),
        [
            ("budget", [1, 2]),
            ("BUDGET next", [1]),
            ('"next budget"', []),
            ('"the budget for"', [1]),
            ("bud*", [1, 2, 3]),
            ('"no bud*"', [3]),
            ("budget -next", [2]),
            ('budget -"for next"', [2]),
            ("cafe", [4]),
            ("Café", [4]),
            ("e-mail", [2]),
            ("预算", [5]),
            ("算预", []),
            ("会议 预算", [5]),
            ("東京", [6]),
            ("とうきょう", []),
            ("タワー", [6]),
            ("ﾀﾜｰ", [6]),
            ("1000", []),
            ("nothing", []),
        ],
    )
    def test_words_phrases_prefixes(self, ledger: Ledger, lease: Lease, q: str, n: list[int]) -> None:
        """Words in any order, phrases in theirs, beginnings of words, exclusions; ideographs by characters."""
        said = {
            1: "The budget for next year.",
            2: "Send the Budget by e-mail!",
            3: "There is no budgeting.",
            4: "We met in a café",
            5: "我们讨论会议预算。",
            6: "東京タワーへ行きます",
        }
        self.put(ledger, lease, "j1", *(speech(text, at_s) for at_s, text in said.items()))
        assert self.found(ledger, q) == sorted(said[i] for i in n)

    def test_what_a_hit_tells(self, ledger: Ledger, another: Ledger, lease: Lease) -> None:
        """A hit has the passage with its second and speaker, and the job as the ledger has it."""
        passage = Passage(
            kind=PassageKind.DECISION, text="We buy it", start_s=61.5, end_s=63.0, speaker="Bo", language="en"
        )
        self.put(ledger, lease, "j1", speech("hello"), passage)
        (hit,) = another.search.find("acme", parse("buy"), ANY).hits
        assert hit == Hit(job=ledger.get("acme", "j1"), passage=passage, version=0, score=hit.score)
        assert hit.score > 0

    def test_search_filters(self, ledger: Ledger, lease: Lease) -> None:
        """Speaker, language, kind, metadata, job and period narrow a search, alone and together."""
        topic = Passage(kind=PassageKind.TOPIC, text="word d", start_s=0.0, end_s=0.0, language="en")
        self.put(ledger, lease, "j1", speech("word a"), speech("word b", 1, speaker="Bob"), topic, at_s=1_000.0)
        self.put(
            ledger, lease, "j2", speech("word c", language="de"), at_s=2_000.0, metadata=(("room", "7"), ("x", "y"))
        )
        for wanted, expected in (
            (SearchFilter(speaker="ann"), "ac"),
            (SearchFilter(speaker=" BOB "), "b"),
            (SearchFilter(speaker="b"), ""),
            (SearchFilter(language="de-CH"), "c"),
            (SearchFilter(minutes=True), "d"),
            (SearchFilter(minutes=False), "abc"),
            (SearchFilter(metadata=(("room", "7"),)), "c"),
            (SearchFilter(metadata=(("room", "7"), ("x", "z"))), ""),
            (SearchFilter(job_id="j1"), "abd"),
            (SearchFilter(created_from_s=2_000.0), "c"),
            (SearchFilter(created_before_s=2_000.0), "abd"),
            (SearchFilter(created_from_s=1_000.0, created_before_s=2_000.1, speaker="ann", language="de"), "c"),
        ):
            assert self.found(ledger, "word", wanted) == [f"word {each}" for each in expected], wanted

    def test_nothing_of_others_is_found(self, ledger: Ledger, lease: Lease) -> None:
        """Tenants find, count and wait for their own alone, however they ask."""
        self.put(ledger, lease, "j1", speech("secret plan"))
        self.put(ledger, lease, "j2", speech("secret plot"), tenant="other")
        self.end(ledger, lease, "j3")
        for tenant, text in (("acme", "secret plan"), ("other", "secret plot"), ("nobody", "")):
            page = ledger.search.find(tenant, parse("secret"), ANY)
            assert (texts(page), page.total) == ([text] if text else [], bool(text))
            assert page.n_pending == (tenant == "acme")
        assert not self.found(ledger, "secret", SearchFilter(job_id="j1"), tenant="other")
        ledger.search.forget("other", "j1")
        assert self.found(ledger, "secret") == ["secret plan"]

    def test_scores_tell_nothing_of_others(self, ledger: Ledger, lease: Lease) -> None:
        """What other tenants have does not change a score."""
        self.put(ledger, lease, "j1", speech("secret plan"))
        (before,) = ledger.search.find("acme", parse("secret"), ANY).hits
        self.put(ledger, lease, "j2", *(speech(f"secret {i}", i) for i in range(50)), tenant="other")
        assert ledger.search.find("acme", parse("secret"), ANY).hits == (before,)

    def test_ranked(self, ledger: Ledger, lease: Lease) -> None:
        """Passages that are more about the words come first, of equal ones the newest."""
        self.put(
            ledger, lease, "j1", speech("price, price, price"), speech("price and many other things, said by others", 1)
        )
        self.put(ledger, lease, "j2", speech("the price"), at_s=2_000.0)
        self.put(ledger, lease, "j3", speech("our price"), at_s=3_000.0)
        page = ledger.search.find("acme", parse("price"), ANY)
        assert [text[:9] for text in texts(page)] == ["price, pr", "our price", "the price", "price and"]

    @pytest.mark.parametrize("sort", list(SearchSort))
    def test_pages_of_hits(self, ledger: Ledger, lease: Lease, sort: SearchSort) -> None:
        """Pages follow each other without a gap or a repetition, and each tells how many hits there are."""
        for job in range(3):
            self.put(
                ledger,
                lease,
                f"j{job}",
                *(speech(f"word {job}{i}" + " word" * (i % 3), i) for i in range(4)),
                at_s=job * 10.0,
            )
        whole = ledger.search.find("acme", parse("word"), ANY, sort=sort, limit=100)
        assert whole.next_cursor is None
        if sort is SearchSort.NEWEST:
            assert [text[5:7] for text in texts(whole)] == [f"{job}{i}" for job in (2, 1, 0) for i in range(4)]
        cursor, pages = None, []
        while True:
            page = ledger.search.find("acme", parse("word"), ANY, sort=sort, limit=5, after=cursor)
            assert (page.total, page.more) == (12, False)
            pages.append(texts(page))
            cursor = page.next_cursor
            if cursor is None:
                break
        assert [len(page) for page in pages] == [5, 5, 2]
        assert [text for page in pages for text in page] == texts(whole)

    def test_cursors_that_are_none(self, ledger: Ledger, lease: Lease) -> None:
        """A cursor of something else, or of another order, is refused."""
        self.put(ledger, lease, "j1", speech("word"), speech("word", 1))
        of_newest = ledger.search.find("acme", parse("word"), ANY, sort=SearchSort.NEWEST, limit=1).next_cursor
        for cursor in ("x", "", of_newest, "cmVsZXZhbmNlIG5hbiAw"):
            with pytest.raises(InvalidRequest):
                ledger.search.find("acme", parse("word"), ANY, after=cursor)

    def test_what_marks_a_job(self, ledger: Ledger, lease: Lease) -> None:
        """A job pends from its end on, and again from a correction on; progress alone does not matter."""
        ledger.create(make_job("j1"))
        (job,) = ledger.claim(lease, 1)
        begun = ledger.apply(lease, after(job, Claimed()), job.version)
        assert not ledger.search.pending(10)
        ended = ledger.apply(lease, after(begun, *ENDED[1:]), begun.version)
        self.index(ledger, speech("as heard"))
        assert not ledger.search.pending(10)
        ledger.apply(lease, replace(ended, detail="told"), ended.version)
        assert not ledger.search.pending(10)
        fix = Correction(version=1, author="", note="", n_segments=1, name="000001-x")
        ledger.corrections.add("acme", "j1", fix)
        assert self.found(ledger, "heard") == ["as heard"]
        self.index(ledger, speech("as meant"), version=1)
        assert (self.found(ledger, "heard"), self.found(ledger, "meant")) == ([], ["as meant"])
        assert ledger.search.find("acme", parse("meant"), ANY).hits[0].version == 1

    def test_a_change_meanwhile(self, ledger: Ledger, lease: Lease) -> None:
        """What was read before a change is not written, nor is the change's mark taken away."""
        self.end(ledger, lease, "j1")
        (old,) = ledger.search.pending(10)
        assert wrote(ledger, old, speech("old"))
        ledger.corrections.add("acme", "j1", Correction(version=1, author="", note="", n_segments=1, name="000001-x"))
        assert not wrote(ledger, old, speech("older"))
        ledger.search.settle([old])
        ledger.search.defer([old], 100.0)
        assert self.found(ledger, "old") == ["old"]
        self.index(ledger, speech("new"), version=1)
        assert self.found(ledger, "old") == []

    def test_several_at_once(self, ledger: Ledger, lease: Lease) -> None:
        """Jobs are written together; those that changed, are gone or are another tenant's do not keep the rest out."""
        self.put(ledger, lease, "j5", speech("five before"))
        for job_id in ("j1", "j2", "j3", "j4"):
            self.end(ledger, lease, job_id)  # all created in one moment
        ledger.search.rebuild()
        found = {each.job_id: each for each in ledger.search.pending(10)}
        fix = Correction(version=1, author="", note="", n_segments=1, name="000001-x")
        ledger.corrections.add("acme", "j2", fix)
        ledger.delete("acme", "j3")
        found["j4"] = replace(found["j4"], tenant="other")
        entries = [
            IndexEntry(pending=pending, passages=(speech(f"found in {job_id}"), speech("again", 5.0)), version=number)
            for number, (job_id, pending) in enumerate(sorted(found.items()))
        ]
        assert [each.job_id for each in ledger.search.write(entries)] == ["j1", "j5"]
        assert self.found(ledger, "found") == ["found in j1", "found in j5"]
        assert self.found(ledger, "five") == []
        hits = ledger.search.find("acme", parse("found"), ANY).hits
        assert {hit.job.id: hit.version for hit in hits} == {"j1": 0, "j5": 4}
        ledger.search.settle([found["j1"], found["j2"], found["j5"]])
        assert {each.job_id for each in ledger.search.pending(10)} == {"j2", "j4"}

    def test_nothing_at_once(self, ledger: Ledger) -> None:
        """No jobs are none."""
        assert ledger.search.write([]) == []
        ledger.search.settle([])
        ledger.search.defer([], 1.0)
        assert ledger.corrections.newest([]) == {}

    def test_indexing_put_off(self, ledger: Ledger, lease: Lease, clock: ManualClock) -> None:
        """A job that cannot be indexed now comes again later, and holds up no others."""
        self.end(ledger, lease, "j1")
        ledger.search.defer(ledger.search.pending(1), 60.0)
        self.end(ledger, lease, "j2")
        assert [each.job_id for each in ledger.search.pending(10)] == ["j2"]
        clock.advance(61.0)
        assert {each.job_id for each in ledger.search.pending(10)} == {"j1", "j2"}

    def test_claimed_by_one(self, ledger: Ledger, another: Ledger, lease: Lease, clock: ManualClock) -> None:
        """Two indexers get different jobs; those of one that was killed come to the other, a change comes at once."""
        for job_id in ("j1", "j2", "j3"):
            self.end(ledger, lease, job_id)
        first = {each.job_id for each in ledger.search.claim(2, 30.0)}
        (second,) = another.search.claim(10, 30.0)
        assert first | {second.job_id} == {"j1", "j2", "j3"}
        assert not ledger.search.claim(10, 30.0)
        assert wrote(another, second, speech("mine"))
        another.search.settle([second])
        clock.advance(31.0)
        assert {each.job_id for each in another.search.claim(10, 30.0)} == first
        fix = Correction(version=1, author="", note="", n_segments=1, name="000001-x")
        ledger.corrections.add("acme", second.job_id, fix)
        assert [each.job_id for each in ledger.search.claim(10, 30.0)] == [second.job_id]

    def test_passages_go_with_their_job(self, ledger: Ledger, another: Ledger, lease: Lease) -> None:
        """A job that is deleted is found no more, nor can anybody write who read before."""
        self.put(ledger, lease, "j1", speech("gone"))
        self.put(ledger, lease, "j2", speech("gone not"))
        self.end(ledger, lease, "j3")
        (pending,) = ledger.search.pending(10)
        for job_id in ("j1", "j3"):
            ledger.delete("acme", job_id)
        assert not wrote(another, pending, speech("gone too"))
        assert self.found(another, "gone") == ["gone not"]
        assert not another.search.pending(10)

    def test_forgotten_before_it_is_erased(self, ledger: Ledger, lease: Lease, clock: ManualClock) -> None:
        """An erasure that has begun leaves nothing to find nor to index; one that does not go on is given up later."""
        self.put(ledger, lease, "j1", speech("gone"))
        ledger.search.forget("acme", "j1")
        ledger.search.forget("acme", "no such job")
        ledger.corrections.add("acme", "j1", Correction(version=1, author="", note="", n_segments=1, name="000001-x"))
        ledger.search.rebuild()
        assert not self.found(ledger, "gone")
        assert not ledger.search.pending(10)
        clock.advance(ERASURE_S)
        self.index(ledger, speech("back"))
        assert self.found(ledger, "back") == ["back"]

    def test_rebuilt(self, ledger: Ledger, lease: Lease) -> None:
        """Every ended job is indexed again, once; until then everything is found as before."""
        self.put(ledger, lease, "j1", speech("first"))
        self.put(ledger, lease, "j2", speech("second"), tenant="other")
        self.end(ledger, lease, "j3")
        ledger.create(make_job("j4"))
        assert ledger.search.rebuild() == 3
        assert self.found(ledger, "first") == ["first"]
        pending: Sequence[object] = ledger.search.pending(10)
        assert len(pending) == 3
        assert {(each.tenant, each.job_id) for each in ledger.search.pending(10)} == {
            ("acme", "j1"),
            ("other", "j2"),
            ("acme", "j3"),
        }

    def test_odd_texts(self, ledger: Ledger, lease: Lease) -> None:
        """Quotation marks, NUL, surrogates, a word without end and many of one word: stored, and found by the rest."""
        odd = ["it's \"so\" \\ 'odd'", "nul\0here odd", "half \ud800 odd", "x" * 5_000 + " odd", "odd " * 20_000]
        self.put(ledger, lease, "j1", *(speech(text, i) for i, text in enumerate(odd)))
        assert len(self.found(ledger, "odd")) == len(odd)
        assert len(self.found(ledger, "it's -\\")) == 1


def add_batch(url: str, batch_id: str) -> None:
    """Put a batch into a ledger's database."""
    batch = {"tenant": "acme", "name": "", "state": "running", "fingerprint": "", "created_at_s": 0.0}
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(insert(batches).values(id=batch_id, n_entries=300, updated_at_s=0.0, **batch))
    engine.dispose()


def add_entries(url: str, batch_id: str, job_ids: Sequence[str | None], first: int = 0) -> None:
    """Put entries with these jobs into a batch; they are counted from ``first``."""
    entry = {"source": "", "filename": "", "custom_id": "", "options": "{}", "state": "done", "detail": ""}
    engine = create_engine(url)
    with engine.begin() as connection:
        for seq, job_id in enumerate(job_ids, start=first):
            at = {"batch_id": batch_id, "seq": seq, "job_id": job_id, "attempt": 0, "probed": False}
            connection.execute(insert(batch_entries).values(**at, **entry))
    engine.dispose()


class BatchSearchContract(LedgerBase):
    """For ledgers in a database, whose ``url`` is a fixture."""

    def test_of_a_batch(self, ledger: Ledger, lease: Lease, url: str) -> None:
        """Only jobs of the batch are found, however many it has."""
        contract = SearchContract()
        for i in range(4):
            contract.put(ledger, lease, f"j{i}", speech(f"word {i}"), at_s=float(i))
        add_batch(url, "b")
        add_entries(url, "b", ["j1", "j3", None])
        assert contract.found(ledger, "word", SearchFilter(batch_id="b")) == ["word 1", "word 3"]
        assert contract.found(ledger, "word", SearchFilter(batch_id="none")) == []
        add_entries(url, "b", [f"gone{seq}" for seq in range(3, 300)], first=3)
        assert contract.found(ledger, "word", SearchFilter(batch_id="b")) == ["word 1", "word 3"]
        assert contract.found(ledger, "word", SearchFilter(batch_id="b"), tenant="other") == []
