"""Rows of the search index, one statement at a time, inside the caller's transaction; by SQLite or PostgreSQL.

A passage's id is the number of its job, which grows with the job's time of creation, and its place in the job counted
down: in descending order of ids the newest jobs come first, each from its start, and a period is a range of ids.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, case, delete, func, insert, literal, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from pipelines.ids import new_id
from pipelines.jobs.job import Job, JobState
from pipelines.ledger.rules import storable
from pipelines.ledger.schema import batch_entries, jobs, search_jobs, search_passages, search_pending
from pipelines.search.passages import Passage
from pipelines.search.protocol import SearchFilter
from pipelines.search.query import SearchQuery, Term
from pipelines.search.tokens import scope, tokens

_PLACE_BITS = 20
MAX_PASSAGES = 1 << _PLACE_BITS
"""Of a job: twelve days of speech in segments of a second."""

_PER_MS = 2  # numbers for each millisecond; where they are taken the next one is used
_NUMBERS_PER_LOOK = 64
_MAX_MS = 1 << 42  # the year 2109: number and place fill 63 bits
MAX_ID = (1 << 63) - 1
_OR_AT_MOST = 200  # jobs of a batch that are named one by one, which spares a look at all hits

_FTS = """
    SELECT rowid AS id FROM search_index
    WHERE search_index MATCH :match AND rowid >= :low AND rowid < :high {batch} ORDER BY rowid DESC LIMIT :n
"""
_TSVECTOR = """
    SELECT id FROM search_passages
    WHERE tokens @@ CAST(:match AS tsquery) AND id >= :low AND id < :high {batch} ORDER BY id DESC LIMIT :n
"""
_IN_BATCH = """
    AND ({id} >> 20) IN (SELECT s.number FROM search_jobs s JOIN batch_entries b ON b.job_id = s.job_id
                         WHERE b.batch_id = :batch_id)
"""


def is_sqlite(connection: Connection) -> bool:
    """Return whether the index is FTS5; otherwise it is a ``tsvector``."""
    return connection.dialect.name == "sqlite"


def mark(connection: Connection, job_ids: Collection[str], due_at_s: float) -> None:
    """Mark jobs as pending, due then or when they were to be anyway, if that is later; the caller has locked them."""
    if job_ids:
        rows = [{"job_id": job_id, "stamp": new_id(), "due_at_s": due_at_s} for job_id in sorted(job_ids)]
        connection.execute(_renewing(_insert(connection)), rows)


def mark_ended(connection: Connection, now_s: float) -> int:
    """Mark every ended job as pending; return how many are pending then."""
    ended = (
        select(jobs.c.id, literal(new_id()), literal(now_s))
        .where(jobs.c.state.in_([state.value for state in JobState if state.final]))
        .order_by(jobs.c.id)  # as `mark` has them, so that two writers cannot wait for each other
    )
    connection.execute(_renewing(_insert(connection).from_select(["job_id", "stamp", "due_at_s"], ended)))
    return connection.execute(select(func.count()).select_from(search_pending)).scalar_one()


def _insert(connection: Connection) -> Any:
    return (sqlite if is_sqlite(connection) else postgresql).insert(search_pending)


def _renewing(statement: Any) -> Any:
    new, held = statement.excluded, search_pending.c
    later = case((held.due_at_s > new.due_at_s, held.due_at_s), else_=new.due_at_s)
    return statement.on_conflict_do_update(index_elements=["job_id"], set_={"stamp": new.stamp, "due_at_s": later})


_OF_NUMBERS = delete(search_passages).where(search_passages.c.job_number.in_(bindparam("numbers", expanding=True)))
_NUMBERS = select(search_jobs.c.job_id, search_jobs.c.number).where(
    search_jobs.c.job_id.in_(bindparam("ids", expanding=True))
)
_TAKEN = select(search_jobs.c.number).where(search_jobs.c.number.in_(bindparam("numbers", expanding=True)))
_NEW_VERSION = (
    update(search_jobs).where(search_jobs.c.number == bindparam("of_number")).values(version=bindparam("now"))
)


def remove_passages(connection: Connection, job_id: str) -> None:
    """Delete a job's passages; its number stays."""
    numbers = [number for _, number in connection.execute(_NUMBERS, {"ids": [job_id]})]
    if numbers:
        connection.execute(_OF_NUMBERS, {"numbers": numbers})


