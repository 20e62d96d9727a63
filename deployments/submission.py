"""From a request to an accepted job: `read_submission` reads it, `Intake` makes it durable."""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import structlog
from pydantic import ValidationError
from starlette.requests import Request

from deployments.correlation import came_from
from deployments.direct_uploads import DirectUploads
from deployments.forms import disposition, filename_of, read_form, text_of
from deployments.idempotency import idempotency_key
from deployments.limits import IngestionLimits, TenantLimits
from deployments.raw_audio import header_for
from deployments.references import ReferenceFields
from deployments.schemas import (
    LIST_OPTIONS,
    MAX_PRIORITY,
    InvalidOptions,
    MinutesWishes,
    Options,
    SourceRequest,
    public_part,
    refused_option,
)
from deployments.sources import NAMELESS, check_url, name_in
from deployments.uploads import Spool, StoredUpload, body_of
from deployments.webhooks import WebhookLimits, target_complaint
from pipelines.catalogue import ModelProfile
from pipelines.codec import encode
from pipelines.core import BlobRef
from pipelines.errors import (
    EmptyAudio,
    InvalidRequest,
    MeetMemoError,
    ModelUnknown,
    Overloaded,
    UnsupportedMediaType,
)
from pipelines.house_style import HouseStyles
from pipelines.jobs import Job, JobOptions
from pipelines.keys import JobKeys
from pipelines.ledger import Ledger
from pipelines.references import NO_REFERENCE, Reference
from pipelines.storage import BlobStore

MAX_JSON_BYTES = 64 << 10
MAX_FILENAME_CHARS = 255
BACKLOG_RETRY_AFTER_S = 60.0
RAW_TYPES = ("audio/", "video/", "application/octet-stream", "application/ogg", "application/mp4")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A request to transcribe one recording: spooled bytes, a URL to pull, or what was put to a URL of an upload."""

    options: JobOptions
    filename: str
    spool: StoredUpload | None
    source_url: str
    idempotency_key: str | None
    reference: Reference = field(default=NO_REFERENCE)
    upload_id: str = ""

    @property
    def fingerprint(self) -> str:
        """What makes a repeated request the same one: the bytes or the URL, options, reference (SHA-256, hex)."""
        source = self.spool.sha256 if self.spool else self.source_url or f"upload/{self.upload_id}"
        parts = [source.encode(), encode(self.options)]
        if self.reference != NO_REFERENCE:
            parts.append(encode(self.reference))
        return hashlib.sha256(b"\n".join(parts)).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a tenant's job may ask for: models with what they can, a language model for minutes, templates, notices.

    ``vocabularies`` is what each tenant's decoder should know anyway, ``reuse`` whether earlier transcripts are taken.
    ``webhooks`` None: no webhooks; ``mail_domains`` None: no e-mails, empty: to every domain.
    """

    models: tuple[str, ...]
    default_model: str
    llm_configured: bool = False
    profiles: Mapping[str, ModelProfile] = field(default_factory=dict)
    keeps_audio: bool = True
    styles: HouseStyles = field(default=HouseStyles())
    tenant: str = "default"
    vocabularies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reuse: bool = True
    webhooks: WebhookLimits | None = None
    mail_domains: frozenset[str] | None = None

    def check(self, options: Options) -> JobOptions:
        """Fill in the default model.

        What cannot be done is refused here, not found out when every chunk has failed. Raises `ModelUnknown` with the
        names there are, `InvalidOptions`, `TemplateUnknown` and `TemplateInvalid`.
        """
        if options.keep_audio and not self.keeps_audio:
            raise refused_option("keep_audio", "recordings are not kept here")
        self._check_minutes(options)
        if complaint := self._about_webhook(options.webhook_url):
            raise refused_option("webhook_url", complaint)
        if complaint := self._about_recipients(options.recipients):
            raise refused_option("recipients", complaint)
        chosen = options.to_domain(self.default_model, reuse=self.reuse)
        usual = self.vocabularies.get(self.tenant, ())
        chosen = replace(chosen, vocabulary=tuple(dict.fromkeys((*chosen.vocabulary, *usual))))
        self.check_model(chosen.model)
        profile = self.profiles.get(chosen.model, ModelProfile())
        if chosen.language and profile.languages is not None and chosen.language not in profile.languages:
            raise refused_option("language", f"the model {chosen.model} speaks only {', '.join(profile.languages)}")
        if chosen.task == "translate" and not profile.can_translate:
            raise refused_option("task", f"the model {chosen.model} cannot translate")
        return chosen

    def rewritten(self, options: JobOptions, wishes: MinutesWishes) -> JobOptions:
        """The options of a job that writes minutes anew; it goes before recordings that wait. See `check`."""
        given = wishes.model_dump(exclude_none=True, exclude={"version"})
        if options.minutes == "none":
            given = {"minutes": "auto", **given}
        chosen = replace(options, priority=MAX_PRIORITY, keep_audio=False, **given)
        self._check_minutes(chosen)
        return chosen

    def _check_minutes(self, options: Options | JobOptions) -> None:
        if options.minutes_template:
            self.styles.check(self.tenant, options.minutes_template)
        if options.minutes == "llm" and not self.llm_configured:
            raise refused_option("minutes", "no language model is configured; auto and extractive work without one")

    def _about_webhook(self, url: str | None) -> str:
        if url is None:
            return ""
        if self.webhooks is None:
            return "this server has no secret to sign webhooks with"
        return target_complaint(url, self.webhooks)

    def _about_recipients(self, addresses: Sequence[str]) -> str:
        if not addresses:
            return ""
        if self.mail_domains is None:
            return "no mail server is configured"
        domains = {address.rpartition("@")[2].lower() for address in addresses}
        foreign = domains - self.mail_domains if self.mail_domains else set()
        return f"no mail is sent to {', '.join(sorted(foreign))}" if foreign else ""

    def check_model(self, name: str) -> None:
        """Raise `ModelUnknown`, with the names there are, for one that is not among them."""
        if name not in self.models:
            raise ModelUnknown(f"There is no model {name!r}; there are: {', '.join(self.models)}.")


