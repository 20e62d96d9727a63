"""``stream=true``: the text of a job as server-sent events while its spans are finished."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from deployments.artifacts.partial_transcript import PartialTranscript
from deployments.http.errors.openai import SpeechError
from deployments.http.openai.responses import diarized, spoken, usage_of
from deployments.http.sse import event
from deployments.http.waiting import has_transcript
from deployments.tenant.threads import in_thread
from pipelines.core import Segment, Transcript
from pipelines.jobs.job import Job
from pipelines.text.typography import join_spoken

END = event("[DONE]")


class TextStream:
    """Turns segments into events; what all deltas say, joined, is the text of ``transcript.text.done``."""

    def __init__(self, *, with_segments: bool) -> None:
        self._with_segments = with_segments
        self._text = ""
        self._n_segments = 0

    def events(self, segments: list[Segment]) -> list[bytes]:
        """Return the events of segments that became final."""
        events = []
        for segment in segments:
            text = join_spoken((self._text, segment.text))
            body = diarized(segment, self._n_segments)
            delta: dict[str, Any] = {"type": "transcript.text.delta", "delta": text[len(self._text) :]}
            if self._with_segments:
                delta["segment_id"] = body.id
            self._text, self._n_segments = text, self._n_segments + 1
            events.append(_event(delta))
            if self._with_segments:
                events.append(_event(body.model_dump(mode="json")))
        return events

    def end(self, transcript: Transcript) -> list[bytes]:
        """Return the events of the segments not sent yet, and the last ones."""
        rest = list(transcript.segments[self._n_segments :])
        told = spoken(transcript.segments[: self._n_segments])
        # Should the whole differ from what was told, `done` sets it right.
        events = self.events(rest) if told == self._text else []
        done = {
            "type": "transcript.text.done",
            "text": spoken(transcript.segments),
            "usage": usage_of(transcript).model_dump(mode="json"),
        }
        return [*events, _event(done), END]


async def text_events(
    following: AsyncIterator[Job | None],
    partial: PartialTranscript,
    result: Callable[[Job], Transcript],
    failure: Callable[[Job], SpeechError | None],
    *,
    with_segments: bool,
) -> AsyncGenerator[bytes, None]:
    """Yield events until the job has a transcript, or an error; ``following`` yields None when nothing is new."""
    stream = TextStream(with_segments=with_segments)
    async for job in following:
        if job is None:
            continue
        if error := failure(job):
            yield _event(error.model_dump(mode="json"))
            return
        if has_transcript(job):
            for last in stream.end(await in_thread(result, job)):
                yield last
            return
        if not job.options.diarize:  # voices are told apart, and segments parted by them, once all is heard
            for news in stream.events(await in_thread(partial.read)):
                yield news


def _event(body: dict[str, Any]) -> bytes:
    return event(json.dumps(body, ensure_ascii=False), name=body.get("type", "error"))
