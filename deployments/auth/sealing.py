"""Encrypts texts that only this cluster reads: JSON Web Encryption (RFC 7516), ``dir`` with A256GCM.

Keys are derived (HKDF, RFC 5869) from the client secret, which every server has, for one purpose each.
"""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from pipelines.secret import Secret, revealed

_HEADER = {"alg": "dir", "enc": "A256GCM"}


def derived_key(secret: Secret, purpose: str) -> bytes:
    """Return a key of 32 bytes for one purpose."""
    return HKDF(hashes.SHA256(), length=32, salt=None, info=purpose.encode()).derive(revealed(secret).encode())


def sealed_text(text: str, key: bytes) -> str:
    """Encrypt a text with a key of 32 bytes."""
    return jwe.encrypt_compact(_HEADER, text, OctKey.import_key(key))


def opened_text(sealed: str, key: bytes) -> str:
    """Return the text; raises `ValueError` for one that was sealed with another key, or changed."""
    try:
        plain = jwe.decrypt_compact(sealed, OctKey.import_key(key), algorithms=list(_HEADER.values())).plaintext
    except JoseError as error:
        raise ValueError(str(error)) from None
    return (plain or b"").decode()
