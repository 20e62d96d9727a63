"""What a change of the settings replaces, and what it only tells."""

from typing import Any

import pytest

from cluster.serve.deployment_versions import Changes, check_change, is_coordinator, plan_of
from cluster.serve.engine_share import EngineShare, share_of
from cluster.settings.settings import Settings
from pipelines.errors import ConfigurationError

GPUS = 4.0


def settings_with(**changes: Any) -> Settings:
    models = changes.pop("models", [{"name": "base", "max_replicas": 2}, {"name": "turbo", "max_replicas": 2}])
    return Settings.model_validate({"home": "/m", "models": models, **changes})


def shares(settings: Settings) -> dict[str, EngineShare]:
    return {model.name: share_of(settings, model, n_gpus=GPUS, n_cpus=16, node_cpus=8) for model in settings.models}


def changes(**after: Any) -> Changes:
    one, other = settings_with(), settings_with(**after)
    return Changes.between(plan_of(one, shares(one)), plan_of(other, shares(other)))


def test_the_same_settings_change_nothing() -> None:
    """A second `meetmemo up` on a cluster that runs finds everything as it should be."""
    assert str(changes()) == "nothing changes"


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ({"limits": {"max_upload_mb": 1}}, {"Ingestion", "Segmenter"}),
        ({"limits": {"max_tenant_streams": 1, "max_open_upload_mb": 1}}, {"Ingestion", "Segmenter"}),
        ({"limits": {"tenants": {"acme": {"max_duration_h": 1}}}}, {"Ingestion", "Segmenter"}),
        ({"coordinator": {"max_live_jobs": 3}}, {"Coordinator"}),
        ({"retention": {"results_days": 3}}, {"Coordinator"}),
        ({"minutes": {"concurrency": 3}}, {"MinutesWriter"}),
        ({"minutes": {"tokens_per_day": 1000}}, {"MinutesWriter"}),
    ],
)
def test_what_is_told_replaces_nothing(after: dict[str, Any], told: set[str]) -> None:
    """Limits, retention and the language model's bounds reach running replicas."""
    found = changes(**after)
    assert (found.replaced, found.added, found.removed) == ((), (), ())
    assert set(found.told) == told


@pytest.mark.parametrize("name", ["max_concurrent_uploads", "max_event_streams"])
def test_what_a_replica_counts_replaces_it(name: str) -> None:
    """The gates that count all uploads and streams are made when Ingestion starts."""
    assert changes(limits={name: 3}).replaced == ("Ingestion",)


def test_a_batch_size_and_replicas_replace_nothing() -> None:
    """A model's own numbers reach its Transcribers, and the Coordinator opens calls for more replicas."""
    found = changes(models=[{"name": "base", "max_replicas": 3, "batch_size": 8}, {"name": "turbo", "max_replicas": 2}])
    assert found.replaced == ()
    assert set(found.told) == {"Transcriber-base", "Coordinator"}


def test_a_model_may_sleep_from_now_on() -> None:
    """The Coordinator is told who may sleep; Serve takes the replicas away."""
    models = [{"name": "base", "max_replicas": 2, "min_replicas": 0}, {"name": "turbo", "max_replicas": 2}]
    found = changes(models=models)
    assert (found.replaced, found.told) == ((), ("Coordinator",))


def test_another_path_replaces_one_models_transcribers() -> None:
    """Who knows the list of models is replaced, who decodes another model is not."""
    found = changes(models=[{"name": "base", "path": "/new", "max_replicas": 2}, {"name": "turbo", "max_replicas": 2}])
    assert set(found.replaced) == {"Transcriber-base", "Coordinator", "Ingestion"}


def test_another_model_comes_and_goes() -> None:
    """A model that is added or removed leaves the others' Transcribers alone."""
    found = changes(models=[{"name": "base", "max_replicas": 2}, {"name": "new", "max_replicas": 2}])
    assert (found.added, found.removed) == (("Transcriber-new",), ("Transcriber-turbo",))
    assert set(found.replaced) == {"Coordinator", "Ingestion"}


def test_a_generation_replaces_everything() -> None:
    """`meetmemo reload --restart` is a change of the generation."""
    found = changes(ray={"generation": "2"})
    assert len(found.replaced) == 7


def test_a_setting_nobody_thought_of_replaces() -> None:
    """What is not named as read by nobody is in every version that may read it."""
    assert set(changes(traces={"endpoint": "http://collector:4318/v1/traces"}).replaced) == set(
        plan_of(settings_with(), shares(settings_with())).versions
    )
    assert changes(coordinator={"hang_s": 60}).replaced == (
        "Coordinator",
        "Segmenter",
        "Transcriber-base",
        "Transcriber-turbo",
    )


def test_another_number_of_shards_replaces_who_reckons_with_it() -> None:
    """Coordinators come and go with it, models stay loaded: a pull names its shard."""
    postgres = {"ledger_url": "postgresql+psycopg://u@h/d"}
    plans = [
        plan_of(settings, shares(settings))
        for settings in (settings_with(**postgres, coordinator={"shards": n}) for n in (1, 3, 2))
    ]
    assert set(filter(is_coordinator, plans[1].versions)) == {"Coordinator", "Coordinator-1", "Coordinator-2"}
    more, fewer = Changes.between(*plans[:2]), Changes.between(*plans[1:])
    assert (more.added, more.removed) == (("Coordinator-1", "Coordinator-2"), ())
    assert set(more.replaced) == {"Coordinator", "Ingestion", "MinutesWriter"}
    assert (fewer.added, fewer.removed) == ((), ("Coordinator-2",))
    assert set(fewer.replaced) == {"Coordinator", "Coordinator-1", "Ingestion", "MinutesWriter"}


def test_shards_divide_the_live_jobs() -> None:
    """Each of them has its part of the bound, rounded up."""
    settings = settings_with(ledger_url="postgresql+psycopg://u@h/d", coordinator={"shards": 3, "max_live_jobs": 100})
    tunings = plan_of(settings, shares(settings)).tunings
    assert [tunings[name]["max_live_jobs"] for name in ("Coordinator", "Coordinator-1", "Coordinator-2")] == [34] * 3


def test_whether_voices_are_told_apart_is_ingestions_alone() -> None:
    """Options are filled in where jobs come in; a job that is there keeps its own."""
    assert changes(speakers={"mono": "auto"}).replaced == ("Ingestion",)


def test_who_may_sign_in_is_ingestions_alone() -> None:
    """A role that is given or taken replaces no part that transcribes."""
    grants = [{"group": "writers", "tenant": "acme", "role": "editor"}]
    assert changes(oidc={"grants": grants}).replaced == ("Ingestion",)


def test_what_cannot_change_is_named() -> None:
    """Ledger, store and port need a stop."""
    with pytest.raises(ConfigurationError, match=r"ledger_url, http\.port cannot change"):
        check_change(settings_with(), settings_with(ledger_url="sqlite:////x", http={"port": 1}))


def test_a_language_models_key_replaces_only_who_asks_it() -> None:
    """Models stay loaded when a key appears in ``.env`` and the settings are read again."""
    found = changes(deepseek_api_key="sk-new")
    assert set(found.replaced) == {"Ingestion", "MinutesWriter"}
    assert found.told == ()
