"""The file that ``serve deploy`` and KubeRay take, made from the settings: `meetmemo config serve` prints it."""

from typing import Any

import yaml

from cluster.settings.settings import Settings

APP_NAME = "meetmemo"
BUILDER = "cluster.app:build_app"


def serve_config(settings: Settings) -> dict[str, Any]:
    """Return the given settings as a Serve config for `cluster.app.build_app`; replicas read secrets themselves."""
    args = settings.model_dump(mode="json", exclude_unset=True, exclude={"deepseek_api_key"})
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": settings.http.host, "port": settings.http.port},
        "applications": [{"name": APP_NAME, "route_prefix": "/", "import_path": BUILDER, "args": args}],
    }


def serve_yaml(settings: Settings) -> str:
    """Return the same as text."""
    text: str = yaml.safe_dump(serve_config(settings), sort_keys=False, allow_unicode=True, width=120)
    return text
