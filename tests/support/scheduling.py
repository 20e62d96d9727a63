"""Share tests out to the processes of pytest-xdist."""

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

CLUSTER = "tests/acceptance"


class FileScheduling(LoadScopeScheduling):  # type: ignore[misc]  # has no types
    """Give workers whole files, for their fixtures' sake, and the files of `CLUSTER`, which share a cluster, to one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return CLUSTER if file.startswith(f"{CLUSTER}/") else file

    def remove_node(self, node: WorkerController) -> str | None:
        """Return the test in which a worker died, if it did, and queue those that it had not begun.

        pytest-xdist's own would queue the fatal test again, and files without tests left, for whose end it then waits.
        """
        files = self.assigned_work.pop(node)
        crashed = next((test for tests in files.values() for test, done in tests.items() if not done), None)
        for file, tests in files.items():
            if left := {test: False for test, done in tests.items() if not done and test != crashed}:
                self.workqueue[file] = left
        for other in self.assigned_work:
            self._reschedule(other)
        return crashed
