"""Signatures of webhooks by the Standard Webhooks specification 1.0.0 (https://www.standardwebhooks.com)."""

import base64
import binascii
import hashlib
import hmac
import secrets as random
from collections.abc import Sequence

from pipelines.errors import ConfigurationError

PREFIX = "whsec_"
MIN_SECRET_BYTES = 24
MAX_SECRET_BYTES = 64


def parse_secrets(text: str) -> tuple[bytes, ...]:
    """Read secrets written ``whsec_`` and base64, with spaces or line ends between them.

    Raises `ConfigurationError`, which does not repeat them, for anything else.
    """
    return tuple(_parse(number, word) for number, word in enumerate(text.split(), 1))


def _parse(number: int, word: str) -> bytes:
    try:
        secret = base64.b64decode(word.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not word.startswith(PREFIX) or not MIN_SECRET_BYTES <= len(secret) <= MAX_SECRET_BYTES:
        raise ConfigurationError(
            f"webhook secret {number} is not {PREFIX} and {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes in base64; "
            "`meetmemo webhooks new-secret` makes one"
        )
    return secret


def new_secret() -> str:
    """Draw a secret for one receiver."""
    return PREFIX + base64.b64encode(random.token_bytes(32)).decode()


def signature_headers(message_id: str, body: bytes, *, timestamp_s: int, secrets: Sequence[bytes]) -> dict[str, str]:
    """Return the headers of one attempt, with a signature by each secret: receivers may know the old or the new one.

    Each signs the id, ``timestamp_s`` (Unix seconds of the attempt) and the body, joined by full stops.
    """
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    digests = (hmac.new(secret, signed, hashlib.sha256).digest() for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }
