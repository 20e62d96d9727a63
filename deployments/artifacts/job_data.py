"""The steps of a job that read and write the blob store for the Coordinator. They block: run them in a thread."""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from deployments.artifacts import quarantine
from deployments.ports import EndedJob, StitchRequest
from pipelines.changed import changed
from pipelines.codec import decode, encode
from pipelines.core import ChunkResult, LanguageVote, Minutes, Transcript, Usage
from pipelines.errors import BlobMissing
from pipelines.jobs.job import Job, JobState
from pipelines.jobs.stages import Stage
from pipelines.jobs.usage import JobUsage, transcription_usage
from pipelines.minutes.naming.naming import with_names
from pipelines.notes import Note, NoteCode
from pipelines.scheduling.work_item import WorkItem
from pipelines.speakers.labelling import with_speakers
from pipelines.speakers.relabelling import with_other_speakers
from pipelines.speakers.voices import Diarization
from pipelines.storage.layout import JobKeys, outcome_of
from pipelines.storage.protocol import BlobStore
from pipelines.text.chinese import in_script, minutes_in_script
from pipelines.text.redaction import mask_transcript, without_names
from pipelines.transcript.channel_names import channel_names
from pipelines.transcript.corrections import said
from pipelines.transcript.findings import with_findings
from pipelines.transcript.masked_audio import masked_audio
from pipelines.transcript.masked_results import masked_results
from pipelines.transcript.spoken_languages import spoken_languages
from pipelines.transcript.stitching import speaker_label, stitch
from pipelines.transcript.trained_speech import training_notes
from pipelines.vocabulary.matching import with_terms

_READERS = 32  # for all jobs; a remote store answers in milliseconds each; a ten-hour job has 1,200 chunk results
_READING = ThreadPoolExecutor(_READERS, thread_name_prefix="results")
_NEAR = 32  # files of a folder that one thread reads: handing each to another takes longer than reading it

A = TypeVar("A")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """Chunks with a stored outcome, as (index, cut): ``done`` have a result, ``failed`` were given up."""

    done: frozenset[tuple[int, str]] = frozenset()
    failed: frozenset[tuple[int, str]] = frozenset()


def stored_outcomes(store: BlobStore, keys: JobKeys) -> Outcomes:
    """Return what became of a job's chunks before a restart."""
    return Outcomes(
        done=frozenset(map(outcome_of, store.list(keys.chunks))),
        failed=frozenset(map(outcome_of, store.list(keys.failures))),
    )


def stored_languages(store: BlobStore, keys: JobKeys) -> list[LanguageVote]:
    """Return the languages that were voted before."""
    return list(_read_all(store, LanguageVote, store.list(keys.languages)))


def store_language(store: BlobStore, keys: JobKeys, vote: LanguageVote) -> None:
    """Keep a vote: after a restart the rest of the channel is decoded in the same language."""
    store.put(keys.language(vote.channel), encode(vote))


def store_failure(store: BlobStore, item: WorkItem, why: str) -> None:
    """Write the outcome of a chunk that was given up: its interval becomes ``failed`` in the coverage ledger."""
    keys = JobKeys(tenant=item.tenant, job_id=item.job_id)
    result = ChunkResult(
        index=item.chunk.index,
        language=item.language or "",
        segments=(),
        avg_logprob=0.0,
        no_speech_prob=0.0,
        compression_ratio=0.0,
        temperature=0.0,
        error=why or "unknown",
    )
    store.put(keys.failure(item.chunk.index, item.input_digest), encode(result))


