"""The Coordinator as a deployment: its collaborators are opened inside the replica's process.

Stores, ledgers and models hold connections and memory that cannot travel; what travels are the resolved settings.
"""

import asyncio
import contextlib
import functools
import os
import socket
import time
from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle

from cluster.serve.config_file import APP_NAME
from cluster.serve.deployment_versions import (
    CoordinatorTuning,
    is_coordinator,
    max_live_jobs,
    scale_to_zero_models,
)
from cluster.serve.engine_share import EngineShare
from cluster.serve.replica_counts import ReplicaCounts
from cluster.serve.replica_process import begin_process, coordinator_handle
from cluster.settings.settings import Settings
from cluster.settings.sources import process_environment
from cluster.wiring.limits import language_policies, retention_of
from cluster.wiring.models import model_files, profile_of
from cluster.wiring.notifications import build_delivery_worker, build_notifications
from cluster.wiring.receipts import receipt_key
from deployments.coordinator.coordinator import Coordinator
from deployments.coordinator.options import CoordinatorOptions
from deployments.handles import DiarizerHandle, MinutesHandle, SegmenterHandle, TranscriberHandle
from deployments.shards import CoordinatorShards
from deployments.telemetry.counters import CoordinatorMetrics, MetricsOptions
from pipelines.ledger.open import connect_ledger
from pipelines.ledger.sql_batches import SqlBatches
from pipelines.models.catalogue import weights_sha256
from pipelines.scheduling.shards import Shard
from pipelines.storage.open import open_store


def stop_coordinators(drain_s: float) -> None:
    """Make the running Coordinators stop: running work gets ``drain_s`` seconds, then they release their leases.

    The next start then need not wait for the leases to run out.
    """
    application = serve.status().applications.get(APP_NAME)
    names = filter(is_coordinator, application.deployments if application else ())
    stopping = [serve.get_deployment_handle(name, app_name=APP_NAME).stop.remote(drain_s) for name in names]
    until_s = time.monotonic() + drain_s + 10
    for each in stopping:
        with contextlib.suppress(Exception):  # of one that is gone: the others release theirs
            each.result(timeout_s=max(0.1, until_s - time.monotonic()))


def build_counters(settings: Settings) -> CoordinatorMetrics:
    """Return the Coordinator's counters, with a series for every configured model and class of tenants."""
    return CoordinatorMetrics(
        [model.name for model in settings.models],
        MetricsOptions(
            tenant_classes=settings.metrics.tenant_classes,
            base_s=settings.metrics.objective_base_s,
            per_audio_s=settings.metrics.objective_per_audio_s,
        ),
    )


class CoordinatorReplica(Coordinator):
    """Starts a Coordinator before its first health check passes, and releases its lease when it is stopped."""

    def __init__(
        self,
        settings: Settings,
        segmenter: DeploymentHandle[Any],
        diarizer: DeploymentHandle[Any],
        minutes_writer: DeploymentHandle[Any],
        transcribers: dict[str, DeploymentHandle[Any]],
        shares: dict[str, EngineShare],
        calls_to_cut: int,
        shard: Shard,
    ) -> None:
        begin_process(settings)
        counts = ReplicaCounts(transcribers)
        counts.follow(asyncio.get_running_loop())
        others = [coordinator_handle(index) for index in range(shard.count) if index != shard.index]
        super().__init__(
            ledger=connect_ledger(settings.ledger_url),
            store=open_store(settings.store_url),
            batches=SqlBatches(settings.ledger_url),
            segmenter=SegmenterHandle(segmenter, open_calls=calls_to_cut),
            transcribers={name: TranscriberHandle(handle) for name, handle in transcribers.items()},
            diarizer=DiarizerHandle(diarizer),
            minutes_writer=MinutesHandle(minutes_writer),
            count_replicas=counts,
            wake_others=functools.partial(CoordinatorShards(others).wake, 1, counts=False) if others else None,
            counters=build_counters(settings),
            options=CoordinatorOptions(
                owner=f"{socket.gethostname()}-{os.getpid()}",
                shard=shard,
                profiles={model.name: profile_of(model_files(settings, model)) for model in settings.models},
                weights={model.name: weights_sha256(model_files(settings, model).path) for model in settings.models},
                scale_to_zero=frozenset(scale_to_zero_models(settings)),
                decode_slots={model: share.decode_slots for model, share in shares.items()},
                max_pulls={model: share.max_pulls for model, share in shares.items()},
                max_live_jobs=max_live_jobs(settings, shares),
                max_attempts=settings.coordinator.max_attempts,
                lease_s=settings.coordinator.lease_s,
                voices_timeout_s=settings.coordinator.span_timeout_s,
                batch_patience_s=settings.coordinator.batch_timeout_s,
                source_patience_s=settings.limits.source_patience_s,
                housekeeping_interval_s=settings.coordinator.housekeeping_s,
                notifications=build_notifications(settings),
                retention=retention_of(settings.retention),
                signer=receipt_key(process_environment()),
                languages=language_policies(settings.languages),
            ),
        )
        self._delivery_worker = build_delivery_worker(settings, self._ledger, self._store, self._counters)
        self._delivers = shard.index == 0
        self._deliveries: asyncio.Task[None] | None = None
        self._started = False

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        tuning = CoordinatorTuning.model_validate(user_config)
        self.retune(
            max_live_jobs=tuning.max_live_jobs,
            max_pulls=tuning.max_pulls,
            scale_to_zero=frozenset(tuning.scale_to_zero),
            retention=retention_of(tuning.retention),
        )

    async def check_health(self) -> None:
        if not self._started:
            await self.start()
            self._started = True
        if self._delivers and self._deliveries is None:
            self._deliveries = asyncio.create_task(self._delivery_worker.run(), name="deliveries")
        self.check()

    async def __del__(self) -> None:
        if self._deliveries is not None:
            self._deliveries.cancel()
        await self.stop()
