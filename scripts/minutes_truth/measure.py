"""Run spoiled answers through the writer of minutes, and look for what is false in everything that is printed."""

import asyncio
import io
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from docx import Document
from pypdf import PdfReader

from deployments.notifications.email_text import EmailContent, compose
from pipelines.core import Minutes, Transcript, Usage
from pipelines.errors import MinutesParked
from pipelines.export.blocks import Heading, Line, Paragraph, Table
from pipelines.export.document import minutes_content
from pipelines.export.json_layout import minutes_json
from pipelines.export.labels import labels_for
from pipelines.export.material import marked
from pipelines.export.render import render
from pipelines.export.templating.run import lay_out
from pipelines.export.templating.templates import CLASSIC, shipped, values_of
from pipelines.minutes.protocol import MinutesOptions, PaidMinutes
from pipelines.minutes.provider.chat import ChatMessage
from pipelines.text.typography import sentences
from scripts.minutes_truth.faults import CHECK, KINDS, Spoiled, framed, spoiled
from scripts.minutes_truth.meetings import Meeting
from tests.fakes.deepseek_answers import checks_in
from tests.support.scripted_model import ScriptedModel, scripted_writer

RENDERED = ("minutes.md", "minutes.docx", "minutes.pdf")
# In a PDF an entry's mark follows its text, its quote between them.
MARK_WITHIN = 400
TITLE = "Recording"


