"""Secrets: the variables that hold them, or name the files that do."""

from collections.abc import Mapping
from pathlib import Path

from pipelines.errors import ConfigurationError

KEY = "DEEPSEEK_API_KEY"
SECRETS = {KEY: "deepseek_api_key"}
JWT_SECRET = "MEETMEMO_JWT_SECRET"  # noqa: S105 - the name of a variable
METRICS_TOKEN = "MEETMEMO_METRICS_TOKEN"  # noqa: S105 - the same
CLIENT_KEY = "MEETMEMO_API_KEY"
OIDC_SECRET = "MEETMEMO_OIDC_CLIENT_SECRET"  # noqa: S105 - the same
VOICES_KEY = "MEETMEMO_VOICES_KEY"
RECEIPT_KEY = "MEETMEMO_RECEIPT_KEY"
SERVER_SECRETS = (JWT_SECRET, METRICS_TOKEN, OIDC_SECRET, VOICES_KEY, RECEIPT_KEY)


def read_key(env: Mapping[str, str]) -> str | None:
    """Return the language model's key; see `read_secret`."""
    return read_secret(KEY, env)


def read_secret(name: str, env: Mapping[str, str]) -> str | None:
    """Return a secret from the variable ``name``, or from the file that ``name`` with ``_FILE`` names.

    Settings travel to the replicas without it: Serve's status shows what Serve deploys. Each process reads it when it
    is used, from files and from its own environment, which Ray's workers inherit from the machine they run on.
    """
    if env.get(name):
        return env[name]
    path = env.get(f"{name}_FILE")
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="utf-8-sig").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The file {path} that {name}_FILE names cannot be read: {error}") from None
