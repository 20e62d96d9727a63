"""The interface of every writer of minutes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol, runtime_checkable

from pipelines.core import Minutes, Transcript, Usage


@dataclass(frozen=True, kw_only=True)
class MinutesOptions:
    """The submitter's options for the minutes, and the job they belong to.

    ``language`` is an ISO 639-1 code, None for the language that was spoken. ``title`` replaces the one the
    writer would choose, which replaces ``{title}`` in it. ``glossary`` holds names and terms as they are spelled.
    ``recorded_on`` is what "by Friday" counts from. ``instructions`` are wishes for a language model ("name every
    amount"). What is paid for is counted and kept under ``tenant`` and ``job_id``; without a job nothing is kept.
    ``asked_at_s`` (Unix seconds) is when the minutes were first wanted, None: they are wanted now, whatever the price.
    """

    language: str | None = None
    title: str | None = None
    glossary: tuple[str, ...] = ()
    recorded_on: date | None = None
    asked_at_s: float | None = None
    instructions: str = ""
    tenant: str = "default"
    job_id: str = ""


@dataclass(frozen=True, kw_only=True)
class PaidMinutes:
    """Minutes and what their job paid for them: nothing where another job had paid.

    ``counted`` says that this was paid and counted before: the minutes come from the cache.
    """

    minutes: Minutes
    usage: Usage
    counted: bool = False


@runtime_checkable
class Resumable(Protocol):
    """A writer that stops asking a model that does not answer."""

    def resume(self) -> None:
        """Ask the model again at the next call, because somebody says that it works again."""
        ...


@runtime_checkable
class PaidWriter(Protocol):
    """A writer whose minutes cost something."""

    async def write_paid(self, transcript: Transcript, options: MinutesOptions) -> PaidMinutes:
        """Write minutes as `Writer.write` does, and return their usage as well."""
        ...

    def take_calls(self) -> Mapping[str, int]:
        """Return the language model's calls by outcome since the last call of this method."""
        ...


class Writer(Protocol):
    """Writes minutes from a transcript; one instance serves many calls at once."""

    async def write(self, transcript: Transcript, options: MinutesOptions) -> Minutes:
        """Write the minutes of one meeting, verified by `pipelines.minutes.verification.verify`.

        Raises ``MinutesError`` when they cannot be written, its kind ``MinutesParked`` when they can be later; a
        transcript without words is no error: its minutes are `pipelines.minutes.finishing.unwritten`.
        """
        ...
