"""The check of the documentation finds what is stale, and the diagram of the rooms shows every kind of contract."""

from pathlib import Path

import pytest
import typer

from cluster.cli.main import app
from deployments.notifications.messages import EVENTS
from pipelines.jobs.job import JobState
from scripts.documentation.code_index import CodeIndex
from scripts.documentation.commands import Commands, simple_commands
from scripts.documentation.references import KnownNames, References
from scripts.documentation.rooms_diagram import BEGIN, END, with_rooms
from scripts.documentation.tables import Undocumented, described
from scripts.documentation.texts import read_document

ROOT = Path(__file__).parents[3]
KNOWN = KnownNames(
    settings=frozenset({"http", "http.port"}),
    metrics=frozenset({"meetmemo_jobs", "meetmemo_render_seconds"}),
    routes=frozenset({("GET", "/v1/jobs"), ("GET", "/v1/jobs/{}")}),
    fields=frozenset({"audio_s"}),
)


@pytest.fixture(scope="module")
def index() -> CodeIndex:
    """The sources of this repository."""
    return CodeIndex(ROOT)


@pytest.mark.parametrize(
    "text",
    [
        "pipelines/core.py",
        "pipelines/export/",
        "pipelines/models/*/MODEL_CARD.md",
        "pipelines/core.py: Chunk",
        "tests/conftest.py::pytest_addoption",
        "pipelines.core.Chunk",
        "pipelines.export",
        "HttpSettings.port",
        "http.port",
        "MEETMEMO_HTTP__PORT",
        "MEETMEMO_JWT_SECRET_FILE",
        "meetmemo_jobs",
        "meetmemo_render_seconds_sum",
        "GET /v1/jobs/ID?x=1",
        "HEAD /v1/jobs",
        "audio_s",
        "minutes.docx",
        "2000::/3",
        "log.level: debug",
        "some words",
    ],
)
def test_what_exists_is_found(index: CodeIndex, text: str) -> None:
    """References to files, names, settings, metrics and routes that are there bring no complaint."""
    assert References(index, KNOWN).complaint(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "pipelines/no_such.py",
        "no_such.py",
        "pipelines/nowhere/",
        "pipelines/core.py: Chunck",
        "pipelines/core.py: Chunk.no_such",
        "pipelines.core.Chunck",
        "HttpSettings.no_such",
        "http.no_such",
        "MEETMEMO_HTTP__NO_SUCH",
        "meetmemo_no_such_total",
        "GET /v1/no-such",
        "DELETE /v1/jobs",
        "_".join(("no", "such", "name")),
        "".join(("NoSuch", "NameAtAll")),
    ],
)
def test_what_is_stale_is_told(index: CodeIndex, text: str) -> None:
    """References to what is not there bring a complaint."""
    assert References(index, KNOWN).complaint(text)


def test_documents_name_modules_by_their_whole_path(index: CodeIndex) -> None:
    """A part of a path is told with the whole one, since only that is found when a module moves."""
    references = References(index, KNOWN)
    assert references.abbreviation("core.Chunk") == "write pipelines/core.py: Chunk"
    assert references.abbreviation("core.py") == "write pipelines/core.py"
    assert references.abbreviation("pipelines.core.Chunk") == references.abbreviation("http.port") == ""


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("meetmemo jobs list --state failed", ""),
        ("meetmemo up --detach --no-such", "up has no option --no-such"),
        ("meetmemo jobs lst", "jobs has no command lst"),
        ("meetmemo --help", ""),
        ("scripts/demo --model base FILE", ""),
        ("scripts/demo --no-such", "there is no option --no-such"),
        ("scripts/simulate --speed 500", ""),
        ("scripts/simulate --no-such", "there is no option --no-such"),
        ("scripts/no-such", "there is no such script"),
        ("scripts/test --full -m full -k anything", ""),
        ("python -m scripts.scaling.cli --speed 3", ""),
        ("python -m tests.no_such", "there is no such module"),
        ("python -m http.server --anything", ""),
        ("curl --anything", ""),
    ],
)
def test_commands_are_looked_up(index: CodeIndex, command: str, complaint: str) -> None:
    """Programs, sub-commands and options of our own exist; other programs are not looked at."""
    commands = Commands(index, typer.main.get_command(app))
    assert [commands.complaint(each) for each in simple_commands(command)] == [complaint]


