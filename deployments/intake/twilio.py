"""Twilio's recording status callback: whose it is, that Twilio sent it, and what it says.

Twilio holds no API key: it signs the URL it was told to call and the form it sends, with the account's auth token
(twilio.com/docs/usage/security).
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from deployments.sources.places import SourceCredential
from pipelines.errors import InvalidRequest
from pipelines.jobs.reference import Reference
from pipelines.secret import Secret, revealed

API_URL = "https://api.twilio.com"
_PORTS = {"https": 443, "http": 80}
_KEPT = ("CallSid", "RecordingStartTime", "RecordingDuration", "RecordingSource", "RecordingTrack", "ConferenceSid")
_MAX_KEPT_CHARS = 256


@dataclass(frozen=True, kw_only=True)
class TwilioAccount:
    """An account whose recordings are a tenant's; ``auth_token`` signs its callbacks and fetches its recordings."""

    sid: str
    tenant: str
    auth_token: Secret = field(repr=False)
    api_url: str = API_URL

    @property
    def place(self) -> SourceCredential:
        """Address of the account's recordings, with the credentials for them."""
        return SourceCredential(
            name=f"twilio {self.sid}",
            url=f"{self.api_url}/2010-04-01/Accounts/{self.sid}",
            secret=self._credentials,
            tenants=(self.tenant,),
        )

    def _credentials(self) -> str:
        return f"Basic {base64.b64encode(f'{self.sid}:{revealed(self.auth_token)}'.encode()).decode()}"


def signature_of(auth_token: str, url: str, form: Mapping[str, Sequence[str]]) -> str:
    """Return what ``X-Twilio-Signature`` holds: Base64 of HMAC-SHA1 over the URL and the sorted form."""
    said = url + "".join(name + value for name in sorted(form) for value in sorted(set(form[name])))
    return base64.b64encode(hmac.new(auth_token.encode(), said.encode(), hashlib.sha1).digest()).decode()


def is_signed(signature: str, auth_token: str, url: str, form: Mapping[str, Sequence[str]]) -> bool:
    """Return whether Twilio sent a form to a URL; it signs the URL with the scheme's own port, or without one."""
    wanted = [signature_of(auth_token, form_of_url, form).encode() for form_of_url in _with_and_without_port(url)]
    given = signature.encode("utf-8", "replace")
    return any(hmac.compare_digest(given, known) for known in wanted)


def _with_and_without_port(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    host = parts.netloc.removesuffix(f":{parts.port}") if parts.port else parts.netloc
    port = parts.port or _PORTS.get(parts.scheme, 443)
    return urlunsplit(parts._replace(netloc=host)), urlunsplit(parts._replace(netloc=f"{host}:{port}"))


@dataclass(frozen=True, kw_only=True)
class RecordingCallback:
    """A recording whose status changed; ``n_channels`` is 2 where each leg of the call has its own."""

    sid: str
    status: str
    url: str
    n_channels: int
    reference: Reference

    @classmethod
    def of(cls, form: Mapping[str, Sequence[str]]) -> "RecordingCallback":
        """Read the form; raises `InvalidRequest`."""
        given = {name: values[-1] for name, values in form.items()}
        sid, status = given.get("RecordingSid", ""), given.get("RecordingStatus", "")
        if not sid or not status:
            raise InvalidRequest("The form needs RecordingSid and RecordingStatus.")
        if not given.get("RecordingUrl") and status == "completed":
            raise InvalidRequest("The form of a completed recording needs RecordingUrl.")
        kept = tuple((name, given[name][:_MAX_KEPT_CHARS]) for name in sorted(_KEPT) if given.get(name))
        return cls(
            sid=sid,
            status=status,
            url=given.get("RecordingUrl", ""),
            n_channels=2 if given.get("RecordingChannels") == "2" else 1,
            reference=Reference(external_id=sid, metadata=kept),
        )

    @property
    def source(self) -> str:
        """URL of the recording; Twilio mixes both channels into one unless asked for both."""
        both = self.n_channels == 2 and "?" not in self.url
        return f"{self.url}.wav?RequestedChannels=2" if both else self.url
