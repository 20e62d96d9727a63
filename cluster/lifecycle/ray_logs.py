"""Ray's own logs: in Ray's files and one of the home, never among our lines.

Ray logs from the processes of its controller, proxies and replicas, and in the process that starts them, in its own
words, with colours, arguments of programs and tracebacks. Operators read ours: one event a line, with its reason.
"""

import logging
import os
import sys
from pathlib import Path

TO_STDERR = "RAY_SERVE_LOG_TO_STDERR"
COLOURS = "RAY_COLOR_PREFIX"
MANY_FILES = "RAY_LOG_MONITOR_MANY_FILES_THRESHOLD"
"""From so many files on Ray looks for new ones every half second, else each time it looks for new lines, 0.1 s apart.

Lines come as soon as ever; the first ones of a process that was just started may come half a second later.
"""
LOGGERS = ("ray", "ray.serve")


def quieten_components() -> None:
    """Set what Ray's processes read at their start: logs to files only, no colours where nobody sees them."""
    os.environ.setdefault(TO_STDERR, "0")
    os.environ.setdefault(MANY_FILES, "0")
    if not sys.stderr.isatty():
        os.environ.setdefault(COLOURS, "0")


def divert_driver_logs(path: Path) -> None:
    """Write what Ray logs in this process to a file anew, instead of the terminal. Call it once Ray is imported."""
    handler = logging.FileHandler(path, mode="w", encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    for name in LOGGERS:
        logger = logging.getLogger(name)
        for other in list(logger.handlers):
            logger.removeHandler(other)
        logger.addHandler(handler)
        logger.propagate = False
