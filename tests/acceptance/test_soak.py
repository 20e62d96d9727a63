"""A soak in short: everything at once on PostgreSQL while processes are killed; `scripts/soak` does it for hours."""

import tempfile
from pathlib import Path

import pytest

from tests.servers.postgres import find_binaries
from tests.soak.plan import Plan
from tests.soak.report import write
from tests.soak.run import Options, Soak

TIMEOUT_S = 3000  # a machine that is busy with other things

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(TIMEOUT_S),
    pytest.mark.skipif(find_binaries() is None, reason="there is no PostgreSQL on this machine"),
]


@pytest.mark.parametrize(
    ("minutes", "every_s"), [(1.0, 12.0), pytest.param(10.0, 60.0, marks=pytest.mark.full)], ids=["short", "full"]
)
def test_nothing_is_lost_doubled_left_or_growing(minutes: float, every_s: float) -> None:
    """Uploads, URLs, batches, repeats, cancels, erasures, meetings and webhooks, with a kill every now and then."""
    plan = Plan(seed=1, n_jobs=100_000, n_meetings=2_000, n_tenants=300)
    options = Options(minutes=minutes, n_threads=8, kill_every_s=every_s, sample_every_s=every_s)
    # Not pytest's own folder: the paths of Ray's sockets lie below and may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        found = Soak(folder, plan, options).run()
        page = write(folder, plan, found)
    print(page)
    assert not found.findings, page
    assert found.figures["kills"] >= 1
    assert found.figures["jobs"]["succeeded"] > 0
