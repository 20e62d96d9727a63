"""Minutes laid out by a template: Jinja2 that writes Markdown, which every format then prints.

A template knows: ``title, subject, summary, language, recording, duration, date, chair, place, participants,
distribution, topics, decisions, action_items, open_questions, model, to_be_confirmed, unverified``. Topics have
``title, summary, points, start, end, times``; decisions ``text, quote, verified, times``; action items ``task, owner,
due, due_date, quote, verified, times``; open questions ``text, quote, times``. What was not said is empty or none;
``times`` lead into the transcript, which follows as an appendix.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

from pipelines.core import (
    ActionItem,
    Decision,
    Evidence,
    Fact,
    Minutes,
    ModelInfo,
    OpenQuestion,
    Segment,
    Topic,
    Transcript,
)
from pipelines.export.cleaning import cleaned, one_line
from pipelines.export.content import Composer
from pipelines.export.escaping import escape
from pipelines.export.labels import is_chinese, labels_for
from pipelines.export.layout import Layout, layout_of
from pipelines.export.sandbox import MAX_STEPS, fill
from pipelines.export.template_values import Markup
from pipelines.writing import sentences

CLASSIC = "classic"
SHIPPED = (CLASSIC,)
MAX_STEPS_TO_CHECK = 200_000


@cache
def shipped(name: str, language: str) -> str:
    """The text of a template that comes with MeetMemo, in Chinese for Chinese minutes and in English for others."""
    code = "zh" if is_chinese(language) else "en"
    return (files("pipelines.export") / "templates" / f"{name}.{code}.md").read_text(encoding="utf-8")


class Templates(Protocol):
    """Tries templates and lays minutes out by them."""

    def check(self, template: str) -> None:
        """Raise `TemplateInvalid` for a template that minutes cannot be laid out by."""

    def lay_out(self, template: str, values: Mapping[str, Any]) -> Layout:
        """Lay out what `values_of` knows of minutes; raises `TemplateInvalid`."""


class TemplatesHere:
    """Runs templates in this process: those of operators. Those of strangers are for `IsolatedTemplates`."""

    def check(self, template: str) -> None:
        check_template(template)

    def lay_out(self, template: str, values: Mapping[str, Any]) -> Layout:
        return lay_out(template, values)


def lay_out(template: str, values: Mapping[str, Any], max_steps: int = MAX_STEPS) -> Layout:
    """Fill a template and read what it wrote; raises `TemplateInvalid`."""
    return layout_of(fill(template, values, escape, max_steps))


def check_template(template: str) -> None:
    """Fill a template with two meetings, one rich and one in which nothing was said; raises `TemplateInvalid`.

    Both are short: a template that takes many steps for them is not one for minutes.
    """
    for minutes in (_SAMPLE, _EMPTY):
        lay_out(template, values_of(_TRANSCRIPT, minutes, "recording"), MAX_STEPS_TO_CHECK)


def values_of(transcript: Transcript, minutes: Minutes, title: str) -> Mapping[str, Any]:
    """Return what a template may know of the minutes of a recording called ``title``."""
    transcript, minutes, title = cleaned(transcript), cleaned(minutes), cleaned(title)
    return _values(Composer(transcript, minutes, title), minutes, title)


def _values(composer: Composer, minutes: Minutes, title: str) -> Mapping[str, Any]:
    labels = labels_for(minutes.language)

    def times(evidence: Evidence) -> Markup:
        runs = composer.times(evidence)
        return Markup("".join(f"[{run.text}](#{run.link})" if run.link else escape(run.text) for run in runs))

    return {
        "title": one_line(minutes.title) or one_line(title) or labels.minutes_of_meeting,
        "subject": one_line(minutes.title),
        "summary": minutes.summary,
        "language": minutes.language,
        "recording": one_line(title),
        "duration": composer.duration,
        "date": minutes.held_on,
        "chair": minutes.chair.text if minutes.chair else "",
        "place": minutes.place.text if minutes.place else "",
        "participants": [labels.speaker(one_line(name)) for name in minutes.participants],
        "distribution": [one_line(fact.text) for fact in minutes.distribution],
        "topics": [_topic(topic, composer, times(topic.evidence)) for topic in minutes.topics],
        "decisions": [
            {
                "text": one_line(decision.text),
                "quote": one_line(decision.evidence.quote),
                "verified": decision.verified,
                "times": times(decision.evidence),
            }
            for decision in minutes.decisions
        ],
        "action_items": [
            {
                "task": one_line(item.task),
                "owner": one_line(item.owner or ""),
                "due": one_line(item.due or ""),
                "due_date": item.due_date or "",
                "quote": one_line(item.evidence.quote),
                "verified": item.verified,
                "times": times(item.evidence),
            }
            for item in minutes.action_items
        ],
        "open_questions": [
            {
                "text": one_line(question.text),
                "quote": one_line(question.evidence.quote),
                "times": times(question.evidence),
            }
            for question in minutes.open_questions
        ],
        "model": minutes.model,
        "to_be_confirmed": labels.to_be_confirmed,
        "unverified": labels.unverified,
    }


def _topic(topic: Topic, composer: Composer, times: Markup) -> Mapping[str, Any]:
    return {
        "title": one_line(topic.title),
        "summary": one_line(topic.summary),
        "points": [point for sentence in sentences(topic.summary) if (point := one_line(sentence))],
        "start": composer.clock(topic.start_s),
        "end": composer.clock(topic.end_s),
        "times": times,
    }


_CITED = Evidence(segment_ids=(0,), quote="We decided to rent the office.")
_TRANSCRIPT = Transcript(
    duration_s=5.0,
    language="en",
    languages=(),
    segments=(Segment(id=0, channel=0, speaker="Alice", start_s=0.0, end_s=5.0, text=_CITED.quote),),
    coverage=(),
    model=ModelInfo(name="sample"),
)
_EMPTY = Minutes(title="", language="en", writer="extractive", model="", summary="")
_SAMPLE = Minutes(
    title="Office",
    language="en",
    writer="llm",
    model="sample",
    summary="The office was chosen. It is near the station.",
    participants=("Alice",),
    topics=(Topic(title="Office", summary="It was chosen.", start_s=0.0, end_s=5.0, evidence=_CITED),),
    decisions=(Decision(text="Rent the office", evidence=_CITED),),
    action_items=(
        ActionItem(task="Sign", owner="Alice", due="Friday", due_date="2026-11-27", evidence=_CITED),
        ActionItem(task="Move", owner=None, due=None, evidence=_CITED, verified=False),
    ),
    open_questions=(OpenQuestion(text="Who pays?", evidence=_CITED),),
    chair=Fact(text="Alice", evidence=_CITED),
    place=Fact(text="Room 1", evidence=_CITED),
    distribution=(Fact(text="Carol", evidence=_CITED),),
    held_on="2026-11-24",
)
