"""Sources of settings: YAML files, ``.env``, the environment."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from cluster.settings.secrets import CLIENT_KEY, SECRETS, SERVER_SECRETS, read_secret
from pipelines.errors import ConfigurationError

PREFIX = "MEETMEMO_"
MARK = "MEETMEMO_CLUSTER_OF"
"""The variable in which every process of a cluster carries its home."""

DOTENV = "MEETMEMO_DOTENV"
"""The variable that names the ``.env`` of the place where a cluster was started, in every process of it."""

VENV = "MEETMEMO_VENV"  # where the scripts keep their environment
CONFIG, URL = "MEETMEMO_CONFIG", "MEETMEMO_URL"  # options of the command line
_NO_SETTINGS = frozenset(
    {f"{name}{end}" for name in (*SERVER_SECRETS, CLIENT_KEY) for end in ("", "_FILE")}
    | {MARK, DOTENV, VENV, CONFIG, URL}
)


def process_environment() -> dict[str, str]:
    """Return this process's environment, over the variables of ``.env`` as it is now.

    That file is ``./.env``, in a cluster's processes the one of the folder where the cluster was started: what changes
    in it reaches replicas that run.
    """
    return dict(_read_dotenv(Path(os.environ.get(DOTENV) or ".env")), **os.environ)


def secret_named(name: str) -> Callable[[], str]:
    """Return a function that reads a secret of `process_environment` as it is now; see `read_secret`."""
    return lambda: read_secret(name, process_environment()) or ""


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a settings file; raises `ConfigurationError`, also for secrets in it."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"The settings file {path} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise ConfigurationError(f"The settings file {path} must hold names and values.")
    secrets = set(SECRETS.values()) & set(values)
    if secrets:
        raise ConfigurationError(f"{', '.join(sorted(secrets))}: secrets come from the environment, not from {path}.")
    return values


def from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    """Return what variables of an environment set, nested like the settings."""
    values: dict[str, Any] = {}
    for name, text in env.items():
        if name in SECRETS and text:
            values[SECRETS[name]] = text
        elif name.startswith(PREFIX) and name not in _NO_SETTINGS:
            *sections, last = name.removeprefix(PREFIX).lower().split("__")
            target = values
            for section in sections:
                target = target.setdefault(section, {})
            target[last] = yaml.safe_load(text) if text[:1] in "[{" else text
    return values


def merge(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    """Put values over others, section by section; None sets nothing."""
    for name, value in above.items():
        if isinstance(value, Mapping):
            if not isinstance(below.get(name), dict):
                below[name] = {}
            merge(below[name], value)
        elif value is not None:
            below[name] = value


def _read_dotenv(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = (line.strip().removeprefix("export ") for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("'\"") for name, equals, value in pairs if equals}