def stitch_job(store: BlobStore, request: StitchRequest) -> tuple[Transcript, JobUsage]:
    """Put a job's chunk results on one clock, store the transcript, bring the quarantine up to date.

    Returns the transcript, and what it took.
    """
    job, model, votes, diarization = request.job, request.model, request.votes, request.diarization
    keys = JobKeys(tenant=job.tenant, job_id=job.id)
    summary, spans = request.cut.summary, request.cut.spans
    results = _results(store, keys, request.outcomes)
    usage = transcription_usage(summary, results.values())
    if job.replay_of:
        kept = quarantine.read_kept(store, JobKeys(tenant=job.tenant, job_id=job.replay_of))
        results = {**quarantine.results_of(kept, job), **results}
        diarization = kept.diarization
    names = channel_names(job.options.speakers, summary.tracks)
    people = set(names)
    if diarization is not None and "names" in job.options.mask:
        people |= {voice.name for voice in diarization.recognised}
        diarization = changed(diarization, recognised=())
    options = job.options
    with_words = options.word_timestamps or bool(options.matched_with) or options.redacts_copy
    transcript = stitch(
        spans,
        results,
        duration_s=summary.duration_s,
        n_channels=summary.n_channels,
        languages=spoken_languages(spans, results, votes),
        model=next((results[index].model for index in sorted(results) if results[index].model), None) or model,
        speakers=names,
        with_words=with_words or diarization is not None,
        damaged=summary.damaged,
    )
    notes = list(summary.notes)
    if diarization is not None:
        transcript = with_speakers(transcript, diarization, names=names, with_words=with_words)
        if diarization.missing:
            notes.append(Note(code=NoteCode.SPEAKERS_MISSING, values={"why": diarization.missing}))
    if job.options.task == "translate":
        transcript = changed(transcript, language="en")
    if job.options.zh_script:
        transcript = in_script(transcript, job.options.zh_script)
    transcript = with_terms(transcript, job.options.matched_with)
    if options.redacts_copy:
        hidden = masked_audio(
            transcript, options.mask, regions=options.mask_regions, names=people, timed=options.task == "transcribe"
        )
        store.put(keys.masked_audio, encode(hidden))
    if unhidden := without_names(transcript, options.mask):
        notes.append(Note(code=NoteCode.NAMES_NOT_HIDDEN, values={"languages": ", ".join(unhidden)}))
    if not job.options.word_timestamps and any(each.words for each in transcript.segments):
        transcript = changed(transcript, segments=tuple(changed(each, words=()) for each in transcript.segments))
    transcript = mask_transcript(transcript, options.mask, regions=options.mask_regions, names=people)
    if diarization is not None and not diarization.missing:
        transcript = with_names(transcript, infer="names" not in options.mask)
    unlike = training_notes(results.values(), model.name, request.min_avg_logprob)
    transcript = changed(with_findings(transcript, (*unlike, *notes)), tracks=summary.tracks)
    failed = quarantine.failed_in(results)
    if failed or not request.first_time:
        kept = quarantine.Kept(
            summary=summary,
            spans=spans,
            results=masked_results(
                spans, tuple(results.values()), options.mask, regions=options.mask_regions, names=people
            ),
            votes=tuple(votes.values()),
            diarization=diarization,
        )
        quarantine.keep_rest(store, job, kept, sorted(failed))
    store.put(keys.transcript, encode(transcript))
    return transcript, usage


def copy_transcript(store: BlobStore, job: Job, origin_id: str) -> tuple[Note, ...]:
    """Copy the transcript of an earlier job of the same tenant, and return its notes: each job stands alone.

    Minutes that are written anew may take a corrected one. One whose documents alone are made again takes its minutes
    along, both in the script that it asks for. Raises `BlobMissing`.
    """
    transcript = _earlier_transcript(store, job, origin_id)
    if job.stage is Stage.DOCUMENTS:
        if job.options.zh_script:
            transcript = in_script(transcript, job.options.zh_script)
        if job.options.minutes != "none":
            _copy_minutes(store, job)
    return _store_transcript(store, job, transcript)


def name_speakers(store: BlobStore, job: Job, diarization: Diarization) -> tuple[Note, ...]:
    """Store the transcript of an earlier job with its words as they are and other speakers; return its notes.

    What a job masks is masked in the names, too. Raises `BlobMissing`.
    """
    transcript, options = _earlier_transcript(store, job, job.redo_of), job.options
    names = channel_names(options.speakers, transcript.tracks)
    people = set(names)
    if "names" in options.mask:
        people |= {voice.name for voice in diarization.recognised}
        diarization = changed(diarization, recognised=())
    labels = [speaker_label(channel, transcript.n_channels, names) for channel in range(transcript.n_channels)]
    transcript = with_other_speakers(transcript, diarization, labels=labels, names=names)
    transcript = mask_transcript(transcript, options.mask, regions=options.mask_regions, names=people)
    transcript = with_names(transcript, infer="names" not in options.mask)
    kept = tuple(note for note in transcript.notes if note.code is not NoteCode.SPEAKERS_MISSING)
    return _store_transcript(store, job, changed(transcript, notes=kept))