class PassageWords(NamedTuple):
    """A passage and the tokens of its text."""

    passage: Passage
    tokens: Sequence[str]

    @classmethod
    def of(cls, passage: Passage) -> "PassageWords":
        """Cut a passage's text into its tokens."""
        return cls(passage, [token.text for token in tokens(storable(passage.text))])


def put_passages(connection: Connection, found: Sequence[tuple[Job, Sequence[PassageWords], int]]) -> None:
    """Write the passages of jobs, each of a version of its transcript, in place of their earlier ones.

    The caller has locked the jobs' rows. Another writer may take a new job's number meanwhile (``IntegrityError``).
    """
    ids = [job.id for job, _, _ in found]
    numbers = {row.job_id: row.number for row in connection.execute(_NUMBERS, {"ids": ids})}
    if numbers:
        connection.execute(_OF_NUMBERS, {"numbers": list(numbers.values())})
        changed = [{"of_number": numbers[job.id], "now": version} for job, _, version in found if job.id in numbers]
        connection.execute(_NEW_VERSION, changed)
    new = [(job, version) for job, _, version in found if job.id not in numbers]
    if new:
        numbers |= _free_numbers(connection, [job for job, _ in new])
        rows = [{"number": numbers[job.id], "job_id": job.id, "version": version} for job, version in new]
        connection.execute(insert(search_jobs), rows)
    as_text = _fts_text if is_sqlite(connection) else _tsvector
    written = [row for job, passages, _ in found for row in _rows(job, numbers[job.id], passages, as_text)]
    if written:
        connection.execute(insert(search_passages), written)


def _rows(
    job: Job, number: int, passages: Sequence[PassageWords], as_text: Callable[[Sequence[str], Sequence[str]], str]
) -> Iterator[dict[str, Any]]:
    shared = [scope("t", job.tenant), scope("j", job.id), *_metadata(job.reference.metadata)]
    last = (number + 1) * MAX_PASSAGES - 1
    for place, (passage, words) in enumerate(passages[:MAX_PASSAGES]):
        yield {
            "id": last - place,
            "job_number": number,
            "segment_id": passage.segment_id,
            "start_s": passage.start_s,
            "end_s": passage.end_s,
            "kind": passage.kind.value,
            "speaker": storable(passage.speaker),
            "language": storable(passage.language),
            "text": storable(passage.text),
            "tokens": as_text([*shared, *_own_scopes(passage)], words),
        }


def matching_ids(
    connection: Connection, tenant: str, query: SearchQuery, wanted: SearchFilter, *, below: int = MAX_ID, n: int
) -> list[int]:
    """Return the ids of a tenant's hits, the newest jobs' first, ``n`` at most, all less than ``below``."""
    low = 0 if wanted.created_from_s is None else _first_id(wanted.created_from_s)
    high = below if wanted.created_before_s is None else min(below, _first_id(wanted.created_before_s))
    anyof = _jobs_of_batch(connection, wanted.batch_id) if wanted.batch_id else []
    fts = is_sqlite(connection)
    if not fts:
        # How many rows match depends on the words: a plan for any words is none.
        connection.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
    named = [scope("j", job_id) for job_id in anyof] if len(anyof) <= _OR_AT_MOST else []
    values: dict[str, Any] = {"low": low, "high": high, "n": n, "batch_id": wanted.batch_id}
    values["match"] = (_fts_match if fts else _tsquery)(query, list(_scopes(tenant, wanted)), named)
    statement = _FTS if fts else _TSVECTOR
    in_batch = _IN_BATCH.format(id="rowid" if fts else "id") if wanted.batch_id else ""
    bound = text(statement.format(batch=in_batch)).bindparams(
        *(bindparam(name) for name in values if name != "batch_id" or wanted.batch_id)
    )
    return list(connection.scalars(bound, {k: v for k, v in values.items() if k != "batch_id" or wanted.batch_id}))


def _jobs_of_batch(connection: Connection, batch_id: str) -> list[str]:
    query = select(batch_entries.c.job_id).where(
        batch_entries.c.batch_id == storable(batch_id), batch_entries.c.job_id.is_not(None)
    )
    return list(connection.scalars(query.limit(_OR_AT_MOST + 1)))


