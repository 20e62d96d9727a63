"""Our logs reach a replica's own stderr although Serve, told to log to files only, takes stderr and `print` over."""

import builtins
import io
import json
import logging
import sys
import warnings

import pytest
import structlog

from cluster.settings.sections import LogSettings
from cluster.wiring.logging import configure_logging

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray uses pydantic in ways that it deprecates
    from ray.serve._private import logging_utils

    from cluster.serve.replica_process import keep_own_streams


def test_events_are_not_redirected(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event is one line of stderr, and no line of Serve's logger, which drops what is below a warning."""
    own = io.StringIO()
    serve = logging.getLogger("a-replica's")
    monkeypatch.setattr(sys, "__stderr__", own)
    monkeypatch.setattr(sys, "stderr", logging_utils.StreamToLogger(serve, logging.INFO, own))
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(builtins, "print", logging_utils.redirected_print)
    before = structlog.get_config()
    try:
        keep_own_streams()
        assert sys.stderr is own
        configure_logging(LogSettings(format="json"))
        structlog.get_logger().info("job", action="failed", job_id="j")
    finally:
        structlog.configure(**before)
    assert json.loads(own.getvalue())["job_id"] == "j"
