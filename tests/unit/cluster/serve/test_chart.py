"""The renders of the Helm chart: valid, current, and in accord with the settings, Ray and each other."""

import json
import os
import subprocess
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

from cluster.settings.settings import Settings, load_settings
from scripts.chart.rendering import CHART, NAMESPACE, RENDERED, ROOT, render, run, value_files
from scripts.chart.values_schema import with_settings
from tests.support.kubernetes import VERSIONS, faults
from tests.support.missing import missing

CONFIGS = ROOT / "configs"
RENDERS = sorted(value_files())
Manifest = dict[str, Any]


def manifests(name: str) -> list[Manifest]:
    text = (RENDERED / f"{name}.yaml").read_text()
    return [part for part in yaml.load_all(text, Loader=yaml.CSafeLoader) if part]


def of_kind(name: str, kind: str) -> list[Manifest]:
    return [part for part in manifests(name) if part["kind"] == kind]


def service(name: str) -> Manifest:
    (one,) = of_kind(name, "RayService")
    return one["spec"]


def cluster(name: str) -> Manifest:
    return service(name)["rayClusterConfig"]


def groups(name: str) -> dict[str, Manifest]:
    return {group["groupName"]: group for group in cluster(name)["workerGroupSpecs"]}


def pods(name: str) -> list[Manifest]:
    return [cluster(name)["headGroupSpec"]["template"], *(group["template"] for group in groups(name).values())]


def settings(name: str) -> Settings:
    return Settings.model_validate(yaml.safe_load(service(name)["serveConfigV2"])["applications"][0]["args"])


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    return selector["matchLabels"].items() <= labels.items()


@pytest.fixture(scope="module")
def helm() -> str:
    """Return Helm's path, where `scripts/fetch-helm` put it (CI does first)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = os.environ.get("HELM") or next(map(str, cache.glob("meetmemo/helm-*/helm")), None)
    if found is None:
        missing("needs Helm: scripts/fetch-helm, or its path in HELM")
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", RENDERS)
def test_every_manifest_has_the_form_of_its_kind(name: str, version: str) -> None:
    """By Kubernetes' strict schemas, KubeRay's field reference and the Prometheus operator's models."""
    found = {f"{part['kind']}/{part['metadata']['name']}": faults(part, version) for part in manifests(name)}
    assert {what: wrong for what, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("RayService", ("spec", "rayClusterConfig")),
        ("RayService", ("spec", "rayClusterConfig", "workerGroupSpecs", 0, "template", "spec")),
        ("RayService", ("spec", "serveService", "spec", "ports", 0)),
        ("NetworkPolicy", ("spec",)),
        ("ServiceMonitor", ("spec", "endpoints", 0)),
        ("PrometheusRule", ("spec", "groups", 0, "rules", 0)),
    ],
)
def test_an_unknown_field_is_found(kind: str, path: tuple[str | int, ...]) -> None:
    """What the validation is worth: one field that no version knows is told."""
    manifest = part = of_kind("monitoring", kind)[0]
    for key in path:
        part = part[key]  # type: ignore[index]  # a list's place or a mapping's key
    part["nosuch"] = 1
    assert any("nosuch" in fault for fault in faults(manifest, VERSIONS[-1]))


@pytest.mark.parametrize("name", RENDERS)
def test_the_renders_are_current(helm: str, name: str) -> None:
    """``scripts/make-chart`` was run after the last change; Helm itself renders."""
    assert (RENDERED / f"{name}.yaml").read_text() == render(helm, name)


def test_the_schema_of_values_knows_the_settings_of_today() -> None:
    """``scripts/make-chart`` was run after the last change of a setting."""
    schema = (CHART / "values.schema.json").read_text()
    assert with_settings(schema) == schema


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("groups.cpu.minReplica=3", "minReplica"),
        ("settings.http.prot=80", "prot"),
        ("settings.ledger_url=sqlite:///x", "ledger_url"),
        ("image.cpu.digest=latest", "digest"),
        ("ray.upgradeStrategy=Rolling", "upgradeStrategy"),
        ("database.password=secret", "password"),
    ],
)
def test_wrong_values_are_refused(helm: str, given: str, told: str) -> None:
    """A misspelt value, a setting that is none, one that the chart fills itself: Helm names it and renders nothing."""
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run(helm, "template", "meetmemo", str(CHART), "--set", given)
    assert told in refused.value.stderr


