"""The step of each command: what a job has done for it by the Segmenter, the Transcribers, the stores.

A step reports back by `JobRunner.handle`; an error that it raises ends its job.
"""

import asyncio
import contextlib
import time

import structlog

from deployments.artifacts import job_data, quarantine
from deployments.artifacts.kept_recording import kept_recording
from deployments.artifacts.masked_copy import keep_masked_copy
from deployments.coordinator.item_commands import CountLanguage, HandBack, PostponeItem, QuarantineChunk, RetryItem
from deployments.coordinator.job_runner import JobRunner, JobServices, Steps, last_line
from deployments.coordinator.segment_stream import spans_of
from deployments.ports import EndedJob, MinutesRequest, SegmentRequest, StitchRequest
from deployments.telemetry.reports import SegmentReport
from pipelines.core import BlobRef, Span
from pipelines.errors import SourceUnreachable, TranscriptionFailed
from pipelines.jobs.events import (
    ChunkFinished,
    CleanUp,
    EnqueueChunks,
    ResultsStored,
    Segmented,
    SourceFetched,
    StartMinutes,
    StartSegmentation,
    StartStitching,
    TranscriptStored,
)
from pipelines.jobs.stages import Stage
from pipelines.jobs.usage import JobUsage
from pipelines.scheduling.work_item import WorkItem
from pipelines.speakers.voices import Diarization

log = structlog.get_logger()


async def segment(run: JobRunner, command: StartSegmentation) -> None:
    """Read the Segmenter's stream, or what a replay's origin kept."""
    services, live = run.services, run.live
    if live.job.replay_of:
        await _replay(run)
        return
    if await _take_earlier(run):
        return
    kept = None
    if live.job.hears_again:
        kept = await services.storage_retry.in_thread(kept_recording, services.store, live.job)
    request = SegmentRequest(
        tenant=live.job.tenant,
        job_id=live.job.id,
        split_channels=kept.split_channels if kept else live.job.options.channels == "split",
        track=None if kept else live.job.options.track,
        window_s=services.options.profile_of(live.job.options.model).window_s,
        source_url=live.job.source_url,
        source=live.job.source,
        recording_of=live.job.recording_of if kept else "",
        request_id=live.job.request_id,
        traceparent=live.job.traceparent,
        keep_audio=live.job.options.keep_audio and not live.job.options.redacts_copy,
        first_time=live.first_time,
    )
    patience_s = live.job.options.source_patience_s

    async def waits(error: SourceUnreachable) -> None:
        await services.job_store.record(live.job, "source_awaited", str(error))

    async def pause(seconds: float) -> None:
        run.tell(f"SourceAwaited: slot given back, next attempt in {seconds:.0f} s")
        await services.slots.give_back(live, seconds)

    stream = spans_of(
        services.segmenter,
        request,
        services.storage_retry,
        max_attempts=services.options.max_attempts,
        pause_s=services.options.pause_s,
        patience_s=services.options.source_patience_s if patience_s is None else patience_s,
        waits=waits,
        pause=pause,
    )
    async with contextlib.aclosing(stream):
        async for found in stream:
            if isinstance(found, Span):
                services.speaker_turns.begin(live, found)
                await run.handle(live.span_stored(found))
            elif isinstance(found, SegmentReport):
                services.counters.segmented(found)
            elif isinstance(found, BlobRef):
                await run.handle(SourceFetched(source=found))
                if await _take_earlier(run):
                    return
            else:
                live.summary = kept.summary(found) if kept else found
                _queue(run, live.close_votes())
                await run.handle(Segmented(n_chunks=found.n_chunks, tracks=live.summary.tracks))


async def _take_earlier(run: JobRunner) -> bool:
    """End a job's transcription with what an earlier one made of the same content, if there is such."""
    reused = await run.services.reuse.take(run.job)
    if reused is None:
        return False
    run.services.counters.reused(run.job, reused.audio_s)
    await run.handle(reused)
    return True