async def read_submission(request: Request, spool: Spool, offer: Offer, limits: IngestionLimits) -> Submission:
    """Read a submission in any of its three forms: multipart, JSON with a source, raw bytes.

    Options may come in the query, as form fields and as JSON, each at most once. Raises `UnsupportedMediaType`,
    `InvalidRequest`, `UploadStalled`, `InvalidOptions`, `ModelUnknown`, `EmptyAudio`, `TooLarge`, `StoreUnavailable`.
    """
    key = idempotency_key(request.headers)
    query = dict(query_values(request.query_params.multi_items()))
    query_filename = query.pop("filename", [""])[-1]
    content_type = request.headers.get("content-type", "application/octet-stream")
    media_type = content_type.partition(";")[0].strip().lower()
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Compressed bodies are not accepted; send the recording as it is.")
    length = content_length(request.headers)
    body = body_of(request.stream(), length, limits.upload_idle_timeout_s)

    if media_type == "application/json":
        source = await _read_source(body, length)
        if source.source is not None:
            check_url(source.source, limits.sources)
        outside = {"external_id": source.external_id, "metadata": source.metadata}
        given = merge_options(query, {}, source.options, {k: v for k, v in outside.items() if v is not None})
        reference = ReferenceFields.taken_from(given)
        return Submission(
            options=offer.check(Options.parse(given)),
            reference=reference,
            filename=_name_of(source, query_filename),
            spool=None,
            source_url=source.source or "",
            upload_id=source.upload or "",
            idempotency_key=key,
        )
    if length is not None:
        spool.expect(length)
    if media_type == "multipart/form-data":
        form = await read_form(body, content_type, spool)
        fields = dict(form.fields)
        given = merge_options(query, {}, _json_options(fields.pop("options", [])))
        name: str | None = fields.pop("filename", [""])[-1] or form.filename or query_filename
        given = merge_options({}, fields, given)
        reference = ReferenceFields.taken_from(given)
        chosen = offer.check(Options.parse(given))
        if not form.has_file:
            raise InvalidRequest("The form has no field 'file'.")
    elif media_type.startswith(RAW_TYPES):
        given = merge_options(query, {}, {})
        reference = ReferenceFields.taken_from(given)
        chosen = offer.check(Options.parse(given))
        name = query_filename or _header_filename(request.headers)
        header = header_for(content_type)
        if header:
            await spool.write(header)
        async for block in body:
            await spool.write(block)
        if spool.n_bytes == len(header):
            raise EmptyAudio("The recording has no bytes.")
    else:
        raise UnsupportedMediaType(
            f"Content type {media_type} is not accepted: send multipart/form-data with a field 'file', "
            "application/json with a source, or the recording itself as audio/*, video/* or application/octet-stream."
        )
    await spool.finish()
    if spool.n_bytes == 0:
        raise EmptyAudio("The recording has no bytes.")
    return Submission(
        options=chosen,
        filename=clean_filename(name or NAMELESS),
        spool=spool,
        source_url="",
        idempotency_key=key,
        reference=reference,
    )


