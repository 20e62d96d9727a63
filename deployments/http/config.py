"""`ApiServices`, the objects the API works with, and `ApiConfig`, its limits and switches."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deployments.auth.authenticators import Authenticator, NoAuthentication
from deployments.intake.twilio import TwilioAccount
from deployments.limits import IngestionLimits
from deployments.notifications.webhooks import WebhookLimits
from deployments.ports import CoordinatorPort
from pipelines.errors import ConfigurationError
from pipelines.export.templating.templates import Templates
from pipelines.export.templating.tenant_styles import TenantStyles
from pipelines.ids import new_id
from pipelines.ledger.api_keys import KeyStore
from pipelines.ledger.batch_book import BatchRepository
from pipelines.ledger.protocol import Ledger
from pipelines.models.profile import ModelProfile
from pipelines.storage.protocol import BlobStore


@dataclass(frozen=True, kw_only=True)
class ApiServices:
    """The objects that the API works with; they hold connections and stay in their process.

    The default ``authenticator`` admits every request. Without ``keys`` or ``batches`` there are no routes for them.
    ``templates`` tries the templates that jobs bring; None: each in a process of its own. ``clock`` gives Unix
    seconds, ``new_id`` an id that was never used.
    """

    ledger: Ledger
    store: BlobStore
    coordinator: CoordinatorPort
    authenticator: Authenticator = field(default_factory=NoAuthentication)
    keys: KeyStore | None = None
    batches: BatchRepository | None = None
    templates: Templates | None = None
    clock: Callable[[], float] = time.time
    new_id: Callable[[], str] = new_id


@dataclass(frozen=True, kw_only=True)
class ApiConfig:
    """The limits and switches of the API: the resolved settings.

    ``public_url`` is scheme and host as clients see them, "" for URLs that begin with the path. Pages of
    ``cors_origins`` may call the API; pages of other origins may not where ``refuse_cross_site``. ``known_hosts`` are
    the names that requests may call the server by, None: any. ``profiles`` tells by model what it can, ``styles`` how
    tenants' minutes look, ``vocabularies`` the words that each tenant's decoder is given. ``webhooks`` None: no
    webhooks; ``mail_domains`` None: no e-mails, empty: to every domain. Raises `ConfigurationError` when the default
    model is not among ``models``.
    """

    models: tuple[str, ...]
    default_model: str
    limits: IngestionLimits
    llm_configured: bool
    version: str
    keeps_audio: bool = True
    reuse: bool = True
    profiles: Mapping[str, ModelProfile] = field(default_factory=dict)
    styles: TenantStyles = field(default=TenantStyles())
    vocabularies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    webhooks: WebhookLimits | None = None
    mail_domains: frozenset[str] | None = None
    twilio: tuple[TwilioAccount, ...] = ()
    usd_per_audio_hour: float | None = None
    public_url: str = ""
    cors_origins: tuple[str, ...] = ()
    known_hosts: frozenset[str] | None = None
    refuse_cross_site: bool = True

    def __post_init__(self) -> None:
        if self.default_model not in self.models:
            known = ", ".join(self.models) or "no models"
            raise ConfigurationError(f"the default model {self.default_model!r} is not among {known}")
