"""The OpenAPI document's part about AssemblyAI's dialect."""

UPLOAD_DESCRIPTION = """
Takes a recording as the body; `upload_url` is then the `audio_url` of a transcript. It is good for one transcript,
within 24 hours.
"""

TRANSCRIPT_DESCRIPTION = """
Submits a recording as AssemblyAI's API does; its official clients work with `<this server>/assemblyai` as their base
URL. It becomes a job like any other, whose id is the transcript's; ask for it until its `status` is `completed` or
`error`, or give a `webhook_url`, which gets `{transcript_id, status}`, signed as every webhook is.

Parameters that are not supported are refused by name; one that is off (`false`, `null` or empty) is as good as left
out. With an `Idempotency-Key` the same request sent again brings the same transcript.
"""

DELETE_DESCRIPTION = """
Erases an ended transcript with its job, results and history. One that is under way is cancelled, and refused with 400:
delete it again when it has ended.
"""
