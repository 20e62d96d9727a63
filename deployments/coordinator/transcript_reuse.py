"""`TranscriptReuse`: finds the transcript that an earlier job of the same tenant made of the same content."""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from deployments.artifacts import job_data
from deployments.artifacts.storage_retry import StorageRetry
from deployments.coordinator.job_store import JobStore
from deployments.coordinator.lease import LeaderLease
from pipelines.errors import BlobMissing
from pipelines.jobs.content_hash import content_key
from pipelines.jobs.events import TranscriptReused
from pipelines.jobs.job import Job
from pipelines.models.profile import ModelProfile
from pipelines.storage.layout import JobKeys, TenantKeys
from pipelines.storage.protocol import BlobStore

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class TranscriptReuse:
    """Looks before a recording is cut; what is found is copied, so that each job stands alone.

    ``weights`` holds the SHA-256 of each model's; transcripts of a model without one are not reused.
    """

    job_store: JobStore
    store: BlobStore
    leader: LeaderLease
    storage_retry: StorageRetry
    profiles: Mapping[str, ModelProfile]
    weights: Mapping[str, str]

    def key_of(self, job: Job) -> str:
        """Return the key under which others find the job's transcript; "" for one that is not all its own."""
        if job.replay_of or not job.decodes:
            return ""
        model = job.options.model
        return content_key(
            job.source.sha256, job.options, self.weights.get(model, ""), self.profiles.get(model, ModelProfile())
        )

    async def take(self, job: Job) -> TranscriptReused | None:
        """Copy the transcript of an earlier job, if there is one and the job wants it; say whose it is.

        A job that keeps its recording is decoded again: the copy is made on the way. So is one whose speakers may be
        known by now.
        """
        key = self.key_of(job)
        if not (key and job.options.reuse) or job.options.keep_audio:
            return None
        if job.options.diarize:
            comparable: bool = await self.storage_retry.in_thread(self._knows_voices, job)
            if comparable:
                return None
        origin = await self.storage_retry.in_thread(self.job_store.same_content, job.tenant, key)
        if origin is None:
            return None
        await self.storage_retry.repeat(self.leader.confirm)
        try:
            notes = await self.storage_retry.in_thread(job_data.copy_transcript, self.store, job, origin.id)
        except BlobMissing:  # purged meanwhile
            return None
        log.info("transcript reused", action="reuse", job_id=job.id, origin=origin.id)
        return TranscriptReused(
            origin=origin.id,
            audio_s=origin.progress.audio_s,
            n_chunks=origin.n_chunks or 0,
            content_key=key,
            n_channels=origin.n_channels,
            notes=notes,
            tracks=origin.tracks,
        )

    def _knows_voices(self, job: Job) -> bool:
        """Return whether there are voices that the job's speakers are to be compared with."""
        keys = JobKeys(tenant=job.tenant, job_id=job.id)
        known = any(True for _ in self.store.list(TenantKeys(tenant=job.tenant).voices))
        return known or self.store.exists(keys.known_voices)
