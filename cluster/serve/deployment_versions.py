"""Serve's ``user_config``, which may change while replicas run, and the version that makes Serve replace them.

Serve compares both with what runs. A new ``user_config`` goes to the replicas' ``reconfigure``; a new version replaces
them, one after the other. A version covers every setting except those that its deployment takes as ``user_config``
and those that it surely does not read, so that a setting nobody thought of replaces too much, not too little.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from cluster import __version__
from cluster.serve.engine_share import EngineShare, live_jobs
from cluster.settings.sections import LimitSettings, MinutesSettings, ModelSettings, RetentionSettings
from cluster.settings.settings import Settings
from pipelines.errors import ConfigurationError
from pipelines.scheduling.shards import Shard

COORDINATOR, INGESTION, SEGMENTER, MINUTES_WRITER = "Coordinator", "Ingestion", "Segmenter", "MinutesWriter"
DIARIZER = "Diarizer"
LIVE_OF_MINUTES = (
    "replicas",
    "concurrency",
    "window_s",
    "pack_items",
    "pack_tokens",
    "tokens_per_day",
    "cost_per_day_usd",
)
LIVE_OF_MODELS = ("batch_size", "min_replicas", "max_replicas", "scale_to_zero_after_s", "catch_up_s")
FIXED = (
    "home",
    "ledger_url",
    "store_url",
    "http.host",
    "http.port",
    "http.haproxy",
    "ray.address",
    "ray.num_cpus",
    "ray.niceness",
    "metrics.targets_dir",
)
"""Settings that a running cluster cannot change at all."""

_PRICES = ("usd_per_audio_hour", "usd_per_economy_audio_hour", "usd_per_device_hour")
_NO_JOBS = (
    "http",
    "auth",
    "oidc",
    "vocabulary",
    "languages",
    "speakers",
    *_PRICES,
    "retention",
    "webhooks",
    "email",
    "metrics",
)
_NO_MODELS = ("models", "models_dir", "default_model", "reuse")
_KEY = "deepseek_api_key"  # whether there is one; its value is read at each call
_NOT_READ = {
    INGESTION: ("coordinator", "languages"),
    COORDINATOR: (
        "limits",
        "auth",
        "oidc",
        "minutes",
        "vocabulary",
        "speakers",
        "sources",
        *_PRICES,
        "retention",
        _KEY,
    ),
    SEGMENTER: (*_NO_JOBS, *_NO_MODELS, "limits", "minutes", "ledger_url", _KEY),
    DIARIZER: (*_NO_JOBS, *_NO_MODELS, "limits", "minutes", "ledger_url", "sources", "twilio", "coordinator", _KEY),
    MINUTES_WRITER: (*_NO_JOBS, *_NO_MODELS, "limits", "sources", "coordinator"),
}
_CALL_SHARDS = (INGESTION, COORDINATOR, MINUTES_WRITER)
"""Deployments that reckon the shard of a job."""
_NOT_READ_BY_TRANSCRIBERS = (
    *_NO_JOBS,
    "twilio",
    "reuse",
    "models",
    "default_model",
    "limits",
    "sources",
    "minutes",
    "ledger_url",
    _KEY,
)


class _Tuning(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LimitTuning(_Tuning):
    """The limits that Ingestion and the Segmenter enforce."""

    limits: LimitSettings = LimitSettings()


class CoordinatorTuning(_Tuning):
    """Bounds of live jobs and open pulls, the models that may scale to zero, and how long results are kept."""

    max_live_jobs: int
    max_pulls: dict[str, int]
    scale_to_zero: tuple[str, ...]
    retention: RetentionSettings


class TranscriberTuning(_Tuning):
    """Rows per batch, at first and at most."""

    batch_size: int
    most_rows: int = 0


class MinutesTuning(_Tuning):
    """The settings of minutes, which include the language model's."""

    minutes: MinutesSettings


def coordinator_name(index: int) -> str:
    """Return the deployment of a shard's Coordinator."""
    return f"{COORDINATOR}-{index}" if index else COORDINATOR


def coordinator_names(settings: Settings) -> tuple[str, ...]:
    """Return the deployments of all shards' Coordinators, in order."""
    return tuple(coordinator_name(index) for index in range(settings.coordinator.shards))


def is_coordinator(deployment: str) -> bool:
    """Return whether a deployment is the Coordinator, or that of a shard."""
    return deployment == COORDINATOR or deployment.startswith(f"{COORDINATOR}-")


def transcriber_name(model: str) -> str:
    """Return the deployment that runs a model."""
    return f"Transcriber-{model}"


