"""Writing only what is not there yet, with stores that keep the promise and with those that do not.

Amazon S3, MinIO, Ceph and Swift refuse a write under ``If-None-Match: *`` to a key that exists, by 412. Others answer
that they do not know such headers, and some overwrite without a word, which only a trial finds out. Swift refuses
what comes later, but of writes in the same moment it may take several; the last one stays.
"""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_EXISTS = ("PreconditionFailed", "412")
_IN_FLIGHT = ("ConditionalRequestConflict", "409")  # somebody else's write to the key is under way
_UNKNOWN = ("NotImplemented", "501", "InvalidRequest", "InvalidArgument", "400")


def honours_conditions(client: "S3Client", bucket: str, name: str) -> bool:
    """Say whether a second write to ``name`` under ``If-None-Match: *`` is refused; leaves nothing behind.

    ``name`` is a key that nobody uses. Raises what boto3 raises when the store does not do its work.
    """
    try:
        if not put_new(client, bucket, name, b"1"):  # a repetition by boto3 of a write whose answer was lost
            return True
        return not put_new(client, bucket, name, b"2")
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _UNKNOWN:
            return False
        raise
    finally:
        client.delete_object(Bucket=bucket, Key=name)


def put_new(client: "S3Client", bucket: str, name: str, data: bytes) -> bool:
    """Write unless ``name`` holds something, or is about to; say whether it was written."""
    try:
        client.put_object(Bucket=bucket, Key=name, Body=data, IfNoneMatch="*")
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in (*_EXISTS, *_IN_FLIGHT):
            return False
        raise
    return True
