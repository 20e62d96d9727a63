"""Minutes by templates: what they print, what they cannot do, and whose they are."""

import io
from dataclasses import replace

import pytest
from docx import Document
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from cluster.settings.settings import load_settings
from pipelines.core import Evidence, Fact, Minutes, OpenQuestion, Transcript
from pipelines.errors import ConfigurationError, TemplateInvalid, TemplateUnknown
from pipelines.export.blocks import Content, Heading, Layout, Paragraph, Run, Table
from pipelines.export.document import arranged_content
from pipelines.export.escaping import escape
from pipelines.export.markdown_blocks import blocks_of
from pipelines.export.render import render
from pipelines.export.templating.interpreter import fill
from pipelines.export.templating.run import check_template, lay_out
from pipelines.export.templating.templates import shipped, values_of
from pipelines.export.templating.tenant_styles import TenantStyle, TenantStyles
from pipelines.export.templating.values import MAX_ROUNDS
from tests.support import export_samples as samples


def as_text(name: str, document: bytes) -> str:
    if name == "minutes.docx":
        word = Document(io.BytesIO(document))
        cells = (cell.text for table in word.tables for row in table.rows for cell in row.cells)
        return "\n".join([*(paragraph.text for paragraph in word.paragraphs), *cells])
    if name == "minutes.pdf":
        return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(document)).pages)
    return document.decode()


def printed(name: str, transcript: Transcript, minutes: Minutes, title: str, template: str) -> bytes:
    """A document of minutes that a template lays out."""
    layout = lay_out(template, values_of(transcript, minutes, title))
    return render(name, transcript, minutes, title, layout)


def templated_content(transcript: Transcript, minutes: Minutes, title: str, template: str) -> Content:
    """What such a document says."""
    layout = lay_out(template, values_of(transcript, minutes, title))
    return arranged_content(transcript, minutes, title, layout)


@pytest.fixture
def office() -> tuple[Transcript, Minutes, str]:
    transcript, minutes, title = samples.call()
    cited = Evidence(segment_ids=(0,), quote="Good morning, this is the service desk.")
    return transcript, replace(minutes, chair=Fact(text="Agent Smith", evidence=cited)), title


@pytest.mark.parametrize("name", ["minutes.md", "minutes.docx", "minutes.pdf"])
def test_classic(office: tuple[Transcript, Minutes, str], name: str) -> None:
    """The classic template prints what was said, and "to be confirmed" where nothing was, in every format."""
    transcript, minutes, title = office
    text = as_text(name, printed(name, transcript, minutes, title, shipped("classic", "en")))
    for expected in ("Agent Smith", "to be confirmed", "Distribution list", "Points discussed", minutes.title):
        assert expected in text
    for decision in minutes.decisions:
        assert decision.text.split()[0] in text


@pytest.mark.parametrize("layout", ["", "classic", "own"])
@pytest.mark.parametrize("name", ["minutes.md", "minutes.docx", "minutes.pdf"])
def test_what_is_in_doubt_is_marked(office: tuple[Transcript, Minutes, str], name: str, layout: str) -> None:
    """A question and a topic that nothing proves carry the mark in every format and layout, the others do not."""
    transcript, minutes, title = office
    (topic, *_), cited = minutes.topics, minutes.topics[0].evidence
    topics = (replace(topic, title="Tulips"), replace(topic, title="Zebras", verified=False))
    questions = (OpenQuestion(text="Whose rose?", evidence=cited), OpenQuestion(text="Whose yak?", evidence=cited))
    doubtful = replace(
        minutes, topics=topics, open_questions=(questions[0], replace(questions[1], verified=False)), decisions=()
    )
    doubtful = replace(doubtful, action_items=())
    loops = (("topics", "title"), ("open_questions", "text"))
    own = "".join(f"{{% for one in {kind} %}}\n- {{{{ one.{text} }}}}\n{{% endfor %}}\n" for kind, text in loops)
    template = {"classic": shipped("classic", "en"), "own": own}.get(layout)
    document = (
        printed(name, transcript, doubtful, title, template) if template else render(name, transcript, doubtful, title)
    )
    text = " ".join(as_text(name, document).replace("\\", "").replace("*", "").split())
    assert text.count("not verified against the transcript") == 2
    for doubtful_text in ("Zebras", "Whose yak?"):
        assert text.index("not verified", text.index(doubtful_text)) - text.index(doubtful_text) < 60


