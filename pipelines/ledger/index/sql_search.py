"""The search index in the ledger's database: `SqlSearch`, over FTS5 in SQLite and ``tsvector`` in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import BindParameter, Connection, bindparam, delete, func, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from pipelines.errors import JobUnknown, LedgerUnavailable
from pipelines.ledger.database import Database
from pipelines.ledger.index.review_rows import blank_items, put_items
from pipelines.ledger.index.search_rows import (
    PassageWords,
    mark,
    mark_ended,
    matching_ids,
    put_passages,
    remove_passages,
)
from pipelines.ledger.protocol import Clock
from pipelines.ledger.rows import filled, job_of, known_row
from pipelines.ledger.schema import jobs, search_jobs, search_passages, search_pending
from pipelines.review.protocol import NOTHING_TO_REVIEW
from pipelines.search.cursor import SearchCursor
from pipelines.search.passages import Passage, PassageKind
from pipelines.search.protocol import (
    COUNTED,
    ERASURE_S,
    RANKED,
    Hit,
    IndexEntry,
    PendingJob,
    SearchFilter,
    SearchPage,
    SearchSort,
)
from pipelines.search.query import SearchQuery
from pipelines.search.ranking import score

_WRITE_ATTEMPTS = 5

# Built once: it is asked every second, whatever there is to do.
_ANY_DUE = select(search_pending.c.job_id).where(search_pending.c.due_at_s <= bindparam("now_s")).limit(1)
_IDS: BindParameter[str] = bindparam("ids", expanding=True)
# In the order in which every writer of several jobs locks them.
_LOCKED = select(jobs).where(jobs.c.id.in_(_IDS)).order_by(jobs.c.id).with_for_update()
_STAMPS = select(search_pending.c.job_id, search_pending.c.stamp).where(search_pending.c.job_id.in_(_IDS))
# What somebody else writes in this moment has changed: it is left alone, and not waited for.
_UNCHANGED = search_pending.c.job_id.in_(
    select(search_pending.c.job_id)
    .where(tuple_(search_pending.c.job_id, search_pending.c.stamp).in_(bindparam("names", expanding=True)))
    .with_for_update(skip_locked=True)
)


class SqlSearch:
    """Implements `pipelines.search.protocol.SearchIndex` by SQL; ``clock`` gives Unix seconds."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def pending(self, limit: int) -> Sequence[PendingJob]:
        """Return jobs to index; see `pipelines.search.protocol.SearchIndex.pending`."""
        query = (
            select(jobs.c.tenant, search_pending.c.job_id, search_pending.c.stamp)
            .join(jobs, jobs.c.id == search_pending.c.job_id)
            .where(search_pending.c.due_at_s <= self._clock())
            .order_by(search_pending.c.due_at_s, search_pending.c.job_id)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [
                PendingJob(tenant=tenant, job_id=job_id, stamp=stamp)
                for tenant, job_id, stamp in connection.execute(query)
            ]

    def claim(self, limit: int, seconds: float) -> Sequence[PendingJob]:
        """Return jobs to index to one caller; see `pipelines.search.protocol.SearchIndex.claim`."""
        with self._database.reading() as connection:
            # Indexers look every second: mostly there is nothing to write.
            if connection.execute(_ANY_DUE, {"now_s": self._clock()}).first() is None:
                return ()
        due = search_pending.c.due_at_s <= self._clock()
        query = select(search_pending.c.job_id, search_pending.c.stamp).where(due)
        query = query.order_by(search_pending.c.due_at_s, search_pending.c.job_id).limit(limit)
        with self._database.writing() as connection:
            stamps = {row.job_id: row.stamp for row in connection.execute(query.with_for_update(skip_locked=True))}
            mine = search_pending.c.job_id.in_(stamps)
            connection.execute(update(search_pending).where(mine).values(due_at_s=self._clock() + seconds))
            of_mine = select(jobs.c.id, jobs.c.tenant).where(jobs.c.id.in_(stamps))
            tenants = {row.id: row.tenant for row in connection.execute(of_mine)}
        return [
            PendingJob(tenant=tenants[job_id], job_id=job_id, stamp=stamp)
            for job_id, stamp in stamps.items()
            if job_id in tenants
        ]

    def write(self, entries: Sequence[IndexEntry]) -> Sequence[PendingJob]:
        """Put passages in place of jobs' earlier ones; see `pipelines.search.protocol.SearchIndex.write`."""
        # Before the transaction, whose lock others wait for.
        words = {entry.pending.job_id: [*map(PassageWords.of, entry.passages)] for entry in entries}
        for _ in range(_WRITE_ATTEMPTS):
            try:
                with self._database.writing() as connection:
                    return _write(connection, entries, words)
            except IntegrityError:
                continue  # another job took a number: look again
        raise LedgerUnavailable("other writers keep taking the same numbers of the search index")

    def settle(self, pending: Sequence[PendingJob]) -> None:
        """Note that jobs are indexed, except those that have changed since."""
        if pending:
            with self._database.writing() as connection:
                connection.execute(delete(search_pending).where(_UNCHANGED), _names(pending))

    def defer(self, pending: Sequence[PendingJob], seconds: float) -> None:
        """Leave jobs pending and come back to them later."""
        if pending:
            with self._database.writing() as connection:
                later = update(search_pending).where(_UNCHANGED).values(due_at_s=self._clock() + seconds)
                connection.execute(later, _names(pending))

    def forget(self, tenant: str, job_id: str) -> None:
        """Remove a job's passages and mark it; see `pipelines.search.protocol.SearchIndex.forget`."""
        with self._database.writing() as connection:
            try:
                known_row(connection, tenant, job_id, lock=True)
            except JobUnknown:
                return
            remove_passages(connection, job_id)
            blank_items(connection, job_id)
            mark(connection, [job_id], self._clock() + ERASURE_S)
            self._database.note_deletion(connection)

    def rebuild(self) -> int:
        """Mark every ended job as pending; return how many there are."""
        with self._database.writing() as connection:
            return mark_ended(connection, self._clock())

    def find(
        self,
        tenant: str,
        query: SearchQuery,
        wanted: SearchFilter,
        *,
        sort: SearchSort = SearchSort.RELEVANCE,
        limit: int = 20,
        after: str | None = None,
    ) -> SearchPage:
        """Return one page of hits; see `pipelines.search.protocol.SearchIndex.find`."""
        end = SearchCursor.parse(after, sort) if after is not None else None
        with self._database.reading() as connection:
            found = matching_ids(connection, tenant, query, wanted, n=COUNTED + 1)
            if sort is SearchSort.RELEVANCE:
                places = [place for place in _ranked(connection, found[:RANKED], query) if end is None or place > end]
            else:
                ids = found
                if end is not None:
                    ids = matching_ids(connection, tenant, query, wanted, below=-end.order, n=limit + 1)
                places = [SearchCursor(sort=sort, score=0.0, order=-each) for each in ids]
            shown = places[:limit]
            return SearchPage(
                hits=tuple(_hits(connection, tenant, shown)),
                total=min(len(found), COUNTED),
                more=len(found) > COUNTED,
                n_pending=_count_pending(connection, tenant),
                next_cursor=str(shown[-1]) if len(places) > limit else None,
            )


def _write(
    connection: Connection, entries: Sequence[IndexEntry], words: Mapping[str, Sequence[PassageWords]]
) -> Sequence[PendingJob]:
    ids = {"ids": [entry.pending.job_id for entry in entries]}
    known = {row.id: job_of(row) for row in connection.execute(_LOCKED, ids)}
    stamps = {row.job_id: row.stamp for row in connection.execute(_STAMPS, ids)}
    wanted = [
        (job, entry)
        for entry in entries
        if (job := known.get(entry.pending.job_id)) is not None
        and job.tenant == entry.pending.tenant
        and stamps.get(job.id) == entry.pending.stamp
    ]
    if wanted:
        put_passages(connection, [(job, words[job.id], entry.version) for job, entry in wanted])
        reviewed = ((job, entry.reviewed if job.decodes else NOTHING_TO_REVIEW, entry.version) for job, entry in wanted)
        put_items(connection, [*reviewed])
    return [entry.pending for _, entry in wanted]


def _names(pending: Sequence[PendingJob]) -> dict[str, list[tuple[str, str]]]:
    return {"names": [(each.job_id, each.stamp) for each in pending]}


def _ranked(connection: Connection, ids: Collection[int], query: SearchQuery) -> list[SearchCursor]:
    """Return hits, the best first, of equal ones the newest."""
    texts = select(search_passages.c.id, search_passages.c.text).where(search_passages.c.id.in_(ids))
    return sorted(
        SearchCursor(sort=SearchSort.RELEVANCE, score=-score(row.text, query), order=-row.id)
        for row in connection.execute(texts)
    )


def _hits(connection: Connection, tenant: str, places: Sequence[SearchCursor]) -> list[Hit]:
    query = (
        select(search_passages, search_jobs.c.version.label("transcript_version"), search_jobs.c.job_id)
        .join(search_jobs, search_jobs.c.number == search_passages.c.job_number)
        .join(jobs, jobs.c.id == search_jobs.c.job_id)
        .where(search_passages.c.id.in_([-place.order for place in places]), jobs.c.tenant == tenant)
    )
    rows = {row.id: row for row in connection.execute(query)}
    of_hits = select(jobs).where(jobs.c.id.in_({row.job_id for row in rows.values()}))
    known = {row.id: job_of(row) for row in connection.execute(of_hits)}
    return [
        Hit(
            job=known[row.job_id],
            passage=filled(Passage, row, kind=PassageKind(row.kind)),
            version=row.transcript_version,
            score=-place.score or 0.0,
        )
        for place in places
        if (row := rows.get(-place.order)) is not None and row.job_id in known
    ]


def _count_pending(connection: Connection, tenant: str) -> int:
    query = select(func.count()).select_from(search_pending).join(jobs, jobs.c.id == search_pending.c.job_id)
    return connection.execute(query.where(jobs.c.tenant == tenant)).scalar_one()
