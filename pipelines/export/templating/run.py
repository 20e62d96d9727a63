"""Runs templates in this process, and tries them; what they know is in `pipelines.export.templating.templates`."""

from collections.abc import Mapping
from typing import Any

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
from pipelines.export.blocks import Layout
from pipelines.export.escaping import escape
from pipelines.export.templating.interpreter import fill
from pipelines.export.templating.layout import layout_of
from pipelines.export.templating.templates import values_of
from pipelines.export.templating.values import MAX_STEPS

MAX_STEPS_TO_CHECK = 200_000


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
    open_questions=(
        OpenQuestion(text="Who pays?", evidence=_CITED),
        OpenQuestion(text="When?", evidence=_CITED, verified=False),
    ),
    chair=Fact(text="Alice", evidence=_CITED),
    place=Fact(text="Room 1", evidence=_CITED),
    distribution=(Fact(text="Carol", evidence=_CITED),),
    held_on="2026-11-24",
)