@dataclass(kw_only=True)
class Outcome:
    """What became of a spoiled answer; ``printed_false`` are pairs of a place and a false text that stands there."""

    case: Spoiled
    parked: str = ""
    printed_false: list[tuple[str, str]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    doubted: int = 0
    n_sentences: int = 0
    n_sentences_lost: int = 0
    n_calls: int = 0
    usage: Usage = field(default_factory=Usage)


def corpus(meetings: Sequence[Meeting], n_cases: int, seed: int) -> list[Spoiled]:
    """Make spoiled answers, every kind in turn, over all meetings."""
    rng = random.Random(seed)
    kinds = list(KINDS)
    return [spoiled(kinds[n % len(kinds)], meetings[n % len(meetings)], rng) for n in range(n_cases)]


async def run_case(case: Spoiled, *, formats: Sequence[str] = RENDERED) -> Outcome:
    """Write the minutes of a case's meeting with a model that spoils its answers, and judge what comes of it."""
    model = ScriptedModel(lambda messages, call: _reply(case, messages, call), context_tokens=case.context_tokens)
    outcome = Outcome(case=case)
    try:
        paid = await scripted_writer(model).write_paid(case.meeting.transcript, MinutesOptions())
    except MinutesParked as error:
        outcome.parked = str(error)
    else:
        await asyncio.to_thread(_judge, outcome, paid, formats)
    outcome.n_calls = len(model.prompts)
    return outcome


def _reply(case: Spoiled, messages: Sequence[ChatMessage], call: int) -> str:
    text = case.text if call == 0 or case.persists else framed(case.meeting.answer)
    checks = checks_in("\n".join(message.content for message in messages if message.role == "user"))
    return text.replace(CHECK, checks.get(1, ""))


def _judge(outcome: Outcome, paid: PaidMinutes, formats: Sequence[str]) -> None:
    case, minutes = outcome.case, paid.minutes
    outcome.usage = paid.usage
    entries = {entry.text: entry.verified for entry in (*minutes.decisions, *minutes.open_questions)}
    entries |= {item.task: item.verified for item in minutes.action_items}
    outcome.lost = [text for text in case.meeting.true_items if text not in entries]
    outcome.doubted = sum(not entries.get(text, True) for text in case.meeting.true_items)
    told = [sentence.strip() for sentence in sentences(case.meeting.answer["summary"]) if sentence.strip()]
    outcome.n_sentences = len(told)
    outcome.n_sentences_lost = sum(sentence not in minutes.summary for sentence in told)
    transcript = case.meeting.transcript
    unspoken = [text for text in case.false if text not in transcript.text]
    outcome.printed_false = [
        *((place, false) for place, text in _facts(minutes) for false in case.false if false in text),
        *((place, false) for place, text in _laid_out(transcript, minutes) for false in case.false if false in text),
        *(
            (place, false)
            for place, text in _lines(transcript, minutes, formats)
            for false in unspoken
            if false in text
        ),
    ]


def _facts(minutes: Minutes) -> Iterator[tuple[str, str]]:
    """Yield every text that minutes state as a fact, by its field."""
    yield "title", minutes.title
    yield "summary", minutes.summary
    yield from (("participants", name) for name in minutes.participants)
    for name, fact in (("chair", minutes.chair), ("place", minutes.place)):
        if fact:
            yield name, fact.text
    yield from (("distribution", fact.text) for fact in minutes.distribution)
    for topic in minutes.topics:
        if topic.verified:
            yield from (("topic", topic.title), ("topic", topic.summary))
    for entry in (*minutes.decisions, *minutes.open_questions):
        if entry.verified:
            yield type(entry).__name__, entry.text
    for item in minutes.action_items:
        if item.verified:
            yield "ActionItem", f"{item.task} {item.owner or ''} {item.due or ''}"


def _laid_out(transcript: Transcript, minutes: Minutes) -> Iterator[tuple[str, str]]:
    """Yield the unmarked rows and paragraphs of both layouts, without quotes, which are literal."""
    mark = marked(labels_for(minutes.language)).strip("[]")
    content = minutes_content(transcript, minutes, TITLE)
    yield "title of a document", content.title
    yield from (("head of a document", text) for _, text in content.facts)
    classic = lay_out(shipped(CLASSIC, minutes.language), values_of(transcript, minutes, TITLE))
    yield "title by template", classic.title
    for name, blocks in (("document", content.blocks), ("template", classic.blocks)):
        for block in blocks:
            match block:
                case Heading():
                    rows = [block.text]
                case Paragraph():
                    rows = [_plain(block.lines)]
                case Table():
                    rows = [" ".join(_plain(cell) for cell in row) for row in block.rows]
                case _:
                    rows = []
            yield from ((name, row) for row in rows if mark not in row)


def _plain(lines: Iterable[Line]) -> str:
    return " ".join(run.text for line in lines for run in line if run.look != "faint")


def _lines(transcript: Transcript, minutes: Minutes, formats: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the unmarked lines of what is sent and shown: files, the letter, and the console, which reads the JSON."""
    mark = marked(labels_for(minutes.language)).strip("[]")
    layout = json.loads(minutes_json(transcript, minutes))
    letter = EmailContent(title=TITLE, failed=False, detail="", minutes=layout, attached=(), links={})
    yield from (("letter", line) for line in compose(letter, minutes.language)[1].splitlines() if mark not in line)
    for kind in ("topics", "decisions", "action_items", "open_questions"):
        yield from (("console", json.dumps(entry, ensure_ascii=False)) for entry in layout[kind] if entry["verified"])
    for name in formats:
        yield from ((name, line) for line in _unmarked(name, render(name, transcript, minutes, TITLE), mark))


def _unmarked(name: str, document: bytes, mark: str) -> Iterator[str]:
    if name == "minutes.md":
        rows = document.decode().splitlines()
    elif name == "minutes.docx":
        word = Document(io.BytesIO(document))
        rows = [paragraph.text for paragraph in word.paragraphs]
        rows += [" ".join(cell.text for cell in row.cells) for table in word.tables for row in table.rows]
    else:
        text = " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(document)).pages).split())
        # What stands before a mark, as far as an entry reaches, is marked.
        parts = text.split(mark)
        rows = [*(part[:-MARK_WITHIN] for part in parts[:-1]), parts[-1]]
    yield from (row for row in rows if mark not in row)


async def measure(cases: Sequence[Spoiled], *, formats: Sequence[str] = RENDERED) -> list[Outcome]:
    """Run cases one after the other."""
    return [await run_case(case, formats=formats) for case in cases]


def report(outcomes: Sequence[Outcome]) -> str:
    """Return the figures: false items printed as verified, true ones lost, calls and cost, by kind and in all."""
    n_false = sum(len(outcome.case.false) for outcome in outcomes)
    printed = sum(len({false for _, false in outcome.printed_false}) for outcome in outcomes)
    written = [outcome for outcome in outcomes if not outcome.parked]
    n_true = sum(len(outcome.case.meeting.true_items) for outcome in written)
    lost = sum(len(outcome.lost) for outcome in written)
    doubted = sum(outcome.doubted for outcome in written)
    n_sentences = sum(outcome.n_sentences for outcome in written)
    sentences_lost = sum(outcome.n_sentences_lost for outcome in written)
    n_calls = sum(outcome.n_calls for outcome in outcomes)
    cost_usd = sum(outcome.usage.cost_usd for outcome in written)
    lines = [
        f"{len(outcomes)} spoiled answers of {len({outcome.case.kind for outcome in outcomes})} kinds: "
        f"{len(written)} minutes written, {len(outcomes) - len(written)} parked with the reason",
        f"  false items printed as facts: {printed} of {n_false} ({_share(printed, n_false)})",
        f"  true items lost: {lost} of {n_true} ({_share(lost, n_true)}), marked as doubtful: {doubted} "
        f"({_share(doubted, n_true)})",
        f"  true sentences of summaries lost: {sentences_lost} of {n_sentences} "
        f"({_share(sentences_lost, n_sentences)})",
        f"  calls: {n_calls} ({n_calls / max(1, len(outcomes)):.2f} a meeting), {cost_usd:.4f} USD",
    ]
    faults = Counter((o.case.kind, o.case.meeting.language, *pair) for o in outcomes for pair in o.printed_false)
    lines += [f"  FALSE {kind} ({language}), {place}: {text}" for (kind, language, place, text) in faults]
    losses = Counter((o.case.kind, text) for o in written for text in o.lost)
    lines += [f"  lost {kind}: {text}" for (kind, text) in losses]
    return "\n".join(lines)


def _share(n: int, of: int) -> str:
    return f"{100 * n / max(1, of):.1f} %"