def merge_options(
    query: Mapping[str, Sequence[str]], fields: Mapping[str, Sequence[str]], *given: Mapping[str, Any]
) -> dict[str, Any]:
    """Bring options from several places together; an empty form field counts as left out.

    Raises `InvalidOptions` when a place repeats an option that is no list, or two places give the same one.
    """
    merged: dict[str, Any] = {}
    for values in given:
        for name, value in values.items():
            if name in merged:
                raise _twice(name)
            merged[name] = value
    for place in (query, fields):
        for name, texts in place.items():
            filled = [text for text in texts if text != ""]
            if not filled:
                continue
            if name in merged or (len(filled) > 1 and name not in LIST_OPTIONS):
                raise _twice(name)
            merged[name] = _several(filled) if name in LIST_OPTIONS else filled[0]
    return merged


def _twice(name: str) -> InvalidOptions:
    return InvalidOptions(f"{name}: given more than once", ((name, "given more than once"),))


def listed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as recording systems write them: several in one text, with commas between, are a list."""
    return {
        name: _several([value]) if name in LIST_OPTIONS and isinstance(value, str) else value
        for name, value in values.items()
    }


def _several(values: Sequence[str]) -> list[str]:
    """Values of a list; one alone may hold several, with commas between them."""
    parts = values[0].split(",") if len(values) == 1 else values
    return [part.strip() for part in parts if part.strip()]


def clean_filename(name: str) -> str:
    """The last part of a name from outside, without control characters, short enough to keep; it is only shown."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    printable = "".join(char for char in last if char.isprintable()).strip()
    if len(printable) > MAX_FILENAME_CHARS:
        path = PurePosixPath(printable)
        suffix = path.suffix[:16]
        printable = printable[: MAX_FILENAME_CHARS - len(suffix)] + suffix
    return printable if printable.strip(".") else NAMELESS