def _free_numbers(connection: Connection, new: Sequence[Job]) -> dict[str, int]:
    """Return a free number for each job, the first from its time of creation on; nobody else may have it meanwhile."""
    wanted = {job.id: _number(job.created_at_s) for job in new}
    taken = set(connection.scalars(_TAKEN, {"numbers": list(wanted.values())}))
    found: dict[str, int] = {}
    for job_id, number in sorted(wanted.items(), key=lambda each: each[1]):
        if number in taken:
            number = _free_number(connection, number, taken)
        found[job_id] = number
        taken.add(number)
    return found


def _free_number(connection: Connection, number: int, taken: Collection[int]) -> int:
    """Return the first free number from one on that is not among the ``taken``."""
    while True:
        following = range(number, number + _NUMBERS_PER_LOOK)
        near = select(search_jobs.c.number).where(search_jobs.c.number.between(following[0], following[-1]))
        held = {*connection.scalars(near), *taken}
        if free := [each for each in following if each not in held]:
            return free[0]
        number = following[-1] + 1


def _number(at_s: float) -> int:
    return max(0, min(round(at_s * 1000), _MAX_MS - 1)) * _PER_MS


def _first_id(at_s: float) -> int:
    return _number(at_s) * MAX_PASSAGES


def _own_scopes(passage: Passage) -> Iterator[str]:
    yield scope("k", "minutes" if passage.kind.in_minutes else "speech")
    if passage.speaker:
        yield scope("s", passage.speaker.strip().casefold())
    if passage.language:
        yield scope("l", passage.language)


def _scopes(tenant: str, wanted: SearchFilter) -> Iterator[str]:
    """Yield what every hit has; the tenant always."""
    yield scope("t", tenant)
    if wanted.job_id:
        yield scope("j", wanted.job_id)
    yield from _metadata(wanted.metadata)
    if wanted.minutes is not None:
        yield scope("k", "minutes" if wanted.minutes else "speech")
    if wanted.speaker:
        yield scope("s", storable(wanted.speaker).strip().casefold())
    if wanted.language:
        yield scope("l", wanted.language.partition("-")[0].lower())


def _metadata(pairs: Sequence[tuple[str, str]]) -> list[str]:
    return [scope("m", f"{storable(name)}\0{storable(value)}") for name, value in pairs]


def _fts_text(scopes: Sequence[str], words: Sequence[str]) -> str:
    return " ".join((*scopes, *words))


def _fts_match(query: SearchQuery, scopes: Sequence[str], anyof: Sequence[str]) -> str:
    """Return an expression of FTS5; tokens hold no quotation marks."""

    def phrase(term: Term) -> str:
        return f'"{" ".join(term.tokens)}"' + (" *" if term.prefix else "")

    needed = [f'"{each}"' for each in scopes] + [phrase(term) for term in query.wanted]
    if anyof:
        needed.append("(" + " OR ".join(f'"{each}"' for each in anyof) + ")")
    found = " AND ".join(needed)
    return found if not query.unwanted else f"({found}) NOT ({' OR '.join(map(phrase, query.unwanted))})"


_MAX_POSITION = 16_383  # of a lexeme in PostgreSQL
_MAX_POSITIONS = 255  # of one lexeme in a text


def _tsvector(scopes: Sequence[str], words: Sequence[str]) -> str:
    """Return a ``tsvector`` as text; so no parser or dictionary of the server's has a say in what is a word."""
    places: dict[str, list[int]] = {}
    for place, word in enumerate(words, start=1):
        held = places.setdefault(word, [])
        if len(held) < _MAX_POSITIONS:
            held.append(min(place, _MAX_POSITION))
    lexemes = [f"'{each}'" for each in scopes]
    return " ".join([*lexemes, *(f"'{word}':{','.join(map(str, held))}" for word, held in places.items())])


def _tsquery(query: SearchQuery, scopes: Sequence[str], anyof: Sequence[str]) -> str:
    """Return a ``tsquery`` as text; tokens hold no quotation marks."""

    def phrase(term: Term) -> str:
        lexemes = [f"'{token}'" for token in term.tokens]
        return f"({' <-> '.join(lexemes)}{':*' if term.prefix else ''})"

    needed = [f"'{each}'" for each in scopes] + [phrase(term) for term in query.wanted]
    if anyof:
        needed.append("(" + " | ".join(f"'{each}'" for each in anyof) + ")")
    return " & ".join([*needed, *(f"!{phrase(term)}" for term in query.unwanted)])
