"""Liveness, readiness component by component, the models, and the application itself."""

import threading
from dataclasses import replace

import pytest

from deployments.http.app import Ingestion
from deployments.http.config import ApiServices
from deployments.http.routes import health
from deployments.limits import BacklogBound, IngestionLimits
from deployments.ports import ModelStatus
from pipelines.errors import ConfigurationError
from pipelines.jobs.job import Progress
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.api_harness import SteeredCoordinator, api_config


@pytest.fixture(autouse=True)
def always_fresh(monkeypatch):
    """Check anew at every request."""
    monkeypatch.setattr(health, "FRESH_S", -1.0)


async def ready(api):
    answer = await api.client.get("/readyz")
    body = answer.json()
    return answer.status_code, body["status"], body["components"]


async def test_alive(api):
    """The process says that it lives, whatever else is down."""
    api.store.outage = api.ledger.outage = "down"
    answer = await api.client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "version": "1.2.3"})


async def test_all_well(make_api):
    """With everything up, every component is ok and the device is named."""
    status, overall, components = await ready(await make_api(llm_configured=True))
    assert (status, overall) == (200, "ok")
    assert set(components) == {"ledger", "store", "coordinator", "model", "device", "llm_key"}
    assert {component["status"] for component in components.values()} == {"ok"}
    assert components["device"]["detail"] == "cpu int8"


async def test_no_key(api):
    """Without a language model's key the service is ready all the same, and says who writes the minutes."""
    status, overall, components = await ready(api)
    assert (status, overall, components["llm_key"]["status"]) == (200, "ok", "ok")
    assert "extractive" in components["llm_key"]["detail"]


@pytest.mark.parametrize("part", ["ledger", "store"])
async def test_outage(api, part):
    """A ledger or store that is away makes the service not ready, and is named with its error."""
    getattr(api, part).outage = "cable pulled"
    status, overall, components = await ready(api)
    assert (status, overall) == (503, "down")
    assert components[part] == {"status": "down", "detail": "cable pulled"}


async def test_hanging_store(make_api, monkeypatch):
    """A store that hangs is down after the time-out, however often it is asked."""
    monkeypatch.setattr(health, "CHECK_TIMEOUT_S", 0.02)
    released = threading.Event()

    class HangingStore(MemoryStore):
        def check(self):
            released.wait(60)

    api = await make_api(store=HangingStore())
    try:
        for _ in range(6):
            status, _, components = await ready(api)
            assert (status, components["store"]["status"]) == (503, "down")
    finally:
        released.set()


async def test_silent_coordinator(api):
    """Without a Coordinator nothing is transcribed: not ready."""
    api.coordinator.broken = RuntimeError("ActorDiedError")
    status, _, components = await ready(api)
    assert status == 503
    assert {components[name]["status"] for name in ("coordinator", "model", "device")} == {"down"}


@pytest.mark.parametrize(
    ("changes", "component", "expected", "words"),
    [
        ({"draining": True}, "coordinator", "down", "draining"),
        ({"ledger_ok": False}, "coordinator", "down", "cannot reach the ledger"),
        ({"store_ok": False, "ledger_ok": False}, "coordinator", "down", "the ledger and the store"),
        ({"models": ()}, "model", "down", "mini-en: not ready; base: not ready"),
        ({"models": (ModelStatus(name="base", ready=True),)}, "model", "degraded", "mini-en: not ready; base: ready"),
        ({"models": (ModelStatus(name="base", ready=False),)}, "device", "down", ""),
        (
            {
                "models": (
                    ModelStatus(name="mini-en", ready=True),
                    ModelStatus(name="base", ready=False, scaled_to_zero=True),
                )
            },
            "model",
            "ok",
            "mini-en: ready; base: asleep",
        ),
    ],
)
async def test_cluster_states(api, changes, component, expected, words):
    """What the Coordinator says about itself and the models decides about readiness."""
    api.coordinator.cluster = replace(api.coordinator.cluster, **changes)
    status, _, components = await ready(api)
    assert components[component]["status"] == expected
    assert words in components[component]["detail"]
    assert status == (503 if expected == "down" else 200)


async def test_checks_are_shared(make_api, monkeypatch):
    """Probes that come together share one check, because a check writes."""
    monkeypatch.setattr(health, "FRESH_S", 60.0)
    n_checks = 0

    class CountingStore(MemoryStore):
        def check(self):
            nonlocal n_checks
            n_checks += 1

    api = await make_api(store=CountingStore())
    for _ in range(5):
        await ready(api)
    assert n_checks == 1


async def test_models(api):
    """Every configured model is listed, with the default marked; readiness is null while nobody knows."""
    api.coordinator.cluster = replace(
        api.coordinator.cluster, models=(ModelStatus(name="mini-en", ready=True, detail="cuda:0 float16"),)
    )
    assert (await api.client.get("/v1/models")).json()["models"] == [
        {"name": "mini-en", "default": True, "ready": True, "detail": "cuda:0 float16"},
        {"name": "base", "default": False, "ready": None, "detail": ""},
    ]
    api.coordinator.broken = RuntimeError("ActorDiedError")
    models = (await api.client.get("/v1/models")).json()["models"]
    assert [model["ready"] for model in models] == [None, None]


def test_default_model_must_exist(tmp_path):
    """A default model that is not offered is a configuration error at the start, not at the first job."""
    with pytest.raises(ConfigurationError, match="huge"):
        api_config(IngestionLimits(spool_dir=tmp_path), models=("mini-en",), default_model="huge")


async def test_the_deployment_class(tmp_path):
    """The plain class builds the same application where Ray Serve asks for it, and has no call of its own."""
    ledger = MemoryLedger()
    ingestion = Ingestion(
        ApiServices(ledger=ledger, store=MemoryStore(), coordinator=SteeredCoordinator(ledger)),
        api_config(IngestionLimits(spool_dir=tmp_path / "spool"), llm_configured=True, version="9.9"),
    )
    app = ingestion.__serve_build_asgi_app__()
    assert app.version == "9.9"
    assert {"/v1/jobs", "/v1/models", "/healthz", "/readyz"} <= set(app.openapi()["paths"])
    assert not callable(ingestion)


async def test_a_full_backlog(make_api):
    """At the bound of the cluster /readyz says 503 and when to come again, and jobs are refused; below it neither."""
    api = await make_api(bound=BacklogBound(max_jobs=2))
    await api.submit()
    assert (await ready(api))[0] == 200
    await api.submit()
    answer = await api.client.get("/readyz")
    assert (answer.status_code, answer.json()["components"]["backlog"]["status"]) == (503, "down")
    assert int(answer.headers["retry-after"]) == 60
    refused = await api.client.post("/v1/jobs", content=b"RIFF")
    assert (refused.status_code, refused.json()["reason"]) == (429, "overloaded")
    assert int(refused.headers["retry-after"]) > 0


async def test_a_full_backlog_says_when_there_is_room(make_api):
    """The wait is what lies beyond the bound at the speed of the cluster: 200 s of audio at twice real time."""
    api = await make_api(bound=BacklogBound(max_audio_s=100.0))
    job_id = await api.submit()
    found = api.ledger.jobs[job_id]
    api.ledger.jobs[job_id] = replace(found, progress=Progress(audio_s=300.0))
    answer = await api.client.get("/readyz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "100")