def query_values(items: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Group a query's pairs by name."""
    values: dict[str, list[str]] = {}
    for name, value in items:
        values.setdefault(name, []).append(value)
    return values


def content_length(headers: Mapping[str, str]) -> int | None:
    """Read the header ``Content-Length``; raises `InvalidRequest`."""
    raw = headers.get("content-length")
    if raw is None:
        return None
    if not (raw.isascii() and raw.isdigit()):
        raise InvalidRequest("Content-Length is not a number.")
    return int(raw)


def _name_of(source: SourceRequest, query_filename: str) -> str:
    """The name that was given, or the URL's; "" for an upload, which may have one already."""
    given = source.filename or query_filename or (name_in(source.source) if source.source else "")
    return clean_filename(given) if given else ""


def _header_filename(headers: Mapping[str, str]) -> str | None:
    if "x-filename" in headers:
        return unquote(text_of(headers["x-filename"].encode("latin-1")))
    if "content-disposition" in headers:
        return filename_of(disposition(text_of(headers["content-disposition"].encode("latin-1"))))
    return None


def _json_options(values: Sequence[str]) -> dict[str, Any]:
    if not values:
        return {}
    if len(values) > 1:
        raise InvalidOptions("options: given more than once", (("options", "given more than once"),))
    try:
        given = json.loads(values[0])
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"The field 'options' is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise InvalidOptions("options: must be a JSON object", (("options", "must be a JSON object"),))
    return given


async def _read_source(body: AsyncIterator[bytes], length: int | None) -> SourceRequest:
    too_long = InvalidRequest(f"A JSON body may have {MAX_JSON_BYTES} bytes at most.")
    if length is not None and length > MAX_JSON_BYTES:
        raise too_long
    data = bytearray()
    async for block in body:
        data += block
        if len(data) > MAX_JSON_BYTES:
            raise too_long
    try:
        return SourceRequest.model_validate_json(bytes(data))
    except ValidationError as error:
        problems = error.errors()
        if problems[0]["type"] == "json_invalid":
            raise InvalidRequest(f"The body is not JSON: {problems[0]['msg']}.") from None
        errors = tuple((".".join(map(str, item["loc"])), item["msg"]) for item in problems)
        raise InvalidOptions("; ".join(f"{field}: {message}" for field, message in errors), errors) from None


@dataclass(frozen=True, kw_only=True)
class Intake:
    """Puts submissions into the store and the ledger. All methods block: call them in a thread."""

    ledger: Ledger
    store: BlobStore
    clock: Callable[[], float]
    new_id: Callable[[], str]

    @property
    def direct(self) -> DirectUploads:
        """Recordings that go straight into the store."""
        return DirectUploads(store=self.store, clock=self.clock, new_id=self.new_id)

    def check_backlog(self, tenant: str, limits: TenantLimits) -> None:
        """Raise `Overloaded` when the tenant has as many jobs or as much audio waiting or running as it may."""
        backlog = self.ledger.backlog(tenant)
        what = ""
        if backlog.n_jobs >= limits.max_live_jobs:
            what = f"{backlog.n_jobs} jobs wait or run already"
        elif backlog.audio_s >= limits.max_backlog_audio_s:
            what = f"{backlog.audio_s:.0f} seconds of audio wait already"
        if what:
            raise Overloaded(f"{what}; try again in {BACKLOG_RETRY_AFTER_S:.0f} seconds.", BACKLOG_RETRY_AFTER_S)

    def accept(self, tenant: str, submission: Submission) -> tuple[Job, bool]:
        """Store the source, write the job; (job, False) when its key or its external id had brought one.

        Whatever fails, the spool file is gone afterwards and the blob with it, unless the ledger holds the job.
        Raises `StoreUnavailable`, `LedgerUnavailable`, `IdempotencyConflict`, `ExternalIdConflict`, and for an upload
        `NotFound` and `UploadIncomplete`.
        """
        now_s = round(self.clock(), 3)  # milliseconds survive the way through ISO 8601 and back
        job_id = submission.upload_id or self.new_id()
        key = JobKeys(tenant=tenant, job_id=job_id).source
        spool, came = submission.spool, came_from()
        try:
            source = BlobRef(key=key, n_bytes=0)
            if spool:
                n_bytes, sha256 = spool.n_bytes, spool.sha256
                source = replace(self.store.put_file(key, spool.path), n_bytes=n_bytes, sha256=sha256)
            filename = submission.filename
            if submission.upload_id and not self._holds(tenant, job_id):
                upload = self.direct.whole(tenant, job_id)
                source, filename = replace(source, n_bytes=upload.n_bytes), filename or upload.filename
            job = Job(
                id=job_id,
                tenant=tenant,
                options=submission.options,
                source=source,
                filename=filename,
                source_url=submission.source_url,
                created_at_s=now_s,
                updated_at_s=now_s,
                request_id=came.request_id,
                traceparent=came.traceparent,
                reference=submission.reference,
            )
            stored_job, created = self.ledger.create(
                job, idempotency_key=submission.idempotency_key, fingerprint=submission.fingerprint
            )
        except BaseException:
            if spool and not self._holds(tenant, job_id):
                self._forget(key)
            raise
        finally:
            if spool:
                spool.discard()
        if spool and not created:
            self._forget(key)
        if submission.upload_id:
            self._close_upload(tenant, job_id, keep=stored_job.id == job_id)
        log.info(
            "job accepted" if created else "job repeated",
            action="job_accepted" if created else "job_repeated",
            job_id=stored_job.id,
            tenant=tenant,
            model=stored_job.options.model,
            n_bytes=source.n_bytes,
            source_url=public_part(submission.source_url),
        )
        return stored_job, created

    def replay(self, origin: Job, chunks: tuple[int, ...], key: str | None) -> tuple[Job, bool]:
        """Write a job that decodes an ended job's chunks again; see `accept`."""
        now_s = round(self.clock(), 3)
        job_id = self.new_id()
        job = Job(
            id=job_id,
            tenant=origin.tenant,
            options=origin.options,
            source=BlobRef(key=JobKeys(tenant=origin.tenant, job_id=job_id).source, n_bytes=0),
            filename=origin.filename,
            reference=replace(origin.reference, external_id=""),
            replay_of=origin.id,
            replay_chunks=chunks,
            created_at_s=now_s,
            updated_at_s=now_s,
            request_id=came_from().request_id,
            traceparent=came_from().traceparent,
        )
        fingerprint = hashlib.sha256(f"replay/{origin.id}/{chunks}".encode()).hexdigest()
        stored_job, created = self.ledger.create(job, idempotency_key=key, fingerprint=fingerprint)
        log.info("replay accepted", action="replay_accepted", job_id=stored_job.id, replay_of=origin.id)
        return stored_job, created

    def pull_again(self, ended: Job, key: str | None) -> tuple[Job, bool]:
        """Write a job that fetches the recording of an ended one from its URL again; see `accept`."""
        now_s = round(self.clock(), 3)
        job_id = self.new_id()
        job = Job(
            id=job_id,
            tenant=ended.tenant,
            options=ended.options,
            source=BlobRef(key=JobKeys(tenant=ended.tenant, job_id=job_id).source, n_bytes=0),
            filename=ended.filename,
            source_url=ended.source_url,
            reference=ended.reference,
            created_at_s=now_s,
            updated_at_s=now_s,
            request_id=came_from().request_id,
            traceparent=came_from().traceparent,
        )
        fingerprint = hashlib.sha256(f"retry/{ended.id}".encode()).hexdigest()
        stored_job, created = self.ledger.create(job, idempotency_key=key, fingerprint=fingerprint)
        log.info("retry accepted", action="retry_accepted", job_id=stored_job.id, retry_of=ended.id)
        return stored_job, created

    def rewrite(self, origin: Job, options: JobOptions, key: str | None, *, corrected: str = "") -> tuple[Job, bool]:
        """Write a job that writes an ended job's minutes anew, from a corrected transcript or its own; see `accept`."""
        now_s = round(self.clock(), 3)
        job_id = self.new_id()
        job = Job(
            id=job_id,
            tenant=origin.tenant,
            options=options,
            source=BlobRef(key=JobKeys(tenant=origin.tenant, job_id=job_id).source, n_bytes=0),
            filename=origin.filename,
            reference=replace(origin.reference, external_id=""),
            minutes_of=origin.id,
            corrected=corrected,
            created_at_s=now_s,
            updated_at_s=now_s,
            request_id=came_from().request_id,
            traceparent=came_from().traceparent,
        )
        fingerprint = hashlib.sha256(f"rewrite/{origin.id}/{corrected}".encode() + encode(options)).hexdigest()
        stored_job, created = self.ledger.create(job, idempotency_key=key, fingerprint=fingerprint)
        self.store.put(JobKeys(tenant=origin.tenant, job_id=origin.id).rewriting(stored_job.id), b"")
        log.info("rewriting accepted", action="rewrite_accepted", job_id=stored_job.id, minutes_of=origin.id)
        return stored_job, created

    def _holds(self, tenant: str, job_id: str) -> bool:
        """Say whether the ledger has the job after all: a commit may succeed although its answer is lost."""
        try:
            self.ledger.get(tenant, job_id)
        except MeetMemoError:
            return False  # the client is told to send again, and then the bytes come again too
        return True

    def _close_upload(self, tenant: str, upload_id: str, *, keep: bool) -> None:
        """Forget that an upload is open; its bytes too where another job answers for it."""
        try:
            self.direct.forget(tenant, upload_id, with_bytes=not keep)
        except MeetMemoError:
            log.warning("mark of an upload left behind", action="upload_orphaned", upload_id=upload_id)

    def _forget(self, key: str) -> None:
        try:
            self.store.delete(key)
        except MeetMemoError:
            log.warning("blob left behind", action="blob_orphaned", key=key)
