"""The audit log in a file: whoever changes, removes or adds a row is noticed."""

import sqlite3

import pytest

from pipelines.audit import NO_DIGEST, check
from pipelines.ledger.open import open_ledger
from tests.contracts.keeping import deed


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path):
    ledger = open_ledger(f"sqlite:///{path}")
    for number in range(5):
        ledger.audit.append([deed(object_id=f"j{number}")])
    yield ledger
    ledger.close()


def change(path, *statements):
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE audit_entries SET actor = 'nobody' WHERE seq = 3", "entry 3 was changed"),
        ("UPDATE audit_entries SET at_s = at_s - 1 WHERE seq = 1", "entry 1 was changed"),
        ("UPDATE audit_entries SET n_times = 2 WHERE seq = 5", "entry 5 was changed"),
        ("UPDATE audit_entries SET detail = '[[\"a\", 1]]' WHERE seq = 2", "entry 2 was changed"),
        ("DELETE FROM audit_entries WHERE seq = 3", "entry 3 is missing"),
        ("DELETE FROM audit_entries WHERE seq = 1", "entry 1 is missing"),
        ("DELETE FROM audit_entries WHERE seq = 5", "the log ends at entry 4, not at 5"),
        ("DELETE FROM audit_entries", "the log ends at entry 0, not at 5"),
        ("UPDATE audit_heads SET pruned_seq = 2", "entry 3 was changed"),
        (
            "INSERT INTO audit_entries SELECT tenant, 6, at_s, action, actor, kind, object_id, request_id, detail, "
            "n_times, digest FROM audit_entries WHERE seq = 5",
            "entry 6 is beyond the end",
        ),
    ],
)
def test_what_is_done_to_rows_is_noticed(ledger, path, statement, fault):
    """Each of these leaves a chain that does not fit."""
    assert check(ledger.audit, "acme").fault == ""
    change(path, statement)
    assert check(ledger.audit, "acme").fault == fault


def test_a_log_that_was_begun_anew_is_noticed_by_who_noted_a_digest(ledger, path):
    """Who can write everything can make another whole chain; a digest that was kept elsewhere is not in it."""
    noted = check(ledger.audit, "acme").head
    change(
        path,
        "DELETE FROM audit_entries",
        f"UPDATE audit_heads SET seq = 0, digest = '{NO_DIGEST}'",
    )
    for number in range(6):
        ledger.audit.append([deed(object_id=f"other{number}")])
    assert check(ledger.audit, "acme").fault == ""
    assert check(ledger.audit, "acme", known=(noted.seq, noted.digest)).fault == "entry 5 is not the one that was noted"