def test_helm_finds_no_fault(helm: str) -> None:
    """``helm lint --strict`` for all files of values."""
    for files in value_files().values():
        run(helm, "lint", "--strict", str(CHART), *(part for path in files for part in ("-f", str(path))))


def test_two_releases_share_a_namespace(helm: str) -> None:
    """Nothing that one of them makes has the name of something of the other."""
    named = [
        {
            (part["kind"], part["metadata"]["name"])
            for part in yaml.safe_load_all(run(helm, "template", release, str(CHART)))
            if part
        }
        for release in ("meetmemo", "second")
    ]
    assert not named[0] & named[1]


def test_by_default_it_deploys_what_the_cluster_file_says() -> None:
    """The chart's own values are `configs/cluster.yaml` with addresses of its own."""
    assert settings("default") == load_settings(CONFIGS / "cluster.yaml", env={})


@pytest.mark.parametrize("name", RENDERS)
def test_serve_takes_the_configuration(name: str) -> None:
    """Ray Serve's own form, and settings that hold together."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray Serve warns about itself when it is imported
        from ray.serve.schema import ServeDeploySchema
    config = yaml.safe_load(service(name)["serveConfigV2"])
    assert ServeDeploySchema.model_validate(config).applications[0].import_path == "cluster.app:build_app"
    assert settings(name).auth.mode == "keys"
    assert config["http_options"]["port"] == settings(name).http.port


@pytest.mark.parametrize("name", RENDERS)
def test_rays_autoscaler_learns_what_replicas_ask_for(name: str) -> None:
    """Read by Ray's own code: labels, GPUs and kinds of GPU of the groups are those that the settings ask for."""
    resource = {"metadata": {"name": "meetmemo", "namespace": NAMESPACE}, "spec": cluster(name)}
    kinds = _derive_autoscaling_config_from_ray_cr(resource)["available_node_types"]
    head = kinds.pop("headgroup")
    assert head["resources"]["CPU"] == 0
    wanted = settings(name)
    on_cpu = [kind for kind in kinds.values() if wanted.ray.cpu_labels.items() <= kind["labels"].items()]
    assert on_cpu
    assert all(kind["resources"]["CPU"] >= 1 and not kind["resources"].get("GPU") for kind in on_cpu)
    assert not wanted.ray.cpu_labels.items() <= head["labels"].items()
    for model in wanted.models:
        if model.device != "cuda":
            continue
        fitting = [
            kind
            for kind in kinds.values()
            if kind["resources"].get("GPU")
            and (not model.accelerator_type or f"accelerator_type:{model.accelerator_type}" in kind["resources"])
        ]
        n_gpus = sum(kind["max_workers"] * kind["resources"]["GPU"] for kind in fitting)
        assert n_gpus >= model.max_replicas * model.gpus_per_replica, model.name
        at_once = sum(kind["min_workers"] * kind["resources"]["GPU"] for kind in fitting)
        assert at_once >= model.min_replicas * model.gpus_per_replica, model.name


@pytest.mark.parametrize("name", RENDERS)
def test_what_pods_mount_and_listen_on_is_what_the_settings_name(name: str) -> None:
    """Home, models and the port; the head names the port as well, or KubeRay makes no service."""
    wanted = settings(name)
    for pod in pods(name):
        container = pod["spec"]["containers"][0]
        assert {"name": "serve", "containerPort": wanted.http.port} in container["ports"]
    for group in groups(name).values():
        mounts = [mount["mountPath"] for mount in group["template"]["spec"]["containers"][0]["volumeMounts"]]
        assert str(wanted.home) in mounts
        assert all(any(model.path.startswith(mount) for mount in mounts) for model in wanted.models if model.path)
    (port,) = service(name)["serveService"]["spec"]["ports"]
    assert (port["name"], port["port"]) == ("serve", wanted.http.port)


@pytest.mark.parametrize("name", RENDERS)
def test_no_probe_needs_a_program_of_the_image(name: str) -> None:
    """All three are HTTP requests: KubeRay's own run shell commands for every probe that a pod leaves out."""
    for pod in pods(name):
        container = pod["spec"]["containers"][0]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["path"].endswith("healthz"), probe


