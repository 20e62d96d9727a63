"""Seals sign-ins under way into a cookie: only the browser that began one can complete it, on any server.

Nothing is kept of visitors who do not sign in, and there is no second secret to hand out (`deployments.auth.sealing`).
"""

import hashlib
import json
from dataclasses import asdict

from authlib.common.security import generate_token

from deployments.auth.oidc import Attempt
from deployments.auth.sealing import derived_key, opened_text, sealed_text
from pipelines.errors import SignInFailed
from pipelines.secret import Secret

LIFETIME_S = 600.0
MIN_SECRET_CHARS = 16


def new_attempt(place: str, now_s: float) -> Attempt:
    """Begin a sign-in that ends at a page of the console."""
    state, nonce, verifier = generate_token(32), generate_token(32), generate_token(48)
    return Attempt(state=state, nonce=nonce, verifier=verifier, place=place, begun_at_s=now_s)


def cookie_suffix(state: str) -> str:
    """Return the end of the cookie's name: sign-ins in several tabs do not disturb each other."""
    return hashlib.sha256(state.encode("utf-8", "replace")).hexdigest()[:12]


def sealed(attempt: Attempt, secret: Secret) -> str:
    """Encrypt an attempt for its cookie."""
    return sealed_text(json.dumps(asdict(attempt)), _key(secret))


def opened(cookie: str | None, state: str, secret: Secret, now_s: float) -> Attempt:
    """Return the attempt in a cookie; raises `SignInFailed` for another's, a changed and an old one."""
    if not cookie:
        raise SignInFailed("This sign-in was not begun in this browser, or is completed already: begin again.")
    try:
        attempt = Attempt(**json.loads(opened_text(cookie, _key(secret))))
    except (ValueError, TypeError):
        raise SignInFailed("This sign-in cannot be read: begin again.") from None
    if attempt.state != state:
        raise SignInFailed("This sign-in belongs to another one: begin again.")
    if now_s - attempt.begun_at_s > LIFETIME_S:
        raise SignInFailed("This sign-in was begun too long ago: begin again.")
    return attempt


def _key(secret: Secret) -> bytes:
    return derived_key(secret, "meetmemo sign-in attempt")
