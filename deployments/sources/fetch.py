"""Recordings that are pulled: from a web server, or from a bucket or folder the operator has opened for it.

A source URL comes from outside, so it must not become a way to look into the operator's network: every host,
also that of every redirect, is checked by `deployments.sources.pinned_http`.
"""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import anyio.to_thread
import httpx

from deployments.sources.blocks import BLOCK_BYTES, Content, joined, passed_on
from deployments.sources.files import OutsideRoots, open_below
from deployments.sources.headers import disposition, filename_of, text_of
from deployments.sources.limits import SourceLimits
from deployments.sources.pinned_http import (
    NotPublic,
    Unresolvable,
    complaint_about,
    complaint_about_host,
    pinned_request,
    trusted_certificates,
)
from deployments.sources.places import SourceCredential, credential_for
from deployments.sources.raw_audio import header_for
from deployments.sources.recording_bytes import RecordingBytes
from deployments.sources.s3 import fetch_object
from deployments.sources.urls import SourceUrl, is_ambiguous, public_part
from pipelines.backoff import Backoff
from pipelines.errors import EmptyAudio, InvalidOptions, InvalidRequest, SourceUnreachable, TooLarge
from pipelines.file_hash import HashingWriter
from pipelines.storage.folder import measure_file

MAX_ATTEMPTS = 3
RETRIES = Backoff(first_s=3.0, longest_s=6.0)  # a server's restart or a lost connection; longer outages fail the job
NAMELESS = "recording"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_NOT_THERE_YET = frozenset({403, 404})


ContentOf = Callable[[str, str], Content]
"""Makes what a source's bytes pass through, of the content type and the name it gives itself."""


