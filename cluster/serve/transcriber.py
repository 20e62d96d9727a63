"""The Transcriber of one model as a deployment."""

from typing import Any

from cluster.serve import autoscaling_policy
from cluster.serve.deployment_versions import TranscriberTuning
from cluster.serve.engine_share import EngineShare
from cluster.serve.replica_process import begin_process, work_source
from cluster.settings.sections import ModelSettings
from cluster.settings.settings import Settings
from cluster.wiring.models import model_files
from deployments.workers.transcriber import Transcriber
from pipelines.storage.open import open_store


class TranscriberReplica(Transcriber):
    """Loads and warms up its model before the replica is ready."""

    def __init__(self, settings: Settings, model: ModelSettings, share: EngineShare) -> None:
        begin_process(settings)

        from pipelines.whisper.engine import WhisperEngine  # with torch, which the other replicas do without

        engine = WhisperEngine.load(model_files(settings, model).path, share.engine_options(model))
        engine.warm_up()
        super().__init__(
            name=model.name,
            engine=engine,
            store=open_store(settings.store_url),
            source=work_source(),
            max_rows=share.batch_size,
            most_rows=share.most_rows,
            decode_slots=share.decode_slots,
            hang_s=settings.coordinator.hang_s,
        )

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        tuning = TranscriberTuning.model_validate(user_config)
        self.resize(tuning.batch_size, tuning.most_rows)

    async def check_health(self) -> None:
        self.check()

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Return what `BacklogPolicy` wants to know; Serve asks every few seconds."""
        busy, standard = self.decode_slots.utilizations()
        return {
            autoscaling_policy.BUSY: busy,
            autoscaling_policy.STANDARD_BUSY: standard,
            autoscaling_policy.SPEED: self.decode_slots.speed,
            autoscaling_policy.BATCH_AUDIO_S: self.decode_slots.batch_audio_s,
            autoscaling_policy.BACKLOG_S: self.backlog_s,
            autoscaling_policy.ECONOMY_BACKLOG_S: self.economy_backlog_s,
            autoscaling_policy.PARKED: self.n_parked,
        }
