"""Parts that replicas build of settings, built here first: what is wrong with them is told before anything starts.

The settings themselves may be right and still not go together with the environment, the files and a model's context.
In a replica each of these faults would be a traceback, and the start would wait for its end.
"""

from collections.abc import Callable, Iterator

from cluster.lifecycle.environment import check_secrets
from cluster.settings.secrets import KEY
from cluster.settings.settings import Settings
from cluster.settings.sources import secret_named
from cluster.wiring.authentication import build_authenticator
from cluster.wiring.limits import ingestion_limits, language_policies
from cluster.wiring.logging import configure_tracing
from cluster.wiring.minutes_writers import build_writers
from cluster.wiring.models import model_files, profile_of
from deployments.telemetry import tracing
from pipelines.errors import ConfigurationError, MeetMemoError
from pipelines.ledger.open import connect_keys
from pipelines.storage.open import open_store


def complaints_about(settings: Settings) -> Iterator[str]:
    """Yield what cannot be built, a sentence each. Reaches neither the ledger nor the store."""
    for build in _PARTS:
        try:
            build(settings)
        except MeetMemoError as error:
            yield str(error)


def check_buildable(settings: Settings) -> None:
    """Raise `ConfigurationError` with all that cannot be built."""
    if complaints := list(complaints_about(settings)):
        raise ConfigurationError("\n".join(complaints))


def _build_models(settings: Settings) -> None:
    for model in settings.models:
        profile_of(model_files(settings, model))


def _build_writers(settings: Settings) -> None:
    key = secret_named(KEY)
    build_writers(settings, key if key() else None, open_store(settings.store_url))


def _build_door(settings: Settings) -> None:
    keys = connect_keys(settings.ledger_url)
    build_authenticator(settings, keys)


def _build_tracing(settings: Settings) -> None:
    provider = configure_tracing(settings.traces)
    if provider is not None:
        tracing.use(None)
        provider.shutdown()


_PARTS: tuple[Callable[[Settings], object], ...] = (
    _build_models,
    check_secrets,
    _build_door,
    ingestion_limits,
    lambda settings: language_policies(settings.languages),
    _build_writers,
    _build_tracing,
)
