"""`changed` makes what `dataclasses.replace` makes, and refuses what it cannot copy."""

import functools
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from pipelines.changed import changed
from pipelines.core import BlobRef
from pipelines.jobs.job import Job, JobOptions, JobState, Progress

JOB = Job(
    id="j",
    tenant="t",
    options=JobOptions(model="m"),
    source=BlobRef(key="k", n_bytes=1),
    filename="a",
    created_at_s=1.0,
)


def test_it_is_what_replace_makes() -> None:
    """A changed job equals, hashes and shows itself as a replaced one, and leaves the first alone."""
    new: dict[str, Any] = {
        "state": JobState.TRANSCRIBING,
        "progress": Progress(audio_s=2.0),
        "finished": frozenset({1}),
    }
    after = changed(JOB, **new)
    assert after == replace(JOB, **new)
    assert hash(after) == hash(replace(JOB, **new))
    assert repr(after) == repr(replace(JOB, **new))
    assert JOB.state is JobState.QUEUED
    assert changed(after, **{name: getattr(JOB, name) for name in new}) == JOB


def test_an_unknown_field_is_refused() -> None:
    """A misspelt field is an error, not an attribute."""
    with pytest.raises(TypeError, match="Job has no field staet"):
        changed(JOB, staet=JobState.FAILED)  # type: ignore[call-arg]  # the point of the test


def test_what_computes_is_refused() -> None:
    """Classes whose copies would have to compute something are not copied."""

    @dataclass(frozen=True)
    class Checked:
        a: int

        def __post_init__(self) -> None:
            assert self.a > 0

    @dataclass(frozen=True, slots=True)
    class Slotted:
        a: int

    @dataclass(frozen=True)
    class Cached:
        a: int = field(default=1)

        @functools.cached_property
        def twice(self) -> int:
            return 2 * self.a

    for value in (Checked(1), Slotted(1), Cached()):
        with pytest.raises(TypeError, match="is not a plain dataclass"):
            changed(value, a=2)
