"""The table of other people's clients in the documentation is the one that CI runs."""

import re
from pathlib import Path

from tests.acceptance.test_client_matrix import CLIENTS, FOREIGN

PAGE = Path(__file__).parents[3] / "docs" / "clients.md"


def test_the_table_has_each_client_of_the_matrix_once() -> None:
    """A client that is run and not told of is as wrong as one that is told of and not run."""
    table = PAGE.read_text(encoding="utf-8").split("| in the matrix |\n", 1)[1].split("\n\n", 1)[0]
    told = re.findall(r"\| `(?:tests/clients/)?([^`]+)` \|$", table, re.MULTILINE)
    assert len(told) == table.count("\n"), "the line of dashes has none, each other row has one"
    assert sorted(told) == sorted([*(client.__name__ for client in CLIENTS), *FOREIGN])
