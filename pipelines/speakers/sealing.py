"""Encrypt voices at rest: AES-256-GCM under a key of the installation, another for each tenant.

A sealed voice opens only for the tenant and the profile that it was sealed for.
"""

import base64
import binascii
import secrets

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pipelines.errors import ConfigurationError

Floats = npt.NDArray[np.float32]

KEY_BYTES = 32
_NONCE_BYTES = 12


def new_key() -> str:
    """Return a key of an installation: 32 random bytes, base64."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")


class VoiceCipher:
    """Seals and opens voices with the key of an installation."""

    def __init__(self, key: str) -> None:
        """Take a key as `new_key` makes it; raises `ConfigurationError` for anything else."""
        try:
            self._key = base64.b64decode(key, validate=True)
        except (binascii.Error, ValueError):
            self._key = b""
        if len(self._key) != KEY_BYTES:
            raise ConfigurationError(f"The key of voice profiles must be {KEY_BYTES} bytes in base64.")

    def seal(self, vector: Floats, *, tenant: str, voice_id: str) -> str:
        """Encrypt a voice; equal ones differ when they are sealed."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher(tenant).encrypt(nonce, vector.astype("<f4").tobytes(), _bound_to(tenant, voice_id))
        return base64.b64encode(nonce + sealed).decode("ascii")

    def open(self, sealed: str, *, tenant: str, voice_id: str) -> Floats:
        """Decrypt a voice; raises `ConfigurationError` for one that another key, tenant or profile sealed."""
        data = base64.b64decode(sealed)
        try:
            opened = self._cipher(tenant).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _bound_to(tenant, voice_id))
        except (InvalidTag, ValueError):
            raise ConfigurationError("A voice profile cannot be opened with the key that is set.") from None
        vector: Floats = np.frombuffer(opened, "<f4").astype(np.float32)
        return vector

    def _cipher(self, tenant: str) -> AESGCM:
        derived = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"voices of {tenant}".encode())
        return AESGCM(derived.derive(self._key))


def _bound_to(tenant: str, voice_id: str) -> bytes:
    return f"voice {voice_id} of {tenant}".encode()
