"""Parts that replicas build of settings, built here first: what is wrong with them is told before anything starts.

The settings themselves may be right and still not go together with the environment, the files and a model's context.
In a replica each of these faults would be a traceback, and the start would wait for its end.
"""

from collections.abc import Callable, Iterator

from cluster.settings.secrets import KEY
from cluster.settings.settings import Settings
from cluster.settings.sources import process_environment, secret_named
from cluster.wiring.authentication import build_authenticator
from cluster.wiring.limits import ingestion_limits, language_policies
from cluster.wiring.logging import configure_tracing
from cluster.wiring.minutes_writers import build_writers
from cluster.wiring.models import model_files, profile_of
from cluster.wiring.notifications import check_outgoing
from cluster.wiring.receipts import receipt_key
from cluster.wiring.sign_in import build_sign_in
from cluster.wiring.twilio import twilio_accounts
from cluster.wiring.voices import voice_cipher
from deployments.telemetry import tracing
from pipelines.errors import ConfigurationError, MeetMemoError
from pipelines.ledger.open import connect_keys, connect_ledger, connect_sessions
from pipelines.storage.open import open_store


def complaints_about(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield what cannot be built: the section of the settings and a sentence. Reaches neither ledger nor store."""
    for section, build in _PARTS:
        try:
            build(settings)
        except MeetMemoError as error:
            yield section, str(error)


def check_buildable(settings: Settings) -> None:
    """Raise `ConfigurationError` with all that cannot be built."""
    if complaints := [f"{section}: {complaint}" for section, complaint in complaints_about(settings)]:
        raise ConfigurationError("\n".join(complaints))


def _build_models(settings: Settings) -> None:
    for model in settings.models:
        profile_of(model_files(settings, model))


def _build_writers(settings: Settings) -> None:
    try:
        store, ledger = open_store(settings.store_url), connect_ledger(settings.ledger_url)
    except ConfigurationError:
        return  # told of the store, or of the ledger
    key = secret_named(KEY)
    build_writers(settings, key if key() else None, store, ledger)


def _build_door(settings: Settings) -> None:
    try:
        keys = connect_keys(settings.ledger_url)
    except ConfigurationError:
        return  # told of the ledger
    build_authenticator(settings, keys)


def _build_sign_in(settings: Settings) -> None:
    try:
        connect_sessions(settings.ledger_url)
    except ConfigurationError:
        return  # told of the ledger
    build_sign_in(settings)


def _build_tracing(settings: Settings) -> None:
    provider = configure_tracing(settings.traces)
    if provider is not None:
        tracing.use(None)
        provider.shutdown()


_PARTS: tuple[tuple[str, Callable[[Settings], object]], ...] = (
    ("ledger_url", lambda settings: connect_keys(settings.ledger_url)),
    ("store_url", lambda settings: open_store(settings.store_url)),
    ("models", _build_models),
    ("webhooks", lambda settings: check_outgoing(settings, process_environment())),
    ("twilio", twilio_accounts),
    ("auth", _build_door),
    ("oidc", _build_sign_in),
    ("sources", lambda settings: ingestion_limits(settings.model_copy(update={"twilio": ()}))),
    ("languages", lambda settings: language_policies(settings.languages)),
    ("minutes", _build_writers),
    ("speakers", lambda settings: voice_cipher(process_environment())),
    ("retention", lambda settings: receipt_key(process_environment())),
    ("traces", _build_tracing),
)