def _earlier_transcript(store: BlobStore, job: Job, origin_id: str) -> Transcript:
    keys = JobKeys(tenant=job.tenant, job_id=origin_id)
    if job.corrected:
        return said(decode(Transcript, store.get(keys.corrected(job.corrected))))
    return decode(Transcript, store.get(keys.transcript))


def _store_transcript(store: BlobStore, job: Job, transcript: Transcript) -> tuple[Note, ...]:
    transcript = with_findings(transcript, transcript.notes)
    store.put(JobKeys(tenant=job.tenant, job_id=job.id).transcript, encode(transcript))
    return transcript.notes


def _copy_minutes(store: BlobStore, job: Job) -> None:
    """Copy the minutes of the job whose documents are made again, in the title and the script that are asked for.

    This job pays nobody for them.
    """
    earlier, own = (JobKeys(tenant=job.tenant, job_id=each).result("minutes.json") for each in (job.redo_of, job.id))
    minutes = decode(Minutes, store.get(earlier))
    if job.options.zh_script:
        minutes = minutes_in_script(minutes, job.options.zh_script)
    title = job.options.minutes_title or minutes.title
    store.put(own, encode(changed(minutes, title=title, usage=Usage() if minutes.usage else None)))


def discard(store: BlobStore, item: WorkItem) -> None:
    """Delete the outcome of a chunk whose job ended while it was decoded: nobody else would."""
    store.delete(JobKeys(tenant=item.tenant, job_id=item.job_id).chunk(item.chunk.index, item.input_digest))


def clean_up(store: BlobStore, ended: EndedJob) -> None:
    """Delete what an ended job needed only while it ran.

    A replay that succeeded takes over its origin's quarantine; of a cancelled job nobody wants any.
    """
    keys = JobKeys(tenant=ended.tenant, job_id=ended.job_id)
    if ended.replay_of and ended.state is JobState.SUCCEEDED:
        store.delete_prefix(JobKeys(tenant=ended.tenant, job_id=ended.replay_of).quarantine)
    if ended.state is JobState.CANCELLED:
        store.delete_prefix(keys.quarantine)
    store.delete(keys.source)  # before the audio: who makes it looks whether the source is still there
    if ended.state is not JobState.SUCCEEDED:
        store.delete_prefix(keys.audio)
    store.delete_prefix(keys.work)


def _results(store: BlobStore, keys: JobKeys, outcomes: Sequence[tuple[int, str]]) -> dict[int, ChunkResult]:
    """Return results by chunk; where there is none, what says that the chunk was given up."""

    def read(outcome: tuple[int, str]) -> ChunkResult | None:
        for key in (keys.chunk(*outcome), keys.failure(*outcome)):
            with contextlib.suppress(BlobMissing):
                return decode(ChunkResult, store.get(key))
        return None

    return {result.index: result for result in _at_once(store, read, outcomes) if result is not None}


def read_results(store: BlobStore, keys: Iterable[str]) -> Iterator[ChunkResult]:
    """Read chunk results by their keys."""
    return _read_all(store, ChunkResult, keys)


def read_transcript(store: BlobStore, job: Job) -> Transcript:
    """Return the stitched transcript of a job; raises `BlobMissing` before it is stored."""
    return decode(Transcript, store.get(JobKeys(tenant=job.tenant, job_id=job.id).transcript))


def _read_all(store: BlobStore, kind: type[T], keys: Iterable[str]) -> Iterator[T]:
    yield from (decode(kind, data) for data in _at_once(store, store.get, list(keys)))


def _at_once(store: BlobStore, read: Callable[[A], T], names: Sequence[A]) -> Iterable[T]:
    """Read several things of a store at once, in order; what takes a moment needs no other thread."""
    n_together = 1 if store.folder() is None else _NEAR
    if len(names) <= n_together:
        return map(read, names)
    if n_together == 1:
        return _READING.map(read, names)
    groups = [names[first : first + n_together] for first in range(0, len(names), n_together)]
    return itertools.chain.from_iterable(_READING.map(lambda group: list(map(read, group)), groups))
