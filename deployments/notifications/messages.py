"""Derive the messages of a job's change, and their content."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from deployments.schemas.jobs import JobBody
from pipelines.jobs.job import Job, JobState
from pipelines.ledger.outbox import Message

MAX_DETAIL_CHARS = 1000  # keeps a body far below the 20 kB that receivers of webhooks take

EVENTS = {
    "job.succeeded": "the transcript is there, and the minutes unless they are parked",
    "job.failed": "the job ended without a transcript; `data.reason` says why",
    "job.cancelled": "somebody cancelled the job",
    "job.minutes_followed": "minutes that were parked when the job succeeded are there, or given up",
    "job.translations_followed": "translations that were parked when the job succeeded are there, or given up",
}
"""The types of messages, and when each is sent."""

NOT_TOLD = frozenset({"options"})
"""Fields of the job that no message has, because they may be long: `GET /v1/jobs/{job_id}` shows them."""


@dataclass(frozen=True, kw_only=True)
class JobNotifications:
    """The recipients of a tenant's job notifications. A job's own ``webhook_url`` takes the place of its tenant's.

    ``public_url`` (scheme and host) goes before the URLs of results. ``webhooks`` are URLs by tenant, ``webhook`` that
    of all other tenants; empty: none.
    """

    public_url: str = ""
    webhook: str = ""
    webhooks: Mapping[str, str] = field(default_factory=dict)

    def of(self, before: Job, after: Job, *, at_s: float) -> tuple[Message, ...]:
        """Return the messages about a job that is written ``after`` it was ``before``, ``at_s`` in Unix seconds.

        Webhooks tell of every end and of minutes and translations that followed it, e-mails of an end once its minutes
        are there: not of a cancelled job, and not before deferred minutes have followed. What goes to a job's own URL
        names the other vendor's dialect in which the job came, if it did: its sender puts it into that form.
        """
        event = _event(before, after)
        if not event:
            return ()
        url = after.options.webhook_url or self.webhooks.get(after.tenant, self.webhook)
        wanted = [("webhook", url)] if url else []
        mailed = event != "job.translations_followed"  # they have the minutes
        if mailed and after.state is not JobState.CANCELLED and not _waits_for_minutes(after):
            wanted += [("email", address) for address in after.options.recipients]
        if not wanted:
            return ()
        shown = replace(after, version=before.version + 1, updated_at_s=at_s, detail=after.detail[:MAX_DETAIL_CHARS])
        body: dict[str, Any] = {
            "type": event,
            "timestamp": datetime.fromtimestamp(at_s, UTC).isoformat(),
            "data": JobBody.from_domain(shown, None, self.public_url).model_dump(mode="json", exclude=set(NOT_TOLD)),
        }
        if after.dialect.name and after.options.webhook_url:
            body["dialect"] = {"name": after.dialect.name, "asked": after.dialect.asked}
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        return tuple(
            Message(
                id=f"msg_{after.id}_{shown.version}_{number}",
                tenant=after.tenant,
                job_id=after.id,
                channel="webhook" if channel == "webhook" else "email",
                event=event,
                target=target,
                body=text,
            )
            for number, (channel, target) in enumerate(wanted)
        )


def _waits_for_minutes(job: Job) -> bool:
    return job.minutes is not None and job.minutes.state == "parked"


def _event(before: Job, after: Job) -> str:
    if after.state.final and not before.state.final:
        return f"job.{after.state}"
    if after.state is JobState.SUCCEEDED and (after.results, after.detail) != (before.results, before.detail):
        return "job.minutes_followed"
    if after.state is JobState.SUCCEEDED and after.translations != before.translations:
        return "job.translations_followed"
    return ""
