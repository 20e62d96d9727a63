"""Lists on the command line: whole in a pipe, fitting on terminals of any width, ids that can be copied."""

import io

import pytest
from rich.console import Console

from cluster.cli.common.tables import ids, numbers, show_table, words
from cluster.cli.report import account_row
from cluster.cli.usage_report import Account
from pipelines.core import Usage

JOBS = [
    (
        f"01a22935449a{'0' * 18}{number:02x}",
        f"a rather long name of a recording {number}.wav",
        "failed: corrupt_audio",
        "2:47",
    )
    for number in range(3)
]
COLUMNS = (*ids("id"), *words("file", "state"), *numbers("audio"))


def shown(columns, rows, width: int | None) -> str:
    """Return what a terminal of that width shows, or a pipe for None."""
    file = io.StringIO()
    show_table(
        Console(file=file, width=width or 80, force_terminal=width is not None, color_system=None), columns, rows
    )
    return file.getvalue()


def test_a_pipe_gets_whole_lines() -> None:
    """Ids, names and money are whole, a line a row, tabs between: a file's name with a tab or a line break as well."""
    assert shown(COLUMNS, JOBS, None).splitlines()[1:] == ["\t".join(row) for row in JOBS]
    assert shown(words("file", "state"), [("a\tb\nc", "[red]")], None) == "file\tstate\na b c\t[red]\n"


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_a_terminal_cuts_nothing(width: int) -> None:
    """No line is wider than the terminal, nothing ends in an ellipsis, and each id tells its job from the others."""
    told = shown(COLUMNS, JOBS, width)
    assert "…" not in told
    assert max(map(len, told.splitlines())) <= width or width < 60, "cards of a narrow terminal wrap by themselves"
    first = [word for word in told.split() if word.startswith("01a2")]
    assert len(set(first)) == len(JOBS)
    assert all(JOBS[number][0].startswith(given) for number, given in enumerate(first))
    for word in " ".join(JOBS[0][1:3]).split():
        assert word in " ".join(told.split())


def test_ids_are_whole_where_there_is_room() -> None:
    """At 200 columns nothing is shortened; at 60 an id has what makes it unique."""
    assert JOBS[0][0] in shown(COLUMNS, JOBS, 200)
    alone = shown(COLUMNS, JOBS[:1], 60)
    assert JOBS[0][0] not in alone
    assert JOBS[0][0][:14] in alone


@pytest.mark.parametrize("width", [30, 80, 200])
def test_money_is_never_cut(width: int) -> None:
    """The report's last column is the money: at 80 columns it was gone."""
    account = Account(name="a-tenant", n_jobs=12345, audio_s=98765432.0, tokens=Usage(cost_usd=1234.5678))
    names = ("jobs", "failed", "audio h", "device h", "cpu h", "source MB", "results MB", "tokens", "US$")
    assert "1234.5678" in shown((*words("tenant"), *numbers(*names)), [account_row(account)], width)