def test_more_than_nine_points(office: tuple[Transcript, Minutes, str]) -> None:
    """Points of the tenth subject belong to it as those of the first do."""
    transcript, minutes, title = office
    topics = tuple(replace(minutes.topics[0], title=f"Subject {n}", summary="It came.") for n in range(12))
    content = templated_content(transcript, replace(minutes, topics=topics), title, shipped("classic", "en"))
    marks = [block.mark for block in content.blocks if isinstance(block, Paragraph) and block.kind == "item"]
    assert marks[:24] == [mark for n in range(1, 13) for mark in (f"{n}.", f"{n}.1.")]


def test_classic_in_chinese() -> None:
    """Chinese minutes get the Chinese template."""
    transcript, minutes, title = samples.call()
    text = printed("minutes.md", transcript, replace(minutes, language="zh"), title, shipped("classic", "zh")).decode()
    assert "会议地点" in text
    assert "待确认" in text


def test_times_lead_into_the_transcript(office: tuple[Transcript, Minutes, str]) -> None:
    """Links of a template lead to turns that are there."""
    content = templated_content(*office, shipped("classic", "en"))
    anchors = {block.anchor for block in content.blocks if hasattr(block, "anchor")}
    links = {
        run.link
        for block in content.blocks
        if isinstance(block, Paragraph)
        for line in block.lines
        for run in line
        if run.link
    }
    assert links
    assert links <= anchors


@given(st.text(max_size=60))
@settings(max_examples=60)
def test_nothing_spoken_becomes_markup(spoken: str) -> None:
    """Whatever is said, a template prints it as text: no heading, no link, no table."""
    text = fill("{{ said }} end", {"said": spoken}, escape)
    _, blocks = blocks_of(text)
    assert not any(isinstance(block, Heading | Table) for block in blocks)
    assert not any(run.link for block in blocks if isinstance(block, Paragraph) for line in block.lines for run in line)


@pytest.mark.parametrize(
    "template",
    [
        "{{ nothing }}",
        "{{ title",
        "{% for x in decisions %}",
        "{{ ''.__class__.__mro__ }}",
        "{{ title.upper() }}",
        "{{ range(10) }}",
        "{{ 'a' * 1000000000 }}",
        "{{ title ~ title }}",
        "{{ title + title }}",
        "{{ 2 ** 100000 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ title | center(1000000000) }}",
        "{% macro m() %}{% endmacro %}",
        "{% include 'x' %}",
        "{% import 'os' as os %}",
        "{% set a %}{{ title }}{{ title }}{% endset %}{{ a }}",
        "{% for c in title %}{{ c }}{% endfor %}",
        "{% for x in decisions recursive %}{{ loop(x) }}{% endfor %}",
        "{{ decisions[99].text }}",
        "{{ title | join(', ') }}",
        "x" * 20_001,
    ],
)
def test_what_templates_cannot_do(template: str) -> None:
    """What is wrong, dangerous or endless is refused, with the enumerated reason, before anybody's minutes are."""
    with pytest.raises(TemplateInvalid) as refused:
        check_template(template)
    assert refused.value.reason == "template_invalid"


def test_loops_share_a_budget() -> None:
    """Loops within loops end when all of them together have gone round often enough."""
    many = list(range(1000))
    inner = "{% for a in many %}{% for b in many %}{{ b }}{% endfor %}{% endfor %}"
    with pytest.raises(TemplateInvalid, match=str(MAX_ROUNDS)):
        fill(inner, {"many": many}, escape)


