"""Signatures of receipts by Ed25519 (RFC 8032): everybody who has the public key can verify them, also without us."""

import base64
import binascii
import secrets
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pipelines.errors import ConfigurationError
from pipelines.keeping.receipts import FORMAT, Signature, signed_bytes

KEY_BYTES = 32


def new_key() -> str:
    """Return a private key: 32 random bytes, base64."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")


class ReceiptKey:
    """Signs receipts with a private key; raises `ConfigurationError` for anything that `new_key` does not make."""

    def __init__(self, key: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(_bytes(key))
        self.public_key = base64.b64encode(self._key.public_key().public_bytes_raw()).decode("ascii")

    def sign(self, data: bytes) -> Signature:
        """Return the signature of some bytes."""
        return Signature(public_key=self.public_key, value=base64.b64encode(self._key.sign(data)).decode("ascii"))


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a receipt is as it was signed, and by which public key ("" where it is unsigned); ``fault`` says why not.

    ``trusted``: that key is one of those that were named.
    """

    whole: bool
    trusted: bool
    public_key: str = ""
    fault: str = ""


def verify(written: Any, trusted_keys: tuple[str, ...] = ()) -> Verdict:
    """Verify a receipt as `pipelines.keeping.receipts.document` gives it; ``trusted_keys`` are public keys, base64."""
    if not isinstance(written, dict) or written.get("format") != FORMAT:
        return Verdict(whole=False, trusted=False, fault=f"this is no receipt of the format {FORMAT}")
    signature = written.get("signature")
    if signature is None:
        return Verdict(whole=False, trusted=False, fault="the receipt is not signed")
    try:
        public_key = str(signature["public_key"])
        value = base64.b64decode(signature["value"], validate=True)
        Ed25519PublicKey.from_public_bytes(_bytes(public_key)).verify(value, signed_bytes(written))
    except InvalidSignature:
        return Verdict(whole=False, trusted=False, public_key=public_key, fault="the receipt was changed")
    except (KeyError, TypeError, ValueError, ConfigurationError):
        return Verdict(whole=False, trusted=False, fault="the signature cannot be read")
    trusted = public_key in trusted_keys
    fault = "" if trusted or not trusted_keys else "another key signed the receipt"
    return Verdict(whole=True, trusted=trusted, public_key=public_key, fault=fault)


def _bytes(key: str) -> bytes:
    try:
        raw = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != KEY_BYTES:
        raise ConfigurationError(f"The key of receipts must be {KEY_BYTES} bytes in base64.")
    return raw