@dataclass(frozen=True, kw_only=True)
class DeploymentPlan:
    """By deployment: the version that replaces its replicas when it changes, and the ``user_config`` that does not."""

    versions: Mapping[str, str]
    tunings: Mapping[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Changes:
    """The deployments that a new plan changes: replaced, reconfigured in place (``told``), added or removed."""

    replaced: tuple[str, ...]
    told: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]

    @classmethod
    def between(cls, before: DeploymentPlan, after: DeploymentPlan) -> "Changes":
        """Compare two plans."""
        kept = sorted(set(before.versions) & set(after.versions))
        replaced = tuple(name for name in kept if before.versions[name] != after.versions[name])
        return cls(
            replaced=replaced,
            told=tuple(n for n in kept if n not in replaced and before.tunings[n] != after.tunings[n]),
            added=tuple(sorted(set(after.versions) - set(before.versions))),
            removed=tuple(sorted(set(before.versions) - set(after.versions))),
        )

    def __str__(self) -> str:
        words = {"replaced": self.replaced, "told": self.told, "added": self.added, "removed": self.removed}
        return "; ".join(f"{word}: {', '.join(names)}" for word, names in words.items() if names) or "nothing changes"


def plan_of(settings: Settings, shares: Mapping[str, EngineShare]) -> DeploymentPlan:
    """Return what the settings make of each deployment; ``shares`` by model."""
    versions = {name: _version(settings, name) for name in _NOT_READ}
    versions |= dict.fromkeys(coordinator_names(settings), versions[COORDINATOR])
    limits = LimitTuning(limits=settings.limits)
    tunings: dict[str, _Tuning] = {
        INGESTION: limits,
        SEGMENTER: limits,
        DIARIZER: _Tuning(),
        COORDINATOR: CoordinatorTuning(
            max_live_jobs=max_live_jobs(settings, shares),
            max_pulls={model: share.max_pulls for model, share in shares.items()},
            scale_to_zero=scale_to_zero_models(settings),
            retention=settings.retention,
        ),
        MINUTES_WRITER: MinutesTuning(minutes=settings.minutes),
    }
    tunings |= dict.fromkeys(coordinator_names(settings), tunings[COORDINATOR])
    for model in settings.models:
        name, share = transcriber_name(model.name), shares[model.name]
        versions[name] = _transcriber_version(settings, model, share)
        tunings[name] = TranscriberTuning(batch_size=share.batch_size, most_rows=share.most_rows)
    return DeploymentPlan(
        versions=versions, tunings={name: tuning.model_dump(mode="json") for name, tuning in tunings.items()}
    )


def max_live_jobs(settings: Settings, shares: Mapping[str, EngineShare]) -> int:
    """Return the live jobs of one shard; ``shares`` by model."""
    most = settings.coordinator.max_live_jobs or live_jobs(shares.values())
    return Shard(0, settings.coordinator.shards).divided(most)


def _version(settings: Settings, name: str) -> str:
    """Return a hash of the settings that replace the replicas of a deployment that is no Transcriber."""
    frozen = _frozen(settings, _NOT_READ[name])
    # A Transcriber needs no number: each pull names the shard that opened it.
    return _hash(frozen | {"shards": settings.coordinator.shards} if name in _CALL_SHARDS else frozen)


def _transcriber_version(settings: Settings, model: ModelSettings, share: EngineShare) -> str:
    """Return a hash of the settings that replace a model's replicas: neither other models nor the number of
    replicas.
    """
    frozen = _frozen(settings, _NOT_READ_BY_TRANSCRIBERS)
    frozen["coordinator"] = {"hang_s": settings.coordinator.hang_s}
    kind = (share.num_gpus, share.num_cpus, share.threads, share.decode_slots, share.accelerator_type)
    return _hash({**frozen, "model": _model(model), "share": kind})


def scale_to_zero_models(settings: Settings) -> tuple[str, ...]:
    """Return the models that have no replica while no job needs them."""
    return tuple(model.name for model in settings.models if not model.min_replicas)


def check_change(before: Settings, after: Settings) -> None:
    """Raise `ConfigurationError` for a change that a running cluster cannot make."""
    changed = [name for name in FIXED if _at(before, name) != _at(after, name)]
    if changed:
        raise ConfigurationError(
            f"{', '.join(changed)} cannot change while the cluster runs: `meetmemo drain`, `down`, then `up`."
        )


def _frozen(settings: Settings, not_read: tuple[str, ...]) -> dict[str, Any]:
    values = settings.model_dump(mode="json", exclude=set(not_read))
    values["package"] = __version__
    if "coordinator" in values:
        del values["coordinator"]["max_live_jobs"], values["coordinator"]["shards"]
    if "limits" in values:  # the gates that count all uploads and streams are made at a start
        limits = settings.limits
        values["limits"] = {name: getattr(limits, name) for name in ("max_concurrent_uploads", "max_event_streams")}
    if "retention" in values:  # all that the endpoint asks is whether copies of recordings are kept
        values["retention"] = settings.retention.keeps_audio
    if "minutes" in values:
        values["minutes"] = {name: value for name, value in values["minutes"].items() if name not in LIVE_OF_MINUTES}
    if "models" in values:
        values["models"] = [_model(model) for model in settings.models]
    values["ray"] = {"cpu_labels": settings.ray.cpu_labels, "generation": settings.ray.generation}
    return values


def _model(model: ModelSettings) -> dict[str, Any]:
    return model.model_dump(mode="json", exclude=set(LIVE_OF_MODELS))


def _hash(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _at(settings: Settings, path: str) -> Any:
    value: Any = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value
