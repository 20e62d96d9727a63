"""`build_app`: the Serve graph. The only place that knows how many replicas there are and what each may use.

Ingestion ──▶ Coordinator ──▶ Segmenter, Diarizer, MinutesWriter (Ingestion calls the Diarizer to enrol voices)
                  ▲   │
          claim,  │   │ pulls
         complete │   ▼
              Transcriber (one deployment per model)

The Coordinator is several deployments where shards divide the jobs.
"""

from typing import Any

import ray
from ray import serve
from ray.serve import Application, Deployment

from cluster.serve.accepting_router import AcceptingRouter
from cluster.serve.autoscaling_policy import BacklogPolicy
from cluster.serve.config_file import APP_NAME
from cluster.serve.coordinator import CoordinatorReplica
from cluster.serve.deployment_versions import (
    DIARIZER,
    INGESTION,
    MINUTES_WRITER,
    SEGMENTER,
    DeploymentPlan,
    coordinator_names,
    plan_of,
    transcriber_name,
)
from cluster.serve.diarizer import DiarizerReplica
from cluster.serve.engine_share import EngineShare, share_of
from cluster.serve.ingestion import IngestionReplica
from cluster.serve.minutes_writer import MinutesWriterReplica
from cluster.serve.segmenter import SegmenterReplica
from cluster.serve.transcriber import TranscriberReplica
from cluster.settings.sections import ModelSettings
from cluster.settings.settings import Settings
from pipelines.scheduling.shards import Shard

# The Coordinator, Ingestion and the MinutesWriter mostly wait: for uploads, for changes, for answers of
# a model. Their own limits refuse what is too much.
_MANY = 10_000
# A replica that is stopped may finish its batch: 2–3 times the longest batch of a large model on a slow device.
_DRAIN_S = 120.0
# Of what needs no device, a new replica is ready before an old one goes. A Transcriber would find no free GPU, and a
# second Coordinator would wait for the lease of the first.
_NEW_FIRST = 100
# Recordings that a Segmenter cuts at a time; some more wait in it, so that it need not wait for the router.
_CUT_AT_ONCE = 2
# Open calls of the Coordinator for each Segmenter there may be: what it cuts, and as much that waits in it.
_CALLS_TO_CUT = _CUT_AT_ONCE * 2
# Diarizers reserve nothing, so that they find room where Transcribers and Segmenters took all: they have low priority.
_NO_CORE = 0
_IDLE_DIARIZER_S = 600.0
# A router looks for room in full replicas after longer and longer pauses, by default up to half a second: two calls in
# every half second were all that a Segmenter got, were they done in a tenth of it.
_PROMPT: dict[str, Any] = {"max_backoff_s": 0.1}
# Of what refuses no call, or is called by one process alone, which counts its own calls: see there what that spares.
_ACCEPTING: dict[str, Any] = {"request_router_class": f"{AcceptingRouter.__module__}:{AcceptingRouter.__name__}"}


