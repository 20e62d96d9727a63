"""Ray's logs stay out of what an operator reads."""

import importlib.util
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.lifecycle.environment import NICENESS, prepare_environment, prepare_home
from cluster.lifecycle.ray_logs import COLOURS, MANY_FILES, TO_STDERR, divert_driver_logs
from cluster.settings.sections import RaySettings
from cluster.settings.settings import Settings

SERVE = """
import logging, sys
from pathlib import Path
import ray
from ray import serve
from cluster.lifecycle.ray_logs import divert_driver_logs
divert_driver_logs(Path(sys.argv[1]))
logging.getLogger("ray.serve").info("Started <ray.serve._private.router.SharedRouterLongPollClient object at 0x7fb0>.")
logging.getLogger("ray._private.worker").warning("of a worker")
"""


def test_this_process_writes_them_to_a_file(tmp_path: Path) -> None:
    """Lines with addresses of objects stood among ours on the terminal; each start begins the file anew."""
    log = tmp_path / "ray.log"
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SERVE, str(log)], capture_output=True, text=True, check=True
        )
        assert done.stdout + done.stderr == ""
        assert log.read_text().count("SharedRouterLongPollClient") == 1
        assert "of a worker" in log.read_text()


def test_what_rays_processes_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No logs of Serve's components on stderr, no colours in a file, workers as important as the settings say."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for name in (TO_STDERR, COLOURS, NICENESS):
        os.environ.pop(name, None)
    settings = Settings(home=tmp_path / "home", ray=RaySettings(niceness=3))
    prepare_home(settings)
    prepare_environment(settings)
    assert {name: os.environ[name] for name in (TO_STDERR, COLOURS, NICENESS)} == {
        TO_STDERR: "0",
        COLOURS: "0",
        NICENESS: "3",
    }


def test_ray_looks_for_new_files_twice_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's log monitor searched the folder of logs ten times a second: most of what it takes of an idle machine."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    os.environ.pop(MANY_FILES, None)
    few = SimpleNamespace(log_filenames={"worker.out"})
    assert _log_monitor().should_update_filenames(few, time.time()), "Ray's own default"
    settings = Settings(home=tmp_path / "home")
    prepare_home(settings)
    prepare_environment(settings)
    monitor = _log_monitor()
    assert not monitor.should_update_filenames(few, time.time())
    assert monitor.should_update_filenames(few, time.time() - 1)


def _log_monitor() -> Any:
    """Return Ray's `LogMonitor` as a process has it that starts now."""
    spec = importlib.util.find_spec("ray._private.log_monitor")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.LogMonitor


def test_loggers_are_kept_apart(tmp_path: Path) -> None:
    """Ours go where they went."""
    names = ("ray", "ray.serve")
    before = {name: (logging.getLogger(name).handlers[:], logging.getLogger(name).propagate) for name in names}
    root = logging.getLogger().handlers[:]
    try:
        divert_driver_logs(tmp_path / "ray.log")
        assert logging.getLogger().handlers == root
        assert all(len(logging.getLogger(name).handlers) == 1 for name in names)
    finally:
        for name, (handlers, propagate) in before.items():
            logging.getLogger(name).handlers, logging.getLogger(name).propagate = handlers, propagate