def test_commands_are_cut_at_pipes() -> None:
    """Each command of a line is looked at, without assignments, comments and redirections."""
    line = "A=1 meetmemo config show > x && scripts/check | sort; export B=2 meetmemo up  # a comment"
    assert list(simple_commands(line)) == [
        ["meetmemo", "config", "show"],
        ["x"],
        ["scripts/check"],
        ["sort"],
        ["meetmemo", "up"],
    ]


def test_links_lead_to_files_and_headings(index: CodeIndex) -> None:
    """A link to a missing file, or to a heading that is not there, is told with its line."""
    text = "# One two\n[a](#one-two) [b](#three)\n[c](operations.md) ![d](assets/none.png) [e](https://example.org)\n"
    document = read_document("docs/operations.md", text)
    found = References(index, KNOWN).of_links(document, {document.path: document})
    assert [(line.number, line.text) for line in found] == [
        (2, "(#three): no heading there has this anchor"),
        (3, "(assets/none.png): there is no such file"),
    ]


def test_pages_that_sources_name_are_there(index: CodeIndex) -> None:
    """A comment or docstring that names a page, or a heading of it, that is gone is told."""
    text = "# One\n# See docs/operations.md#one, docs/none.md and docs/operations.md#two.\n"
    document = read_document("docs/operations.md", text)
    assert [line.text for line in References(index, KNOWN).of_pages("x.py", text, {document.path: document})] == [
        "docs/none.md: there is no such file",
        "docs/operations.md#two: no heading there has this anchor",
    ]


def test_anchors_are_those_of_headings() -> None:
    """Anchors are lower case without signs; a repeated heading gets a number; fenced lines are no headings."""
    text = "# A `b`: c\n## A b c\n## Same\n## Same\n```sh\n# not this\n```\n"
    assert read_document("x.md", text).anchors == {"a-b-c", "a-b-c-1", "same", "same-1"}


def test_the_diagram_shows_every_layers_contract() -> None:
    """Each contract is a box, each layer one in it, siblings share one; other contracts are not drawn."""
    pyproject = """
    [[tool.importlinter.contracts]]
    name = "Floors"
    type = "layers"
    layers = ["cluster", "deployments.http | deployments.tenant", "(pipelines)"]
    [[tool.importlinter.contracts]]
    name = "No Ray"
    type = "forbidden"
    [[tool.importlinter.contracts]]
    name = "Rooms"
    type = "layers"
    containers = ["pipelines"]
    layers = ["export", "core : errors"]
    """
    drawn = with_rooms(f"before\n{BEGIN}\nold\n{END}\nafter\n", pyproject)
    assert drawn.startswith(f"before\n{BEGIN}\n")
    assert drawn.endswith(f"{END}\nafter\n")
    assert 'layer0_1["deployments.http<br/>deployments.tenant"]' in drawn
    assert "layer0_0 --> layer0_1 --> layer0_2" in drawn
    assert 'layer0_2["pipelines"]' in drawn
    assert 'layer1_1["pipelines.core<br/>pipelines.errors"]' in drawn
    assert "old" not in drawn
    assert "No Ray" not in drawn
    assert with_rooms(drawn, pyproject) == drawn


def test_what_has_no_description_is_named() -> None:
    """A page is not made while something on it has no description in the code."""
    with pytest.raises(Undocumented, match="b"):
        described([("a", "text"), ("b", " ")])


def test_every_end_of_a_job_is_an_event() -> None:
    """The documented events are the final states, and those about minutes and translations that followed."""
    followed = {"job.minutes_followed", "job.translations_followed"}
    assert set(EVENTS) == {f"job.{state}" for state in JobState if state.final} | followed
