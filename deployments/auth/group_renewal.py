"""`GroupRenewal`: reads the groups of a session anew at the provider, with the refresh token that it gave."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from deployments.auth.oidc_claims import Person
from deployments.auth.sealing import opened_text, sealed_text
from pipelines.errors import SignInFailed

RETRY_S = 60.0
"""After so long a provider that was away is asked again; until then the session keeps its groups."""


@dataclass(frozen=True, kw_only=True)
class GroupRenewal:
    """Asks the provider and keeps its refresh tokens encrypted.

    ``ask`` takes a refresh token and the subject that it must be of, and raises `SignInFailed` where the provider takes
    it no more, `SignInRefused`, and `ProviderUnavailable`. ``key`` gives 32 bytes.
    """

    ask: Callable[[str, str], Awaitable[Person]]
    key: Callable[[], bytes]

    def sealed(self, refresh_token: str) -> str:
        """Return what a session keeps of a refresh token; nothing of none."""
        return sealed_text(refresh_token, self.key()) if refresh_token else ""

    async def person(self, sealed: str, subject: str) -> Person:
        """Return the person as the provider knows them now; raises as ``ask`` does."""
        if not sealed:
            raise SignInFailed("The identity provider gave no refresh token.")
        try:
            refresh_token = opened_text(sealed, self.key())
        except ValueError:
            raise SignInFailed("The refresh token was kept with another client secret.") from None
        return await self.ask(refresh_token, subject)
