"""What goes wrong with a recording is an answer of the Segmenter, not a fault that Serve logs with a traceback."""

import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cluster.settings.settings import Settings
from deployments.handles import BEGUN, SegmenterHandle
from deployments.ports import SegmentRequest
from deployments.workers.segmenter import Segmenter
from pipelines.errors import CorruptAudio, InvalidOptions, MeetMemoError, SourceUnreachable, StoreUnavailable

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray uses pydantic in ways that it deprecates
    from cluster.serve import segmenter

REQUEST = SegmentRequest(tenant="t", job_id="j", split_channels=False, source_url="https://dead.example/a.wav")
ERRORS = [
    SourceUnreachable("https://dead.example/a.wav cannot be read: 404"),
    CorruptAudio("damaged"),
    InvalidOptions("no"),
    StoreUnavailable("gone"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_errors_on_purpose_are_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: MeetMemoError
) -> None:
    """The stream ends with the error, and the other end raises it."""
    monkeypatch.setattr(segmenter, "begin_process", lambda settings: None)

    async def fail(self: object, request: SegmentRequest) -> AsyncIterator[Any]:
        raise error
        yield

    monkeypatch.setattr(Segmenter, "segment", fail)
    replica = segmenter.SegmenterReplica(Settings(home=tmp_path), at_once=1)
    answers = [answer async for answer in replica.segment(REQUEST)]
    assert answers == [BEGUN, (error,)]

    class Handle:
        def options(self, **_: object) -> "Handle":
            return self

        @property
        def segment(self) -> Any:
            class Remote:
                @staticmethod
                async def remote(request: SegmentRequest) -> AsyncIterator[Any]:
                    for answer in answers:
                        yield answer

            return Remote

    with pytest.raises(type(error)):
        async for _ in SegmenterHandle(Handle()).segment(REQUEST):  # type: ignore[arg-type]  # as much as it needs
            pass
