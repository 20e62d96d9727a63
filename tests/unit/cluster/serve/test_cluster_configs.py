"""The manifests of a cluster fit the settings, Ray's and KubeRay's forms, and each other."""

import json
import warnings
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray.autoscaler
import yaml

from cluster.serve.config_file import embed, serve_config, serve_yaml
from cluster.settings.settings import Settings, load_settings

CONFIGS = Path(__file__).parents[4] / "configs"


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(CONFIGS / "cluster.yaml", env={})


def read(path: str) -> list[Any]:
    return list(yaml.safe_load_all((CONFIGS / path).read_text()))


def test_serve_config_is_current_and_in_serves_form(settings: Settings) -> None:
    """``scripts/make-serve-config`` was run after the last change, and Ray Serve takes the file."""
    assert (CONFIGS / "serve.yaml").read_text().partition("\n")[2] == serve_yaml(settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray Serve warns about itself when it is imported
        from ray.serve.schema import ServeDeploySchema
    deployed = ServeDeploySchema.model_validate(read("serve.yaml")[0])
    assert deployed.applications[0].import_path == "cluster.app:build_app"
    assert Settings.model_validate(deployed.applications[0].args) == settings


def test_no_secret_gets_into_a_serve_config() -> None:
    """What Serve deploys can be read by whoever reads Serve's status: keys are not in it."""
    settings = load_settings(env={"DEEPSEEK_API_KEY": "sk-secret"})
    assert "sk-secret" not in json.dumps(serve_config(settings))
    assert "deepseek_api_key" not in json.dumps(serve_config(settings))


def test_the_rayservice_deploys_the_same(settings: Settings) -> None:
    """The manifest for KubeRay embeds the current configuration, and embedding it again changes nothing."""
    text = (CONFIGS / "kuberay" / "rayservice.yaml").read_text()
    assert embed(serve_yaml(settings), text) == text
    (service,) = yaml.safe_load_all(text)
    assert yaml.safe_load(service["spec"]["serveConfigV2"]) == serve_config(settings)


def test_the_rayservice_offers_what_the_settings_ask_for(settings: Settings) -> None:
    """Labels, GPUs, ports and mounted folders of the pods are those that the settings name; the head does no work."""
    cluster = read("kuberay/rayservice.yaml")[0]["spec"]["rayClusterConfig"]
    groups = {group["groupName"]: group for group in cluster["workerGroupSpecs"]}
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert cluster["gcsFaultToleranceOptions"]["redisAddress"]
    wanted = ",".join(f"{name}={value}" for name, value in settings.ray.cpu_labels.items())
    assert groups["cpu"]["rayStartParams"]["labels"] == wanted
    assert groups["gpu"]["rayStartParams"]["labels"] != wanted
    assert groups["gpu"]["maxReplicas"] >= settings.models[0].max_replicas * settings.models[0].gpus_per_replica
    pods = {name: group["template"]["spec"]["containers"][0] for name, group in groups.items()}
    assert pods["gpu"]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert {"name": "serve", "containerPort": settings.http.port} in pods["cpu"]["ports"]
    for pod in pods.values():
        assert any(settings.models[0].path.startswith(mount["mountPath"]) for mount in pod["volumeMounts"])
    assert any(str(settings.home) == mount["mountPath"] for mount in pods["cpu"]["volumeMounts"])


def test_secrets_and_claims_that_pods_name_exist() -> None:
    """Every secret and volume claim that the RayService refers to is among the other manifests."""
    text = (CONFIGS / "kuberay" / "rayservice.yaml").read_text()
    there = {
        part["metadata"]["name"] for part in [*read("kuberay/secrets.example.yaml"), *read("kuberay/policies.yaml")]
    }
    (service,) = yaml.safe_load_all(text)

    def names(part: Any) -> set[str]:
        if isinstance(part, list):
            return set().union(*map(names, part)) if part else set()
        if not isinstance(part, dict):
            return set()
        own = {part[key]["name"] for key in ("secretRef", "secretKeyRef") if key in part}
        own |= {part["persistentVolumeClaim"]["claimName"]} if "persistentVolumeClaim" in part else set()
        return own.union(*(names(value) for value in part.values()))

    assert names(service) <= there
    assert names(service) >= {"meetmemo", "meetmemo-environment", "meetmemo-models"}


def test_ray_up_takes_the_aws_file() -> None:
    """The file for `ray up` fits Ray's own schema, and its node types carry the labels that the settings name."""
    config = read("ray-up/aws.yaml")[0]
    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    jsonschema.validate(config, schema)
    assert config["available_node_types"]["head"]["resources"]["CPU"] == 0
    assert (
        config["available_node_types"]["cpu"]["labels"]
        == load_settings(CONFIGS / "cluster.yaml", env={}).ray.cpu_labels
    )


def test_compose_refers_to_files_that_are_there() -> None:
    """Folders that the compose file mounts and builds from exist, and its services' environment is known settings."""
    compose = read("docker/compose.yaml")[0]
    folder = CONFIGS / "docker"
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in compose["volumes"] or (folder / source).resolve().exists(), volume
        for needed in service.get("depends_on", []):
            assert needed in compose["services"]
    build = compose["services"]["meetmemo"]["build"]
    assert (folder / build["context"] / build["dockerfile"]).resolve().is_file()
    given = {
        name: value
        for name, value in compose["services"]["meetmemo"]["environment"].items()
        if name.startswith("MEETMEMO_") and not name.endswith("TOKEN")
    }
    assert load_settings(env=given).auth.mode == "keys"
