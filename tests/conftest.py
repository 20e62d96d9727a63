"""What every test shares."""

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.workermanage import WorkerController

from tests.support.scheduling import FileScheduling

# The machines that run the tests are shared and slow: time says nothing about correctness.
settings.register_profile("meetmemo", deadline=None)
settings.load_profile("meetmemo")

_LEFT_OUT = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="also run the tests marked full: clusters of several hosts")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tests marked ``full`` out, as deselected, unless they are asked for."""
    left_out = [] if config.getoption("--full") else [item for item in items if item.get_closest_marker("full")]
    config.stash[_LEFT_OUT] = len(left_out)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that started this worker how many were left out."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["n_left_out"] = session.config.stash.get(_LEFT_OUT, 0)


def pytest_testnodedown(node: WorkerController) -> None:
    """Take from a worker how many were left out; each collects all tests."""
    if n_left_out := getattr(node, "workeroutput", {}).get("n_left_out", 0):
        node.config.stash[_LEFT_OUT] = n_left_out


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many were left out, and how to run them."""
    if n_left_out := config.stash.get(_LEFT_OUT, 0):
        terminalreporter.write_line(f"{n_left_out} tests marked full were left out: scripts/test --full runs them")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileScheduling:
    """Start with the cluster, beside which the others run: files keep the order in which they were collected."""
    config.option.loadscopereorder = False
    return FileScheduling(config, log)
