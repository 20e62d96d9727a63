"""Apply the submitter's options to minutes that are written and verified, without the writer."""

from dataclasses import replace
from datetime import date
from typing import TypeVar

from pipelines.core import ActionItem, Decision, Minutes
from pipelines.minutes.glossary import spelled
from pipelines.minutes.language.due_dates import due_date
from pipelines.minutes.protocol import MinutesOptions

Entry = TypeVar("Entry", Decision, ActionItem)

# In a title: where the writer's own goes.
OWN_TITLE = "{title}"


def finish(minutes: Minutes, options: MinutesOptions) -> Minutes:
    """Return the minutes with terms spelled, title set and due dates resolved as the options say.

    Finishing twice changes nothing more, unless the wanted title holds the writer's.
    """
    minutes = spelled(minutes, options.glossary)
    return replace(
        minutes,
        title=(options.title or OWN_TITLE).replace(OWN_TITLE, minutes.title).strip(),
        held_on=options.recorded_on.isoformat() if options.recorded_on else "",
        decisions=tuple(_dated(decision, options.recorded_on) for decision in minutes.decisions),
        action_items=tuple(_dated(item, options.recorded_on) for item in minutes.action_items),
    )


def unwritten(options: MinutesOptions) -> Minutes:
    """Return the minutes of a recording without words: nobody wrote them, and they hold only what the options say."""
    nothing = Minutes(title="", language=options.language or "", writer="none", model="", summary="")
    return finish(nothing, options)


def _dated(item: Entry, recorded_on: date | None) -> Entry:
    """Return a decision or task with the day that its due date means: worked out here, whatever the writer says."""
    day = due_date(item.due, recorded_on) if item.due and recorded_on else None
    return replace(item, due_date=day.isoformat() if day else None)
