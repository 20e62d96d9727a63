"""The HTTP endpoint as a deployment."""

import functools
from typing import Any

from ray.serve.handle import DeploymentHandle

from cluster import __version__
from cluster.serve.deployment_versions import LimitTuning
from cluster.serve.replica_process import as_one, begin_process
from cluster.serve.stopping import call_when_stopped
from cluster.settings.settings import Settings
from cluster.settings.sources import process_environment
from cluster.wiring.authentication import build_authenticator, known_hosts
from cluster.wiring.limits import ingestion_limits
from cluster.wiring.models import model_files, profile_of
from cluster.wiring.notifications import can_sign, mail_domains, webhook_limits
from cluster.wiring.receipts import receipt_key
from cluster.wiring.sign_in import build_sign_in
from cluster.wiring.twilio import twilio_accounts
from cluster.wiring.voices import voice_cipher
from deployments.handles import CoordinatorHandle, DiarizerHandle
from deployments.http.app import Ingestion
from deployments.http.config import ApiConfig, ApiServices
from deployments.intake.job_policy import JobPolicy
from pipelines.jobs.prices import Prices
from pipelines.ledger.open import connect_keys, connect_ledger
from pipelines.ledger.sql_batches import SqlBatches
from pipelines.storage.open import open_store


class IngestionReplica(Ingestion):
    """Serves the HTTP API over the configured ledger and store."""

    def __init__(
        self, settings: Settings, coordinators: list[DeploymentHandle[Any]], diarizer: DeploymentHandle[Any]
    ) -> None:
        """Take the Coordinators of all shards, in order."""
        begin_process(settings)
        call_when_stopped(self.shut_down)
        self._settings = settings
        keys = connect_keys(settings.ledger_url)
        super().__init__(
            ApiServices(
                ledger=connect_ledger(settings.ledger_url),
                store=open_store(settings.store_url),
                coordinator=as_one([CoordinatorHandle(functools.partial(_same, each)) for each in coordinators]),
                authenticator=build_authenticator(settings, keys),
                keys=keys,
                batches=SqlBatches(settings.ledger_url),
                enrolment=lambda: DiarizerHandle(diarizer) if voice_cipher(process_environment()) else None,
                sign_in=build_sign_in(settings),
                signer=receipt_key(process_environment()),
            ),
            ApiConfig(
                policy=JobPolicy(
                    models=tuple(model.name for model in settings.models),
                    default_model=settings.first_model,
                    profiles={model.name: profile_of(model_files(settings, model)) for model in settings.models},
                    llm_configured=settings.llm_configured,
                    keeps_audio=settings.retention.keeps_audio,
                    styles=settings.minutes.styles,
                    vocabularies=settings.vocabulary,
                    reuse=settings.reuse,
                    diarize=None if settings.speakers.mono == "off" else settings.speakers.mono,
                    webhooks=webhook_limits(settings),
                    can_sign=lambda: can_sign(process_environment()),
                    mail_domains=mail_domains(settings),
                ),
                limits=ingestion_limits(settings),
                prices=Prices(
                    usd_per_audio_hour=settings.usd_per_audio_hour,
                    usd_per_economy_audio_hour=settings.usd_per_economy_audio_hour,
                    usd_per_device_hour=settings.usd_per_device_hour,
                ),
                twilio=twilio_accounts(settings),
                public_url=settings.http.public_url,
                version=__version__,
                cors_origins=settings.http.cors_origins,
                known_hosts=known_hosts(settings),
                refuse_cross_site=settings.auth.mode == "off",
            ),
        )

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        tuned = self._settings.model_copy(update={"limits": LimitTuning.model_validate(user_config).limits})
        self.limit(ingestion_limits(tuned))


def _same(handle: DeploymentHandle[Any]) -> DeploymentHandle[Any]:
    return handle
