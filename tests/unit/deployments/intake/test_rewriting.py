"""Jobs that write minutes anew, as they are made durable."""

import hashlib

from deployments.intake.accept import Intake
from pipelines.core import BlobRef
from pipelines.jobs.job import Job, JobOptions
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore

STORED = (
    b'{"model":"m","language":null,"channels":"mix","word_timestamps":false,"beam_size":1,"minutes":"auto",'
    b'"minutes_language":null,"priority":0,"speakers":[],"task":"transcribe","prompt":"","vocabulary":[],'
    b'"temperature":0.0,"zh_script":null,"mask":[],"minutes_template":"","minutes_title":"","glossary":[],'
    b'"recording_date":null,"keep_audio":false,"webhook_url":null,"recipients":[],"reuse":true,"deadline":null}'
)
"""Options as a version without those that are ``later`` hashed them."""


def test_a_request_that_an_earlier_version_stored_is_known_again() -> None:
    """Options that came later count in its fingerprint only where they are given."""
    ledger = MemoryLedger()
    intake = Intake(ledger=ledger, store=MemoryStore(), clock=lambda: 1.0, new_id=lambda: "j2")
    options = JobOptions(model="m")
    origin = Job(
        id="j1", tenant="t", options=options, source=BlobRef(key="k", n_bytes=0), filename="a", created_at_s=1.0
    )
    asked = b"rewrite/j1/" + STORED
    ledger.create(origin, idempotency_key="again", fingerprint=hashlib.sha256(asked).hexdigest())
    job, created = intake.rewrite(origin, options, "again")
    assert (job.id, created) == ("j1", False)