@pytest.mark.parametrize("name", RENDERS)
def test_worker_pods_drain_before_they_end(name: str) -> None:
    """Before the signal that ends Ray the node is drained, within what the kubelet grants."""
    for group in groups(name).values():
        spec = group["template"]["spec"]
        command = spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
        assert command[:2] == ["meetmemo-drain-node", "--timeout-s"]
        assert float(command[2]) + 10 <= spec["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("name", RENDERS)
def test_a_disruption_budget_lets_one_pod_go(name: str) -> None:
    """RayClusters have no scale subresource: with maxUnavailable no pod could be evicted, and no node drained.

    Pods without a replica are not ready, so that a budget over a group that has some would block for ever: only groups
    whose every pod carries a replica of a model have one.
    """
    on_gpus = [group for group in groups(name).values() if "gpu" in group["labels"]["meetmemo-node"]]
    budgeted = [group for group in on_gpus if group["minReplicas"] > 1]
    budgets = of_kind(name, "PodDisruptionBudget")
    assert len(budgets) == len(budgeted)
    for budget in budgets:
        spec = budget["spec"]
        assert "maxUnavailable" not in spec
        (chosen,) = [
            group
            for group in groups(name).values()
            if selects(spec["selector"], group["template"]["metadata"]["labels"])
        ]
        assert spec["minAvailable"] == chosen["minReplicas"] - 1
        kind = next(iter(chosen["resources"])).removeprefix("accelerator_type:")
        (model,) = [model for model in settings(name).models if model.accelerator_type == kind]
        assert model.min_replicas >= chosen["minReplicas"]


@pytest.mark.parametrize("name", RENDERS)
def test_policies_and_monitors_select_what_is_there(name: str) -> None:
    """The network policy holds for all pods, monitors find a port by its name, KubeRay's own label is left alone."""
    (policy,) = of_kind(name, "NetworkPolicy")
    for pod in pods(name):
        labels = pod["metadata"]["labels"]
        assert selects(policy["spec"]["podSelector"], labels)
        assert "app.kubernetes.io/name" not in labels
        assert not any("0.1.0" in value for value in labels.values())  # a new chart alone replaces no cluster
    for monitor in of_kind(name, "ServiceMonitor"):
        assert selects(monitor["spec"]["selector"], service(name)["serveService"]["metadata"]["labels"])
        assert monitor["spec"]["endpoints"][0]["port"] == service(name)["serveService"]["spec"]["ports"][0]["name"]
    for monitor in of_kind(name, "PodMonitor"):
        for pod in pods(name):
            assert selects(monitor["spec"]["selector"], pod["metadata"]["labels"])
            names = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
            assert monitor["spec"]["podMetricsEndpoints"][0]["port"] in names


@pytest.mark.parametrize("name", RENDERS)
def test_secrets_are_named_and_never_rendered(name: str) -> None:
    """Every secret and key that a render names is in `secrets.example.yaml`; no render holds one."""
    given = {
        part["metadata"]["name"]: set(part["stringData"])
        for part in yaml.safe_load_all((CONFIGS / "helm" / "secrets.example.yaml").read_text())
    }
    assert of_kind(name, "Secret") == []
    references = list(_references(manifests(name)))
    assert {"meetmemo-database", "meetmemo-redis", "meetmemo-store"} <= {secret for secret, _ in references}
    for secret, key in references:
        assert key in given[secret], (secret, key)
    assert "auth_token" in given[cluster(name)["authOptions"]["secretName"]]


def _references(part: Any) -> Any:
    if isinstance(part, list):
        for item in part:
            yield from _references(item)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key == "secretKeyRef" or (key == "credentials" and "key" in value):
                yield value["name"], value["key"]
            else:
                yield from _references(value)


@pytest.mark.parametrize("name", RENDERS)
def test_images_are_pinned(name: str) -> None:
    """By digest or by a version; the tag is the program's version."""
    images = {container["image"] for pod in pods(name) for container in pod["spec"]["containers"]}
    assert images
    for image in images:
        assert "@sha256:" in image or image.rpartition(":")[2] in {"0.1.0-cpu", "0.1.0-cuda"}, image


def test_nothing_leaves_an_air_gapped_cluster() -> None:
    """All images come by digest from a registry inside, nothing is fetched, and egress is listed."""
    for pod in pods("airgapped"):
        for container in pod["spec"]["containers"]:
            assert container["image"].startswith("registry.internal:5000/meetmemo@sha256:")
    assert of_kind("airgapped", "Job") == []
    assert settings("airgapped").minutes.writer == "extractive"
    (policy,) = of_kind("airgapped", "NetworkPolicy")
    assert "Egress" in policy["spec"]["policyTypes"]
    anywhere = [rule["ports"] for rule in policy["spec"]["egress"] if "to" not in rule]
    assert [[port["port"] for port in ports] for ports in anywhere] == [[443, 6443]]  # the API server's


def test_the_pool_that_is_always_there_has_a_budget() -> None:
    """One pod of it may go at a time."""
    (budget,) = of_kind("two-pools", "PodDisruptionBudget")
    assert budget["metadata"]["name"] == "meetmemo-interactive"


def test_two_pools_are_apart() -> None:
    """Each model runs on its own kind of GPU; one pool is always there, the other comes with work and may be taken."""
    batch, interactive = settings("two-pools").models
    assert settings("two-pools").first_model == batch.name == "batch"
    assert (batch.min_replicas, groups("two-pools")["batch"]["minReplicas"]) == (0, 0)
    assert interactive.min_replicas <= groups("two-pools")["interactive"]["minReplicas"]
    assert batch.path == interactive.path
    places = [groups("two-pools")[pool]["template"]["spec"]["nodeSelector"] for pool in ("batch", "interactive")]
    assert places[0] != places[1]
    tolerated = {
        pool: {entry["key"] for entry in groups("two-pools")[pool]["template"]["spec"]["tolerations"]}
        for pool in ("batch", "interactive")
    }
    assert tolerated["batch"] - tolerated["interactive"] == {"meetmemo/spot"}


def test_monitoring_is_that_of_the_other_configurations() -> None:
    """Rules, dashboards and the choice of Ray's metrics are the files in `configs/`, not copies."""
    (rules,) = of_kind("monitoring", "PrometheusRule")
    there = [
        group
        for path in sorted((CONFIGS / "prometheus" / "rules").glob("*.yml"))
        for group in yaml.safe_load(path.read_text())["groups"]
    ]
    assert rules["spec"]["groups"] == there
    dashboards = {path.name: path.read_text() for path in (CONFIGS / "grafana" / "dashboards").glob("*.json")}
    rendered = {key: text for part in of_kind("monitoring", "ConfigMap") for key, text in part["data"].items()}
    assert {key: json.loads(text) for key, text in rendered.items()} == {
        key: json.loads(text) for key, text in dashboards.items()
    }
    (monitor,) = of_kind("monitoring", "PodMonitor")
    scrape = yaml.safe_load((CONFIGS / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    (ray,) = [job for job in scrape if job["job_name"] == "ray"]
    assert [
        (kept["action"], kept["regex"], kept.get("sourceLabels"))
        for kept in monitor["spec"]["podMetricsEndpoints"][0]["metricRelabelings"]
    ] == [(kept["action"], kept["regex"], kept.get("source_labels")) for kept in ray["metric_relabel_configs"]]


def test_jobs_of_prometheus_have_the_names_that_alerts_use() -> None:
    """Alerts ask for ``up{job="meetmemo"}`` and ``up{job="ray"}``; the endpoints are one target for Prometheus."""
    (endpoint,), (ray,) = of_kind("monitoring", "ServiceMonitor"), of_kind("monitoring", "PodMonitor")
    set_to = {
        kept.get("targetLabel"): kept.get("replacement") for kept in endpoint["spec"]["endpoints"][0]["relabelings"]
    }
    assert set_to["job"] == "meetmemo"
    assert set_to["__address__"] == f"{service('monitoring')['serveService']['metadata']['name']}.{NAMESPACE}.svc:8000"
    (job,) = [kept["replacement"] for kept in ray["spec"]["podMetricsEndpoints"][0]["relabelings"]]
    assert job == "ray"
    for expression in ('up{job="meetmemo"}', 'up{job="ray"}'):
        assert expression in (CONFIGS / "prometheus" / "rules" / "alerts.yml").read_text()


def test_the_chart_names_the_versions_that_are_locked() -> None:
    """Its version of Ray is the one in constraints.txt, and MeetMemo's that of the package."""
    locked = dict(line.split("==", 1) for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert cluster("default")["rayVersion"] == locked["ray"]
    told = chart["annotations"]["meetmemo/kubernetes"]
    assert all(version in told for version in VERSIONS)
    assert f'version = "{chart["appVersion"]}"' in (ROOT / "pyproject.toml").read_text()
    assert (
        f"prometheus-operator: {locked['cloudcoil.models.prometheus_operator'].rpartition('.')[0]}"
        in (CHART / "Chart.yaml").read_text()
    )
