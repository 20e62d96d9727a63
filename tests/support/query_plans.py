"""How PostgreSQL carries out each statement that a piece of code makes: taken from the statements themselves."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, event

_EXPLAINED = re.compile(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_OF_TABLES = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Scan", "Sample Scan")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A statement as it was carried out: tables read from end to end, rows looked at in all tables, pages, and ms."""

    statement: str
    whole: frozenset[str]
    n_rows: int
    n_pages: int
    took_ms: float
    nodes: tuple[str, ...] = field(repr=False)

    def __str__(self) -> str:
        how = "\n    ".join(self.nodes)
        return (
            f"{self.n_rows} rows, {self.n_pages} pages, {self.took_ms:.1f} ms, whole: {sorted(self.whole) or 'none'}\n"
            f"    {how}\n    {self.statement}"
        )


@contextmanager
def plans() -> Iterator[list[Plan]]:
    """Collect the plans of all statements on PostgreSQL that are made while the block runs.

    Each is carried out once more, by EXPLAIN ANALYZE within the same transaction, and taken back.
    """
    found: list[Plan] = []

    def explain(
        connection: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool
    ) -> None:
        if connection.dialect.name != "postgresql" or not _EXPLAINED.match(statement):
            return
        raw = connection.connection.dbapi_connection
        assert isinstance(raw, psycopg.Connection)
        with psycopg.ClientCursor(raw) as cursor:
            cursor.execute("SAVEPOINT plans")
            first = parameters[0] if many else parameters
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", first or None)
            row = cursor.fetchone()
            cursor.execute("ROLLBACK TO SAVEPOINT plans")
        assert row is not None, "there is a plan"
        found.append(_read(statement, row[0][0]))

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", explain)


def _read(statement: str, explained: dict[str, Any]) -> Plan:
    root = explained["Plan"]
    nodes = list(_nodes(root))
    scans = [node for node in nodes if node["Node Type"] in _OF_TABLES]
    return Plan(
        statement=" ".join(statement.split()),
        whole=frozenset(
            node["Relation Name"] for node in scans if node["Node Type"] == "Seq Scan" and node["Actual Loops"]
        ),
        n_rows=sum(_looked_at(node) for node in scans),
        n_pages=root.get("Shared Hit Blocks", 0) + root.get("Shared Read Blocks", 0),
        took_ms=explained["Execution Time"],
        nodes=tuple(f"{n['Node Type']} {n.get('Relation Name', '')} {n.get('Index Name', '')}".strip() for n in nodes),
    )


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def _looked_at(node: dict[str, Any]) -> int:
    removed = sum(node.get(name, 0) for name in ("Rows Removed by Filter", "Rows Removed by Index Recheck"))
    return int((node["Actual Rows"] + removed) * node["Actual Loops"])
