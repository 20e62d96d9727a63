"""A real Prometheus over the configuration in configs/, scraping quickly, and questions to its API."""

import math
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.servers import free_port

CONFIGS = Path(__file__).parents[2] / "configs" / "prometheus"
INTERVAL = "2s"


class PrometheusServer:
    """Scrapes the targets that are listed in a folder; `start`, then ask, then `stop`."""

    def __init__(self, folder: Path, targets: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._folder = folder
        shutil.copytree(CONFIGS / "rules", folder / "rules")
        (folder / "targets").symlink_to(targets)
        config = yaml.safe_load((CONFIGS / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "evaluation_interval": INTERVAL}
        for job in config["scrape_configs"]:
            if job["job_name"] == "ray":  # more than a megabyte each time
                job |= {"scrape_interval": "10s", "scrape_timeout": "10s"}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        for path in (folder / "rules").iterdir():
            rules = yaml.safe_load(path.read_text())
            for group in rules["groups"]:
                group.pop("interval", None)
            path.write_text(yaml.safe_dump(rules))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                    "--log.level=warn",
                ],
                stdout=log,
                stderr=log,
            )
        self.wait(lambda: httpx.get(f"{self.url}/-/ready").status_code == httpx.codes.OK, 60)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=60)

    def ask(self, path: str, **params: str) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=params, timeout=30)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()["data"]

    def values(self, expr: str) -> list[float]:
        """What an instant query gives now, without what is not a number."""
        found = [float(sample["value"][1]) for sample in self.ask("query", query=expr)["result"]]
        return [value for value in found if not math.isnan(value)]

    def alerts(self) -> dict[str, str]:
        """Pending and firing alerts by name."""
        return {alert["labels"]["alertname"]: alert["state"] for alert in self.ask("alerts")["alerts"]}

    @staticmethod
    def wait(predicate: Callable[[], bool], timeout_s: float, pause_s: float = 0.5) -> bool:
        """Poll until it is true; False when the time is up."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                if predicate():
                    return True
            except httpx.HTTPError:
                pass
            time.sleep(pause_s)
        return False