async def _replay(run: JobRunner) -> None:
    """Lay out the chunks to decode again; everything else has an outcome in the origin."""
    services, live = run.services, run.live
    spans, kept = await services.storage_retry.in_thread(quarantine.prepare_replay, services.store, live.job)
    live.votes = {vote.channel: vote for vote in kept.votes}
    live.failed_before = quarantine.failed_in({result.index: result for result in kept.results})
    live.summary = kept.summary
    for span in spans:
        await run.handle(live.span_stored(span))
    await run.handle(Segmented(n_chunks=kept.summary.n_chunks, tracks=kept.summary.tracks))


async def enqueue(run: JobRunner, command: EnqueueChunks) -> None:
    """Queue new chunks, first those that vote for their channel's language."""
    _queue(run, run.live.items_for(command.chunks))


def _queue(run: JobRunner, items: list[WorkItem]) -> None:
    if not run.job.decodes:
        return
    run.services.meter.start(time.monotonic())
    run.services.dispatchers.add(run.job.options.model, items)


async def stitch(run: JobRunner, command: StartStitching) -> None:
    """Store the transcript: stitched from the chunks, or that of the job whose minutes are written anew."""
    services, live = run.services, run.live
    await services.storage_retry.repeat(services.leader.confirm)
    if live.job.minutes_of:
        notes = await services.storage_retry.in_thread(
            job_data.copy_transcript, services.store, live.job, live.job.minutes_of
        )
        await run.handle(TranscriptStored(notes=notes))
        return
    diarization = await services.speaker_turns.finish(live)
    if live.job.stage is Stage.SPEAKERS:
        await _name_again(run, diarization)
        return
    if diarization and diarization.missing:
        await services.job_store.record(live.job, "speakers_missing", last_line(diarization.missing))
    model = live.job.options.model
    assert live.cut is not None, "only what was cut to its end is stitched"
    documents = MinutesRequest.of(live.job)
    request = StitchRequest(
        job=live.job,
        cut=live.cut,
        outcomes=live.cut_outcomes,
        votes=dict(live.votes),
        model=services.dispatchers[model].replica,
        first_time=live.first_time,
        diarization=diarization,
        min_avg_logprob=services.options.profile_of(model).min_avg_logprob,
        documents=documents if documents.renders_only and not live.job.is_lost else None,
    )
    stitched = await services.storage_retry.repeat(lambda: services.minutes_writer.stitch(request))
    usage = stitched.usage + JobUsage(cpu_s=live.voices_cpu_s)
    live.written = stitched.written
    missing = await keep_masked_copy(
        services.segmenter, live.job, services.storage_retry, max_attempts=services.options.max_attempts
    )
    if missing:
        await services.job_store.record(live.job, "audio_missing", last_line(missing))
    # A transcript is no other job's while a canary model decodes some of its chunks, nor without its speakers, nor once
    # these were compared with known voices, which change.
    own = services.dispatchers.route_of(model) or (diarization and (diarization.missing or diarization.n_known))
    content_key = "" if own else services.reuse.key_of(live.job)
    await run.handle(TranscriptStored(usage=usage, content_key=content_key, notes=stitched.notes))


async def _name_again(run: JobRunner, diarization: Diarization | None) -> None:
    """Store the earlier transcript with the speakers that were told apart; raises `TranscriptionFailed` without."""
    services, live = run.services, run.live
    if diarization is None or diarization.missing:
        why = last_line(diarization.missing) if diarization else "nobody was to be told apart"
        raise TranscriptionFailed(f"The speakers could not be told apart: {why}")
    notes = await services.storage_retry.in_thread(job_data.name_speakers, services.store, live.job, diarization)
    cut_s = live.summary.cpu_s if live.summary else 0.0
    await run.handle(TranscriptStored(usage=JobUsage(cpu_s=live.voices_cpu_s + cut_s), notes=notes))


async def write_minutes(run: JobRunner, command: StartMinutes) -> None:
    """Have minutes and documents written, unless the documents came with the transcript."""
    services, written = run.services, run.live.written
    if written is None:
        request = MinutesRequest.of(run.job)
        await services.storage_retry.repeat(services.leader.confirm)
        written = await services.storage_retry.repeat(lambda: services.minutes_writer.write(request))
    if written.report is not None:
        services.counters.written(written.report)
    await run.handle(written.event(ResultsStored))