class _AnyBytes:
    """Passes bytes on as they are."""

    decided = True

    def feed(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


@dataclass(frozen=True, kw_only=True)
class _Target:
    """Where a source goes, and through what."""

    path: Path
    content: ContentOf


class _Passing(Exception):
    """A fault that may be gone at the next attempt."""


def check_url(url: str, limits: SourceLimits, tenant: str | None = None) -> None:
    """Refuse a source URL that can never be pulled; raises `InvalidOptions`. Looks at the text only."""
    complaint = _complaint(url, limits, tenant)
    if complaint:
        raise InvalidOptions(f"source: {complaint}", (("source", complaint),))


def _complaint(url: str, limits: SourceLimits, tenant: str | None = None) -> str:
    if complaint := complaint_about(url):
        return complaint
    try:
        source = SourceUrl.of(url)
    except ValueError as error:
        return str(error)
    if source.scheme == "s3":
        if is_ambiguous(source.path):
            return "holds a segment of dots or control characters, which some stores resolve"
        known = credential_for(url, limits.places, tenant) and source.key.strip("/")
        return "" if known else "is in no bucket that this server has credentials for; a presigned https URL needs none"
    if source.scheme == "file":
        return "" if limits.file_roots else "file: sources are not allowed on this server"
    if source.scheme not in limits.schemes:
        return f"must begin with {' or '.join(f'{scheme}://' for scheme in sorted(limits.schemes))}"
    return complaint_about_host(url, allow_private=limits.allow_private)


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A source that was pulled: the name it gives itself, and the SHA-256 of its bytes in hexadecimal."""

    name: str
    sha256: str


async def fetch_recording(url: str, destination: Path, limits: SourceLimits, tenant: str | None = None) -> Fetched:
    """Pull a recording as `fetch` does; raises `UnsupportedFormat` too, from the first bytes of what is none.

    Samples without a container get one where the source's content type or name says what they are.
    """
    return await fetch(url, destination, limits, tenant, content=RecordingBytes)


async def fetch(
    url: str,
    destination: Path,
    limits: SourceLimits,
    tenant: str | None = None,
    *,
    content: ContentOf = lambda content_type, filename: _AnyBytes(),
) -> Fetched:
    """Pull a source into ``destination`` with bounded memory; its bytes pass through what ``content`` makes.

    Raises `SourceUnreachable`, `TooLarge`, `EmptyAudio`, and `InvalidOptions` for URLs `check_url` refuses. Passing
    faults are tried again twice. When it raises, ``destination`` does not exist.
    """
    check_url(url, limits, tenant)
    place = credential_for(url, limits.places, tenant)
    target = _Target(path=destination, content=content)
    complete = False
    try:
        async with asyncio.timeout(limits.total_timeout_s):
            scheme = SourceUrl.of(url).scheme
            if scheme == "file":
                fetched = await anyio.to_thread.run_sync(_copy_file, url, target, limits)
            elif place is not None and scheme == "s3":
                fetched = await anyio.to_thread.run_sync(_copy_object, url, target, place, limits)
            else:
                fetched = await _fetch_with_retries(url, target, limits, place)
        complete = True
        return fetched
    except TimeoutError:
        raise SourceUnreachable(f"{public_part(url)} was not read within {limits.total_timeout_s:g} seconds.") from None
    finally:
        if not complete:
            destination.unlink(missing_ok=True)  # noqa: ASYNC240 - must also happen while being cancelled


async def _fetch_with_retries(
    url: str, target: _Target, limits: SourceLimits, place: SourceCredential | None
) -> Fetched:
    for attempt in itertools.count(1):
        try:
            return await _fetch_once(url, target, limits, place)
        except (_Passing, httpx.TransportError) as error:
            if attempt == MAX_ATTEMPTS:
                cause = str(error) or type(error).__name__
                raise SourceUnreachable(f"{public_part(url)} cannot be read: {cause}", may_come=True) from error
            await asyncio.sleep(RETRIES.delay_s(attempt))
    raise AssertionError("the last attempt returns or raises")


async def _fetch_once(url: str, target: _Target, limits: SourceLimits, place: SourceCredential | None) -> Fetched:
    timeout = httpx.Timeout(limits.idle_timeout_s, connect=limits.connect_timeout_s)
    trusted = await anyio.to_thread.run_sync(trusted_certificates)
    # trust_env would send the request through a proxy, which resolves names itself and so goes round the check
    async with httpx.AsyncClient(timeout=timeout, verify=trusted, trust_env=False) as client:
        for _ in range(limits.max_redirects + 1):
            request = await _pinned(client, url, limits)
            if (
                place is not None and place.covers(url) and (authorization := place.authorization)
            ):  # a redirect may lead elsewhere
                request.headers["authorization"] = authorization
            response = await client.send(request, stream=True)
            try:
                if response.status_code not in _REDIRECTS:
                    return await _save(response, url, target, limits)
                url = _redirected(url, response.headers.get("location", ""), limits)
            finally:
                await response.aclose()
    raise SourceUnreachable(f"{public_part(url)} redirects more than {limits.max_redirects} times.")


async def _pinned(client: httpx.AsyncClient, url: str, limits: SourceLimits) -> httpx.Request:
    headers = {"accept": "*/*", "accept-encoding": "identity"}
    try:
        return await pinned_request(client, "GET", url, allow_private=limits.allow_private, headers=headers)
    except Unresolvable as error:
        raise _Passing(str(error)) from error
    except NotPublic as error:
        raise SourceUnreachable(str(error)) from error


def _redirected(url: str, location: str, limits: SourceLimits) -> str:
    if not location:
        raise SourceUnreachable(f"{public_part(url)} redirects to nowhere.")
    try:
        target = urljoin(url, location)
        scheme = urlsplit(target).scheme
    except ValueError:
        raise SourceUnreachable(f"{public_part(url)} redirects to what is not a URL.") from None
    complaint = _complaint(target, limits)
    if scheme in ("file", "s3") or (urlsplit(url).scheme == "https" and scheme != "https"):
        complaint = f"{scheme}: is not a safe place to be led to"
    if complaint:
        raise SourceUnreachable(f"{public_part(url)} redirects to a URL that cannot be used: {complaint}.")
    return target


async def _save(response: httpx.Response, url: str, target: _Target, limits: SourceLimits) -> Fetched:
    if response.status_code in _PASSING:
        raise _Passing(f"the server answered {response.status_code}")
    if response.status_code != httpx.codes.OK:
        raise SourceUnreachable(
            f"{public_part(url)} cannot be read: the server answered {response.status_code}.",
            may_come=response.status_code in _NOT_THERE_YET,
        )
    if response.headers.get("content-encoding", "identity") != "identity":
        raise SourceUnreachable(f"{public_part(url)} is sent compressed although that was not asked for.")
    announced = response.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limits.max_bytes:
        raise _too_large(url, limits)
    # Not in a thread: cancelled meanwhile, nobody would close what it opens.
    given = filename_of(disposition(text_of(response.headers.get("content-disposition", "").encode("latin-1"))))
    name = given or name_in(url)
    content = target.content(_declaration(response), name)
    file = target.path.open("wb")
    copy = HashingWriter(file.write)
    try:
        async for block in joined(passed_on(response.aiter_raw(), content)):
            await anyio.to_thread.run_sync(_write, copy, block, url, limits)
    finally:
        await anyio.to_thread.run_sync(file.close)
    return _fetched(url, name, copy)


def _declaration(response: httpx.Response) -> str:
    """Return the content type of an answer; "" for one that says too little about samples."""
    content_type = text_of(response.headers.get("content-type", "").encode("latin-1"))
    try:
        header_for(content_type)
    except InvalidRequest:
        return ""
    return content_type


def _copy_object(url: str, target: _Target, place: SourceCredential, limits: SourceLimits) -> Fetched:
    name = fetch_object(url, target.path, place, limits.max_bytes, target.content("", name_in(url)))
    _, sha256 = measure_file(target.path)  # only now: boto3 writes an object's parts in the order in which they arrive
    return Fetched(name=name, sha256=sha256)


def _copy_file(url: str, target: _Target, limits: SourceLimits) -> Fetched:
    source = SourceUrl.of(url)
    if source.authority not in ("", "localhost"):
        raise SourceUnreachable(f"{public_part(url)} names another machine.")
    content = target.content("", Path(source.path).name)
    try:
        with open_below(source.path, limits.file_roots) as file, target.path.open("wb") as copied:
            copy = HashingWriter(copied.write)
            while block := file.read(BLOCK_BYTES):
                _write(copy, content.feed(block), url, limits)
            _write(copy, content.finish(), url, limits)
    except OutsideRoots:
        raise SourceUnreachable(f"{public_part(url)} is outside the folders sources may be read from.") from None
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or error  # with the path that links lead to, it would tell too much
        raise SourceUnreachable(f"{public_part(url)} cannot be read: {cause}") from error
    return _fetched(url, Path(source.path).name, copy)


def _write(copy: HashingWriter, block: bytes, url: str, limits: SourceLimits) -> None:
    """Write a block of a source; raises `TooLarge`."""
    if copy.n_bytes + len(block) > limits.max_bytes:
        raise _too_large(url, limits)
    copy.write(block)


def _fetched(url: str, name: str, copy: HashingWriter) -> Fetched:
    """Return a source that was copied whole; raises `EmptyAudio`."""
    if copy.n_bytes == 0:
        raise EmptyAudio(f"{public_part(url)} has no bytes.")
    return Fetched(name=name, sha256=copy.sha256)


def _too_large(url: str, limits: SourceLimits) -> TooLarge:
    return TooLarge(f"{public_part(url)} is larger than the {limits.max_bytes} bytes this server takes.")


def name_in(url: str) -> str:
    """Return the last part of a URL's path, as a name for the recording."""
    return unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2] or NAMELESS
