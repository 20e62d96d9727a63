"""Minutes laid out by a template: Jinja2 that writes Markdown, which every format then prints.

A template knows: ``title, subject, summary, language, recording, duration, date, chair, place, participants,
distribution, topics, decisions, action_items, open_questions, model, to_be_confirmed, unverified``. Topics have
``title, summary, points, start, end, verified, times``; decisions ``text, by, owner, due, due_date, quote, verified,
times``; action items ``task, owner, due, due_date, quote, verified, times``; open questions ``text, quote, verified,
times``. What was not said is empty or none; ``times`` lead into the transcript, which follows as an appendix. Questions
and titles of topics that are not verified end with the mark that says so: templates may not know ``verified`` there.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

from pipelines.core import Evidence, Minutes, Topic, Transcript
from pipelines.export.blocks import Layout
from pipelines.export.escaping import escape
from pipelines.export.labels import Labels, is_chinese, labels_for
from pipelines.export.material import Material, marked
from pipelines.export.templating.values import Markup
from pipelines.text.cleaning import cleaned, one_line
from pipelines.text.typography import sentences

CLASSIC = "classic"
SHIPPED = (CLASSIC,)


@cache
def shipped(name: str, language: str) -> str:
    """Return the text of a bundled template: in Chinese for Chinese minutes, in English for others."""
    code = "zh" if is_chinese(language) else "en"
    return (files("pipelines.export") / "templates" / f"{name}.{code}.md").read_text(encoding="utf-8")


class Templates(Protocol):
    """Tries templates and lays minutes out by them."""

    def check(self, template: str) -> None:
        """Raise `TemplateInvalid` for a template that minutes cannot be laid out by."""

    def lay_out(self, template: str, values: Mapping[str, Any]) -> Layout:
        """Lay out what `values_of` knows of minutes; raises `TemplateInvalid`."""


def values_of(transcript: Transcript, minutes: Minutes, title: str) -> Mapping[str, Any]:
    """Return what a template may know of the minutes of a recording called ``title``."""
    transcript, minutes, title = cleaned(transcript), cleaned(minutes), cleaned(title)
    return _values(Material(transcript, minutes, title), minutes, title)


def _values(material: Material, minutes: Minutes, title: str) -> Mapping[str, Any]:
    labels = labels_for(minutes.language)

    def times(evidence: Evidence) -> Markup:
        runs = material.times(evidence)
        return Markup("".join(f"[{run.text}](#{run.link})" if run.link else escape(run.text) for run in runs))

    return {
        "title": one_line(minutes.title) or one_line(title) or labels.minutes_of_meeting,
        "subject": one_line(minutes.title),
        "summary": minutes.summary,
        "language": minutes.language,
        "recording": one_line(title),
        "duration": material.duration,
        "date": minutes.held_on,
        "chair": minutes.chair.text if minutes.chair else "",
        "place": minutes.place.text if minutes.place else "",
        "participants": [material.person(name) for name in minutes.participants],
        "distribution": [one_line(fact.text) for fact in minutes.distribution],
        "topics": [_topic(topic, material, times(topic.evidence), labels) for topic in minutes.topics],
        "decisions": [
            {
                "text": one_line(decision.text),
                "by": material.person(decision.by),
                "owner": one_line(decision.owner or ""),
                "due": one_line(decision.due or ""),
                "due_date": decision.due_date or "",
                "quote": one_line(decision.evidence.quote),
                "verified": decision.verified,
                "times": times(decision.evidence),
            }
            for decision in minutes.decisions
        ],
        "action_items": [
            {
                "task": one_line(item.task),
                "owner": material.person(item.owner),
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
                "text": _with_mark(one_line(question.text), labels, verified=question.verified),
                "quote": one_line(question.evidence.quote),
                "verified": question.verified,
                "times": times(question.evidence),
            }
            for question in minutes.open_questions
        ],
        "model": minutes.model,
        "to_be_confirmed": labels.to_be_confirmed,
        "unverified": labels.unverified,
    }


def _with_mark(text: str, labels: Labels, *, verified: bool) -> str:
    return text if verified else f"{text} {marked(labels)}"


def _topic(topic: Topic, material: Material, times: Markup, labels: Labels) -> Mapping[str, Any]:
    return {
        "title": _with_mark(one_line(topic.title), labels, verified=topic.verified),
        "summary": one_line(topic.summary),
        "points": [point for sentence in sentences(topic.summary) if (point := one_line(sentence))],
        "start": material.clock(topic.start_s),
        "end": material.clock(topic.end_s),
        "verified": topic.verified,
        "times": times,
    }
