"""Events of buckets, as AWS and MinIO send them: which objects came to be."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import unquote_plus

from deployments.intake.json_parsing import parse_object
from pipelines.errors import InvalidRequest

MAX_RECORDS = 1_000


@dataclass(frozen=True, kw_only=True)
class ObjectCreated:
    """An object that came to be, or was written anew; ``etag`` is "" where the event names none."""

    bucket: str
    key: str
    etag: str
    n_bytes: int | None


def objects_created(body: bytes) -> list[ObjectCreated]:
    """Read an event: AWS to an endpoint, through SNS or EventBridge, or MinIO; other events bring nothing.

    Keys arrive URL-encoded with ``+`` for spaces, but for EventBridge, which sends them as they are. Raises
    `InvalidRequest` for what is no event and for more than `MAX_RECORDS` objects.
    """
    event = parse_object(body, "The event")
    if isinstance(event.get("Message"), str):
        event = parse_object(event["Message"].encode(), "The event")  # in an envelope of SNS
    try:
        dialect = next(read for name, read in _DIALECTS.items() if name in event)
        found = list(islice(dialect(event), MAX_RECORDS + 1))
    except (StopIteration, KeyError, TypeError, AttributeError, ValueError, OverflowError):
        raise InvalidRequest("The event has not the form of S3's or MinIO's.") from None
    if len(found) > MAX_RECORDS:
        raise InvalidRequest(f"An event may name {MAX_RECORDS} objects at most.")
    return found


def _s3_records(event: dict[str, Any]) -> Iterator[ObjectCreated]:
    """Read the records of S3 and MinIO, whose keys are URL-encoded."""
    for record in event["Records"]:
        if record["eventName"].removeprefix("s3:").startswith("ObjectCreated:"):
            found = record["s3"]["object"]
            yield _object(record["s3"]["bucket"]["name"], unquote_plus(found["key"]), found, "eTag")


def _event_bridge(event: dict[str, Any]) -> Iterator[ObjectCreated]:
    """Read an event of EventBridge, whose key is as it is."""
    if event["detail-type"] == "Object Created":
        found = event["detail"]["object"]
        yield _object(event["detail"]["bucket"]["name"], found["key"], found, "etag")


def _s3_test(event: dict[str, Any]) -> Iterator[ObjectCreated]:
    """Take what S3 sends when notifications are set up."""
    if event["Event"] != "s3:TestEvent":
        raise KeyError("Records")
    return iter(())


_DIALECTS: dict[str, Callable[[dict[str, Any]], Iterator[ObjectCreated]]] = {
    "Records": _s3_records,
    "detail-type": _event_bridge,
    "Event": _s3_test,
}
"""Who reads an event, by a name that only this dialect has; the first one counts."""


def _object(bucket: str, key: str, found: dict[str, Any], etag: str) -> ObjectCreated:
    n_bytes = found.get("size")
    return ObjectCreated(
        bucket=str(bucket),
        key=str(key),
        etag=str(found.get(etag, "")).strip('"'),
        n_bytes=int(n_bytes) if n_bytes is not None else None,
    )