async def end(run: JobRunner, command: CleanUp) -> None:
    """Forget an ended job and have its working data deleted."""
    services, ended = run.services, EndedJob.of(run.job)
    run.forget()
    # Apart from the job's own end, which need not wait for an unavailable store.
    cleaning = asyncio.create_task(_clean_up(services, ended))
    services.background.add(cleaning)
    cleaning.add_done_callback(services.background.discard)
    services.ended()


async def _clean_up(services: JobServices, ended: EndedJob) -> None:
    try:
        await services.storage_retry.repeat(lambda: services.minutes_writer.clean_up(ended))
    except Exception as error:  # what is left is found by housekeeping
        log.warning("not cleaned up", action="clean_up", job_id=ended.job_id, error=repr(error))


async def retry(run: JobRunner, command: RetryItem) -> None:
    """Queue an item again; its dispatcher gives it up after the last attempt."""
    run.services.dispatchers[command.model].retry(command.item, command.why)


async def postpone(run: JobRunner, command: PostponeItem) -> None:
    """Queue an item again after a pause."""
    run.services.dispatchers[command.model].postpone(command.item)


async def count_language(run: JobRunner, command: CountLanguage) -> None:
    """Count one row's languages; once its channel's vote is known, store it, and go on with the channel's chunks.

    A row that comes when the vote is known, from before a restart, is finished.
    """
    services, live, chunk = run.services, run.live, command.item.chunk
    if chunk.channel in live.votes:
        await run.finish_chunk(ChunkFinished(index=chunk.index, audio_s=command.item.audio_s))
        return
    vote = live.count(chunk, command.passages)
    if vote is not None:
        await services.storage_retry.in_thread(job_data.store_language, services.store, live.keys, vote)
        finished, waiting = live.decide(vote)
        _queue(run, waiting)
        for item in finished:
            await run.finish_chunk(ChunkFinished(index=item.chunk.index, audio_s=item.audio_s))


async def hand_back(run: JobRunner, command: HandBack) -> None:
    """Queue an item of the canary model with the job's own model."""
    run.services.dispatchers.hand_back(
        run.job.options.model, command.item, canary_model=command.canary_model, why=command.why
    )


async def quarantine_chunk(run: JobRunner, command: QuarantineChunk) -> None:
    """Keep a chunk that failed for the last time, and go on without it."""
    services, live, item, why = run.services, run.live, command.item, command.why
    model = run.job.options.model
    services.counters.quarantined(model)
    log.error("chunk given up", action="give_up", job_id=item.job_id, chunk=item.chunk.index, error=why)
    await services.storage_retry.repeat(services.leader.confirm)
    replica = services.dispatchers[model].replica
    await services.storage_retry.in_thread(
        quarantine.keep_chunk,
        services.store,
        item,
        why,
        model=replica,
        at_s=time.time(),
        audible=not run.job.options.hides_audio,
    )
    await services.storage_retry.in_thread(job_data.store_failure, services.store, item, why)
    await services.job_store.record(run.job, "chunk_given_up", f"chunk {item.chunk.index}: {last_line(why)}")
    if item.is_voting and item.chunk.channel not in live.votes:
        await count_language(run, CountLanguage(item=item))
    await run.handle(ChunkFinished(index=item.chunk.index, audio_s=item.audio_s, failed=True))


STEPS = Steps(
    by_command={
        StartSegmentation: segment,
        EnqueueChunks: enqueue,
        StartStitching: stitch,
        StartMinutes: write_minutes,
        CleanUp: end,
        RetryItem: retry,
        PostponeItem: postpone,
        CountLanguage: count_language,
        HandBack: hand_back,
        QuarantineChunk: quarantine_chunk,
    },
    tasks={StartSegmentation: "segment", StartStitching: "stitch", StartMinutes: "minutes"},
)
"""What runs for each command."""