def test_markdown_of_templates() -> None:
    """Nested numbers carry both numbers, tables their header, and links outside are only text."""
    title, blocks = blocks_of(
        "# Title\n\n## Part\n\n1. One\n   1. Sub\n   2. Sub *two*\n2. Two\n\n- [x](https://e.org) [0:01](#turn_1)\n\n"
        "| A | B |\n|---|---|\n| 1 | **2** |\n\n<b>raw</b>\n"
    )
    assert title == "Title"
    assert isinstance(blocks[0], Heading)
    items = [block for block in blocks if isinstance(block, Paragraph) and block.kind == "item"]
    assert [(item.mark, item.depth) for item in items] == [("1.", 0), ("1.1.", 1), ("1.2.", 1), ("2.", 0), ("•", 0)]
    assert [run.link for run in items[-1].lines[0]] == ["", "", "turn_1"]
    (table,) = (block for block in blocks if isinstance(block, Table))
    assert table.header == ("A", "B")
    assert isinstance(blocks[-1], Paragraph)
    assert "".join(run.text for run in blocks[-1].lines[0]) == "<b>raw</b>"


WIDE = "|#" + "|a" * 11 + "|\n|" + "-|" * 12 + "\n|1" + f"|{'a long text ' * 6}" * 11 + "|\n"


@pytest.mark.parametrize("name", ["minutes.docx", "minutes.pdf"])
@pytest.mark.parametrize("template", [WIDE, "# A\x00B\x0b\u202e\ud800 {{ '\x01' }}"], ids=["columns", "controls"])
def test_what_formats_cannot_print(office: tuple[Transcript, Minutes, str], name: str, template: str) -> None:
    """Narrow columns keep room for a character, and no control character comes into a document."""
    assert printed(name, *office, template)


def test_a_layout_that_a_format_refuses(office: tuple[Transcript, Minutes, str]) -> None:
    """Whatever a format's library says of a layout, the template is to blame: the usual layout is left."""
    narrow = Table(header=(), rows=((((Run(text="x"),),),),), shares=(0.0001,))
    with pytest.raises(TemplateInvalid, match="cannot be printed"):
        render("minutes.pdf", *office, Layout(title="", blocks=(narrow,)))


def test_house_styles() -> None:
    """A job's wish goes before the tenant's, the tenant's before everybody's."""
    styles = TenantStyles(
        everybody=TenantStyle(template="classic", glossary=("MeetMemo",), templates={"short": "{{ title }}"}),
        tenants={"acme": TenantStyle(template="own", title="ACME · {title}", templates={"own": "{{ summary }}"})},
    )
    assert styles.template("other", "", "en") == shipped("classic", "en")
    assert styles.template("acme", "", "en") == "{{ summary }}"
    assert styles.template("acme", "short", "en") == "{{ title }}"
    assert styles.template("acme", "standard", "en") == ""
    assert styles.template("acme", "{{ title }}!", "en") == "{{ title }}!"
    assert styles.title("acme", "") == "ACME · {title}"
    assert styles.title("acme", "Board") == "Board"
    assert styles.glossary("acme", ("Acme",)) == ("Acme", "MeetMemo")
    with pytest.raises(TemplateUnknown, match="standard, classic, short"):
        styles.template("other", "own", "en")


def test_templates_in_the_settings(tmp_path) -> None:
    """Settings take a template's text or its file, and refuse one that cannot be filled; they travel resolved."""
    path = tmp_path / "board.md"
    path.write_text("# {{ title }}\n")
    flags = {"minutes": {"tenants": {"acme": {"templates": {"board": str(path)}, "template": "board"}}}}
    settings = load_settings(env={}, flags=flags)
    path.unlink()
    again = type(settings).model_validate(settings.model_dump())
    assert again.minutes.styles.template("acme", "", "en") == "# {{ title }}\n"
    for broken in ("{{ nothing }}", str(path)):
        with pytest.raises(ConfigurationError, match="minutes"):
            load_settings(env={}, flags={"minutes": {"templates": {"broken": broken}}})
