"""`excerpt`: the seconds of a recording in which a decision or a task was spoken, from the copy that its job keeps."""

from collections.abc import Iterable

from deployments.artifacts.kept_recording import recorded_by
from pipelines.audio.clips import wav_clip
from pipelines.audio.mixing import mix_excerpt
from pipelines.audio.playback import samples_between
from pipelines.codec import decode
from pipelines.core import ActionItem, Decision, Minutes, OpenQuestion, Segment, Transcript
from pipelines.errors import BlobMissing, NotFound, ResultPending
from pipelines.jobs.job import Job
from pipelines.storage.layout import JobKeys
from pipelines.storage.protocol import BlobStore

MARGIN_S = 0.5  # before and after, so that no word is cut
MAX_S = 60.0


def excerpt(store: BlobStore, job: Job, kind: str, number: int) -> bytes:
    """Return what the evidence of an entry sounds like, as WAV of a minute at most; ``number`` counts from 1. Blocks.

    ``kind`` is a list of `pipelines.core.Minutes`. Raises `ResultPending` while there are no minutes, `NotFound` for an
    entry that is not there, `BlobMissing` when the recording is not kept, or not any more.
    """
    keys = JobKeys(tenant=job.tenant, job_id=job.id)
    try:
        minutes = decode(Minutes, store.get(keys.result("minutes.json")))
    except BlobMissing:
        if job.state.final and not (job.minutes and job.minutes.state == "parked"):
            raise BlobMissing(f"Job {job.id} is {job.state} and has no minutes.") from None
        raise ResultPending(f"Job {job.id} has no minutes yet.") from None
    entries: tuple[Decision | ActionItem | OpenQuestion, ...] = getattr(minutes, kind)
    if not 1 <= number <= len(entries):
        raise NotFound(f"Job {job.id} has no number {number} among its {len(entries)} {kind.replace('_', ' ')}.")
    transcript = decode(Transcript, store.get(keys.transcript))
    ids = set(entries[number - 1].evidence.segment_ids)
    cited = [segment for segment in transcript.segments if segment.id in ids]
    if not cited:
        raise NotFound(f"Number {number} of the {kind.replace('_', ' ')} of job {job.id} cites nothing that was said.")
    return wav_clip(_samples(store, job, cited))


def _samples(store: BlobStore, job: Job, cited: Iterable[Segment]) -> bytes:
    """Return the channels of the segments, mixed, from the first segment's start to the last one's end."""
    segments = list(cited)
    start_s = max(0.0, min(segment.start_s for segment in segments) - MARGIN_S)
    end_s = min(start_s + MAX_S, max(segment.end_s for segment in segments) + MARGIN_S)
    keys = JobKeys(tenant=job.tenant, job_id=recorded_by(store, job) or job.id)
    try:
        with store.open(keys.playback) as copy:
            heard = samples_between(copy, start_s, end_s)
    except BlobMissing:
        raise BlobMissing(f"The recording of job {job.id} is not kept, or not any more.") from None
    channels = {segment.channel for segment in segments}
    if heard.shape[0] > 1 and all(channel < heard.shape[0] for channel in channels):
        heard = heard[sorted(channels)]
    return mix_excerpt(heard).astype("<i2").tobytes()
