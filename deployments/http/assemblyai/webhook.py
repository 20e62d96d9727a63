"""The body of a webhook to AssemblyAI's clients."""

import json

from pipelines.ledger.outbox import Message


def assemblyai_webhook(message: Message) -> bytes:
    """Return ``{transcript_id, status}`` of a message about a job."""
    succeeded = json.loads(message.body)["data"]["state"] == "succeeded"
    told = {"transcript_id": message.job_id, "status": "completed" if succeeded else "error"}
    return json.dumps(told).encode()
