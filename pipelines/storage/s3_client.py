"""boto3 clients that work with AWS and with other stores that speak its protocol."""

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DEFAULT_REGION = "us-east-1"
CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 60
REQUEST_ATTEMPTS = 4
POOL_CONNECTIONS = 32


def connect(
    *, endpoint: str | None = None, region: str | None = None, key_id: str | None = None, secret: str | None = None
) -> "S3Client":
    """Make a client; it can be shared between threads, but neither pickled nor carried over a fork.

    Without ``key_id`` and ``secret`` the credentials come from boto3's own sources.
    """
    config = Config(
        signature_version="s3v4",
        # Other stores than AWS refuse the checksums that newer clients send and ask for by default.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={
            "addressing_style": "path" if endpoint else "auto",
            # The digest in the signature is the only checksum that every store verifies, of whole files and of parts.
            "payload_signing_enabled": True,
        },
        retries={"mode": "standard", "total_max_attempts": REQUEST_ATTEMPTS},
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        max_pool_connections=POOL_CONNECTIONS,
    )
    session = boto3.session.Session()
    return session.client(
        "s3",
        region_name=region or session.region_name or DEFAULT_REGION,
        endpoint_url=endpoint,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=config,
    )
