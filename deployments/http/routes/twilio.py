"""``POST /v1/recorders/twilio``: Twilio's callback about a recording, which is fetched and transcribed."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request
from fastapi.security import APIKeyHeader

from deployments.http.dependencies import charge
from deployments.http.errors.documentation import CALLBACK, documented
from deployments.http.json_bodies import read_bounded
from deployments.intake.submission import Submission, clean_filename, merge_options, query_values
from deployments.intake.twilio import RecordingCallback, is_signed
from deployments.schemas.options import ApiModel, Options
from deployments.sources.fetch import check_url
from deployments.tenant.backend import Backend
from pipelines.errors import InvalidRequest, Unauthenticated
from pipelines.secret import revealed

TWILIO_PATH = "/v1/recorders/twilio"
MAX_FORM_BYTES = 64 << 10
MAX_FIELDS = 200
_SIGNATURE = APIKeyHeader(
    name="X-Twilio-Signature", scheme_name="twilio_signature", auto_error=False, description="Twilio's own signature."
)


class RecordingNoted(ApiModel):
    """The outcome for a recording: a new job, the job it brought before, or why it brings none."""

    recording_sid: str
    outcome: Literal["accepted", "repeated", "ignored"]
    job_id: str | None = None
    detail: str = ""


def twilio_routes(backend: Backend) -> APIRouter:
    """Build the route; each account belongs to one tenant."""
    router = APIRouter(tags=["jobs"])
    by_sid = {account.sid: account for account in backend.twilio}

    @router.post(
        TWILIO_PATH,
        summary="Take a callback of Twilio",
        description=(
            "Twilio's recording status callback, with options as query parameters. A recording that is `completed` "
            "becomes a job, once, with its RecordingSid as `external_id`; two channels are transcribed each on its "
            "own unless `channels` says otherwise. The tenant is that of the AccountSid in the settings."
        ),
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/x-www-form-urlencoded": {
                        "schema": {
                            "type": "object",
                            "required": ["AccountSid", "RecordingSid", "RecordingStatus"],
                            "additionalProperties": {"type": "string"},
                            "properties": {
                                name: {"type": "string"}
                                for name in ("AccountSid", "RecordingSid", "RecordingStatus", "RecordingUrl")
                            },
                        }
                    }
                },
            }
        },
        responses=documented(*CALLBACK),
    )
    async def take(request: Request, signature: Annotated[str | None, Depends(_SIGNATURE)]) -> RecordingNoted:
        form = await _form(request)
        account = by_sid.get(form.get("AccountSid", [""])[-1])
        if account is None or not is_signed(signature or "", revealed(account.auth_token), _called(request), form):
            raise Unauthenticated("The callback is not signed by an account that is known here.")
        charge(request, account.tenant)
        callback = RecordingCallback.of(form)
        if callback.status != "completed":
            detail = f"the recording is {callback.status}"
            return RecordingNoted(recording_sid=callback.sid, outcome="ignored", detail=detail)
        jobs = backend.for_tenant(account.tenant)
        values = merge_options(query_values(request), {})
        if callback.n_channels > 1:
            values.setdefault("channels", "split")
        values.setdefault("source_patience_s", backend.limits.sources.callback_patience_s)
        options = await jobs.policy.check(Options.parse(values))
        check_url(callback.source, backend.limits.sources, account.tenant)
        await jobs.check_backlog()
        submission = Submission(
            options=options,
            filename=clean_filename(f"{callback.sid}.wav"),
            source_url=callback.source,
            reference=callback.reference,
        )
        job, created = await jobs.accept(submission)
        outcome: Literal["accepted", "repeated"] = "accepted" if created else "repeated"
        return RecordingNoted(recording_sid=callback.sid, outcome=outcome, job_id=job.id)

    def _called(request: Request) -> str:
        """Return the URL as it was given to Twilio: a proxy may have changed scheme and host since."""
        if not backend.public_url:
            return str(request.url)
        query = request.url.query
        return f"{backend.public_url}{request.url.path}{f'?{query}' if query else ''}"

    return router


async def _form(request: Request) -> Mapping[str, Sequence[str]]:
    too_large = InvalidRequest(f"A callback has {MAX_FORM_BYTES} bytes at most.")
    body = await read_bounded(request, MAX_FORM_BYTES, too_large)
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise InvalidRequest(f"The form cannot be read: {error}") from None
