"""`Submission`: a request to transcribe one recording, and how its options and names are read.

`deployments.intake.submission_readers` reads it from a request, `deployments.intake.accept.Intake` makes it durable.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from starlette.requests import Request

from deployments.intake.job_policy import JobPolicy
from deployments.intake.job_sources import Pieces
from deployments.intake.spool import StoredUpload
from deployments.schemas.option_values import is_left_out, listed
from deployments.schemas.options import Options
from deployments.schemas.references import ReferenceFields
from deployments.sources.fetch import NAMELESS
from pipelines.codec import encode
from pipelines.errors import InvalidOptions, InvalidRequest
from pipelines.jobs.dialect import OWN_DIALECT, Dialect
from pipelines.jobs.options import LIST_OPTIONS, JobOptions, encode_asked
from pipelines.jobs.reference import NO_REFERENCE, Reference
from pipelines.speakers.references import References
from pipelines.text.file_names import MAX_NAME_BYTES, bounded_name, n_bytes

_MAX_SUFFIX_CHARS = 16


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A request to transcribe one recording: spooled bytes, a URL to pull, or an upload in the store.

    ``upload_id`` is that of an upload, and will be the job's; ``pieces`` are what it came in, where it did.
    ``known_voices`` are those that its speakers are compared with, for this job only.
    """

    options: JobOptions
    filename: str
    spool: StoredUpload | None = None
    source_url: str = ""
    idempotency_key: str | None = None
    reference: Reference = field(default=NO_REFERENCE)
    upload_id: str = ""
    pieces: Pieces | None = None
    known_voices: References | None = None
    dialect: Dialect = field(default=OWN_DIALECT)

    @property
    def joins(self) -> bool:
        """Whether an equal request's job that is under way will do: wherever a finished transcript would be reused."""
        return self.options.reuse and not self.upload_id

    @property
    def fingerprint(self) -> str:
        """Digest by which a repeated request is known: bytes or URL, options, reference, dialect (SHA-256, hex)."""
        source = self.spool.sha256 if self.spool else self.source_url or f"upload/{self.upload_id}"
        parts = [source.encode(), encode_asked(self.options)]
        if self.reference != NO_REFERENCE:
            parts.append(encode(self.reference))
        if self.known_voices is not None:
            parts.append(encode(self.known_voices))
        if self.dialect != OWN_DIALECT:
            parts.append(encode(self.dialect))
        return hashlib.sha256(b"\n".join(parts)).hexdigest()


async def read_overrides(given: dict[str, Any], policy: JobPolicy) -> tuple[JobOptions, Reference]:
    """Check what a submitter wants of a job; takes the reference out of ``given``.

    Raises `InvalidOptions`, `ModelUnknown`, `TemplateUnknown`, `TemplateInvalid`, `Overloaded`.
    """
    reference = ReferenceFields.taken_from(given)
    return await policy.check(Options.parse(given)), reference


def merge_options(
    query: Mapping[str, Sequence[str]], fields: Mapping[str, Sequence[str]], *given: Mapping[str, Any]
) -> dict[str, Any]:
    """Bring options from several places together; what says nothing counts as left out.

    Lists may be repeated, also as ``name[]`` and ``name[0]``. Raises `InvalidOptions` when a place repeats an option
    that is no list, or two places give the same one.
    """
    merged: dict[str, Any] = {}
    places = [dict(values) for values in given] + [_gathered(texts) for texts in (query, fields)]
    for values in places:
        for name, value in values.items():
            if is_left_out(value):
                continue
            if name in merged:
                raise _twice(name)
            merged[name] = value
    return merged


def _gathered(place: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return one value per name, of lists all that were given; raises `InvalidOptions`."""
    found: dict[str, list[str]] = {}
    for name, texts in place.items():
        known = list_name(name) if list_name(name) in LIST_OPTIONS else name
        found.setdefault(known, []).extend(text for text in texts if not is_left_out(text))
    for name, texts in found.items():
        if len(texts) > 1 and name not in LIST_OPTIONS:
            raise _twice(name)
    alone = {name: listed(texts[0]) if name in LIST_OPTIONS else texts[0] for name, texts in found.items() if texts}
    return alone | {name: texts for name, texts in found.items() if len(texts) > 1}


def list_name(name: str) -> str:
    """Return a field's name without the ``[]`` or ``[0]`` that some clients write behind those of lists."""
    stem, bracket, rest = name.partition("[")
    return stem if bracket and (rest == "]" or (rest.endswith("]") and rest[:-1].isdigit())) else name


def _twice(name: str) -> InvalidOptions:
    return InvalidOptions(f"{name}: given more than once", ((name, "given more than once"),))


def clean_filename(name: str) -> str:
    """Return the last part of a name, without control characters and short enough to keep; it is only for display."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    printable = "".join(char for char in last if char.isprintable()).strip()
    if n_bytes(printable) > MAX_NAME_BYTES:
        suffix = PurePosixPath(printable).suffix[:_MAX_SUFFIX_CHARS]
        printable = bounded_name(printable, suffix)
    return printable if printable.strip(".") else NAMELESS


def query_values(request: Request) -> dict[str, list[str]]:
    """Group the values of a request's query by name."""
    return {name: request.query_params.getlist(name) for name in request.query_params}


def content_length(headers: Mapping[str, str]) -> int | None:
    """Read the header ``Content-Length``; raises `InvalidRequest`."""
    raw = headers.get("content-length")
    if raw is None:
        return None
    if not (raw.isascii() and raw.isdigit()):
        raise InvalidRequest("Content-Length is not a number.")
    return int(raw)