def build_app(args: dict[str, Any]) -> Application:
    """Build the application from settings as `Settings.model_dump` gives them (also from ``serve deploy``)."""
    settings = Settings.model_validate(args)
    shares, n_cpus = _shares_of(settings)
    plan = plan_of(settings, shares)
    n_segmenters = max(1, int(n_cpus // 2))
    segmenter = _deployment(
        SegmenterReplica,
        plan,
        name=SEGMENTER,
        max_surge_percent=_NEW_FIRST,
        max_ongoing_requests=_CUT_AT_ONCE * 4,
        request_router_config=_PROMPT | (_ACCEPTING if settings.coordinator.shards == 1 else {}),
        autoscaling_config={
            "min_replicas": 1,
            "max_replicas": n_segmenters,
            "target_ongoing_requests": _CUT_AT_ONCE,
            "metrics_interval_s": 2,
            "look_back_period_s": 4,
            "upscale_delay_s": 4,
            "downscale_delay_s": 60,
        },
        ray_actor_options=_on_cpu(settings, 0.5),
        health_check_period_s=5,
        graceful_shutdown_timeout_s=_DRAIN_S,
    ).bind(settings, _CUT_AT_ONCE)
    diarizer = _deployment(
        DiarizerReplica,
        plan,
        name=DIARIZER,
        max_surge_percent=_NEW_FIRST,
        max_ongoing_requests=2,  # one is heard, the other need not wait for the router
        request_router_config=_PROMPT,
        autoscaling_config={
            "min_replicas": 0,
            "max_replicas": max(1, int(n_cpus // 2)),
            "target_ongoing_requests": 1,
            "metrics_interval_s": 2,
            "look_back_period_s": 4,
            "upscale_delay_s": 4,
            "downscale_delay_s": 60,
            "downscale_to_zero_delay_s": _IDLE_DIARIZER_S,
        },
        ray_actor_options=_on_cpu(settings, _NO_CORE),
        health_check_period_s=5,
        graceful_shutdown_timeout_s=_DRAIN_S,
    ).bind(settings)
    waiting: dict[str, Any] = {
        "max_surge_percent": _NEW_FIRST,
        "max_ongoing_requests": _MANY,
        "ray_actor_options": _on_cpu(settings, 0),
        "health_check_period_s": 5,
    }
    minutes_writer = _deployment(
        MinutesWriterReplica,
        plan,
        name=MINUTES_WRITER,
        num_replicas=settings.minutes.replicas,
        request_router_config=_ACCEPTING,
        **waiting,
    ).bind(settings)
    transcribers = {model.name: _transcriber(settings, model, shares[model.name], plan) for model in settings.models}
    shards = [Shard(index, settings.coordinator.shards) for index in range(settings.coordinator.shards)]
    coordinators = [
        _deployment(
            CoordinatorReplica,
            plan,
            name=name,
            num_replicas=1,
            max_ongoing_requests=_MANY,
            request_router_config=_ACCEPTING,
            ray_actor_options=_on_cpu(settings, 0),
            health_check_period_s=2,
            graceful_shutdown_wait_loop_s=0.5,
            graceful_shutdown_timeout_s=10,
        ).bind(
            settings,
            segmenter,
            diarizer,
            minutes_writer,
            transcribers,
            shares,
            shard.divided(_CALLS_TO_CUT * n_segmenters),
            shard,
        )
        for name, shard in zip(coordinator_names(settings), shards, strict=True)
    ]
    ingestion = _deployment(serve.ingress()(IngestionReplica), plan, name=INGESTION, **waiting)
    return ingestion.bind(settings, coordinators, diarizer)


def deploy(settings: Settings) -> None:
    """Deploy on the connected cluster and wait until it runs; replicas whose plan is the same as before run on.

    Raises ``RuntimeError`` when it does not come to run.
    """
    serve.run(build_app(settings.model_dump()), name=APP_NAME, route_prefix="/")


def plan_now(settings: Settings) -> DeploymentPlan:
    """Return what these settings make of each deployment on the connected cluster."""
    return plan_of(settings, _shares_of(settings)[0])


def _shares_of(settings: Settings) -> tuple[dict[str, EngineShare], float]:
    """Return what a replica of each model gets of the cluster as it is now; and the cluster's cores."""
    resources = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray leaves it untyped
    n_cpus, n_gpus = resources.get("CPU", 1.0), resources.get("GPU", 0.0)
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]  # the same
    node_cpus = max([node.get("CPU", 0.0) for node in alive], default=0.0) or n_cpus
    shares = {
        model.name: share_of(settings, model, n_gpus=n_gpus, n_cpus=n_cpus, node_cpus=node_cpus)
        for model in settings.models
    }
    return shares, n_cpus


def _on_cpu(settings: Settings, num_cpus: float) -> dict[str, Any]:
    """Return the actor options of a deployment without a GPU: it stays on the nodes that the settings label for it."""
    labels = settings.ray.cpu_labels
    return {"num_cpus": num_cpus, **({"label_selector": labels} if labels else {})}


def _transcriber(settings: Settings, model: ModelSettings, share: EngineShare, plan: DeploymentPlan) -> Application:
    return _deployment(
        TranscriberReplica,
        plan,
        name=transcriber_name(model.name),
        # As many of each shard: the replica itself gives them turns.
        max_ongoing_requests=share.batches_at_once * settings.coordinator.shards,
        request_router_config=_PROMPT,
        autoscaling_config={
            "min_replicas": model.min_replicas,
            "max_replicas": share.max_replicas,
            "target_ongoing_requests": share.batches_at_once,
            "policy": {
                "policy_function": f"{BacklogPolicy.__module__}:{BacklogPolicy.__name__}",
                "policy_kwargs": {
                    "catch_up_s": model.catch_up_s,
                    "calls_at_once": share.batches_at_once,
                    "decode_slots": share.decode_slots,
                },
            },
            "metrics_interval_s": 2,
            "look_back_period_s": 4,
            "upscale_delay_s": 4,
            "downscale_delay_s": 120,
            "downscale_to_zero_delay_s": model.scale_to_zero_after_s,
        },
        ray_actor_options=share.actor_options,
        health_check_period_s=5,
        health_check_timeout_s=settings.coordinator.health_timeout_s,
        graceful_shutdown_timeout_s=_DRAIN_S,
    ).bind(settings, model, share)


def _deployment(replica: type, plan: DeploymentPlan, *, name: str, **options: Any) -> Deployment:
    # Our own logs tell what matters; a line per call, polls included, buries it.
    deployment: Deployment = serve.deployment(
        **options,
        name=name,
        user_config=plan.tunings[name] or None,  # which only those may have that can be reconfigured
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )(replica)
    # Without a version of its own Serve replaces all replicas at every `serve.run`. Its own builder passes it so, too;
    # `serve deploy` overrides it with a hash of the application's arguments.
    return deployment.options(version=plan.versions[name], _internal=True)
