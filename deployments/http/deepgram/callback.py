"""The body of a callback to Deepgram's clients: the whole answer, or why there is none."""

import json
from dataclasses import dataclass

from deployments.http.deepgram.query import ListenQuery
from deployments.http.deepgram.responses import Listened, listen_body
from deployments.http.errors.deepgram import deepgram_error
from deployments.http.waiting import failure_for
from pipelines.codec import decode
from pipelines.core import Transcript
from pipelines.errors import Reason
from pipelines.jobs.job import JobState
from pipelines.ledger.outbox import Message
from pipelines.storage.layout import JobKeys
from pipelines.storage.protocol import BlobStore


@dataclass(frozen=True)
class DeepgramCallback:
    """Makes a callback of a message about a job, with the transcript in the store."""

    store: BlobStore

    def __call__(self, message: Message) -> bytes:
        """Return the body; blocks. Raises `StorageError`."""
        body = json.loads(message.body)
        job = body["data"]
        state = JobState(job["state"])
        if state is not JobState.SUCCEEDED:
            problem = failure_for(state, Reason(job["reason"]) if job["reason"] else None, job["detail"])
            return deepgram_error(problem, message.job_id).model_dump_json().encode()
        keys = JobKeys(tenant=message.tenant, job_id=message.job_id)
        listened = Listened(
            request_id=message.job_id,
            sha256=job["source"]["sha256"],
            created_at=job["created_at"],
            transcript=decode(Transcript, self.store.get(keys.transcript)),
        )
        query = ListenQuery.model_validate_json(body["dialect"]["asked"] or "{}")
        return listen_body(listened, query).model_dump_json(exclude_none=True).encode()
