"""`ApiServices`, the objects the API works with, and `ApiConfig`, its limits and switches."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from deployments.auth.authenticators import Authenticator, NoAuthentication
from deployments.http.sessions.sign_in import SignIn
from deployments.intake.job_policy import JobPolicy
from deployments.intake.twilio import TwilioAccount
from deployments.limits import IngestionLimits
from deployments.ports import CoordinatorPort, EnrolmentPort
from deployments.tenant.voices import no_enrolment
from pipelines.ids import new_id
from pipelines.jobs.prices import Prices
from pipelines.keeping.receipts import Signer
from pipelines.ledger.batch_book import BatchRepository
from pipelines.ledger.credentials.api_keys import KeyStore
from pipelines.ledger.protocol import Ledger
from pipelines.storage.protocol import BlobStore


@dataclass(frozen=True, kw_only=True)
class ApiServices:
    """The objects that the API works with; they hold connections and stay in their process.

    The default ``authenticator`` admits every request. Without ``keys``, ``batches`` or ``sign_in`` there are no routes
    for them; where ``enrolment`` gives nothing no voice can be enrolled, without ``signer`` receipts are unsigned.
    ``clock`` gives Unix seconds, ``new_id`` an id that was never used.
    """

    ledger: Ledger
    store: BlobStore
    coordinator: CoordinatorPort
    authenticator: Authenticator = field(default_factory=NoAuthentication)
    keys: KeyStore | None = None
    batches: BatchRepository | None = None
    enrolment: Callable[[], EnrolmentPort | None] = no_enrolment
    sign_in: SignIn | None = None
    signer: Signer | None = None
    clock: Callable[[], float] = time.time
    new_id: Callable[[], str] = new_id


@dataclass(frozen=True, kw_only=True)
class ApiConfig:
    """The limits and switches of the API: the resolved settings.

    ``public_url`` is scheme and host as clients see them, "" for URLs that begin with the path. Pages of
    ``cors_origins`` may call the API; pages of other origins may not where ``refuse_cross_site``. ``known_hosts`` are
    the names that requests may call the server by, None: any.
    """

    policy: JobPolicy
    limits: IngestionLimits
    version: str
    twilio: tuple[TwilioAccount, ...] = ()
    prices: Prices = field(default=Prices())
    public_url: str = ""
    cors_origins: tuple[str, ...] = ()
    known_hosts: frozenset[str] | None = None
    refuse_cross_site: bool = True
