"""Read a request of Deepgram's clients: the recording as the body, or JSON with its URL."""

from dataclasses import dataclass

from pydantic import Field
from starlette.requests import Request

from deployments.http.deepgram.query import NAMES, ListenQuery
from deployments.http.json_bodies import MAX_JSON_BYTES, parsed_in_thread, read_bounded
from deployments.http.vendor_options import named
from deployments.intake.idempotency import idempotency_key
from deployments.intake.job_policy import JobPolicy
from deployments.intake.json_parsing import parse_object
from deployments.intake.spool import Spool
from deployments.intake.submission import Submission, clean_filename, query_values
from deployments.intake.submission_readers import receive_body
from deployments.limits import IngestionLimits
from deployments.schemas.options import ApiModel, parsed
from deployments.sources.fetch import NAMELESS, check_url, name_in
from pipelines.jobs.dialect import DEEPGRAM, Dialect


class ListenSource(ApiModel):
    """A body that names a recording."""

    url: str = Field(min_length=1, max_length=4096, description="Where the recording is: an `https` URL.")


@dataclass(frozen=True, kw_only=True)
class ListenRequest:
    """A request as the domain sees it, and what its answer is to hold."""

    submission: Submission
    query: ListenQuery


async def read_listen_request(
    request: Request, spool: Spool, policy: JobPolicy, limits: IngestionLimits
) -> ListenRequest:
    """Read query and body; raises `InvalidOptions`, `InvalidRequest`, `ModelUnknown`, `EmptyAudio`, `TooLarge` etc."""
    query = ListenQuery.of(query_values(request))
    with named(NAMES):
        options = await policy.check(query.options(policy.models))
    reference = query.reference()
    url, name = "", NAMELESS
    if _is_json(request):
        url = await _url_of(request, limits, policy.tenant)
        name = name_in(url)
    else:
        await receive_body(request, spool, query.content_type(request.headers.get("content-type", "")), limits)
    submission = Submission(
        options=options,
        filename=clean_filename(name),
        spool=None if url else spool,
        source_url=url,
        reference=reference,
        idempotency_key=idempotency_key(request.headers),
        dialect=Dialect(name=DEEPGRAM, asked=asked(query)),
    )
    return ListenRequest(submission=submission, query=query)


def asked(query: ListenQuery) -> str:
    """Return what is kept of a query with its job: what the answer depends on."""
    return query.model_dump_json(exclude_defaults=True, exclude={"callback", "keyterm", "keywords"})


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


async def _url_of(request: Request, limits: IngestionLimits, tenant: str) -> str:
    data = await read_bounded(request, MAX_JSON_BYTES)
    source = await parsed_in_thread(request, lambda: parsed(ListenSource, parse_object(data)))
    with named(NAMES):
        check_url(source.url, limits.sources, tenant)
    return source.url
