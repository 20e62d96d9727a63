"""Runs what failed in a whole test run a second time, alone, where a busy machine can be the cause.

Tests of whole processes (a cluster, a browser) may fail because the machine had no time for them. Those pass at the
second try and are named as flaky; a fault fails again. Tests of single units get no second try, nor do many failures.
"""

import json
import subprocess
import sys
from pathlib import Path

LAST_FAILED = Path(".pytest_cache/v/cache/lastfailed")
WHOLE_PROCESSES = ("tests/acceptance/", "tests/integration/")
MOST_FAILURES = 3


def refusal(failed: list[str]) -> str:
    """Return why what failed gets no second try; "" where it does."""
    if not failed:
        return "pytest failed without a failed test"
    if len(failed) > MOST_FAILURES:
        return f"{len(failed)} tests failed, more than {MOST_FAILURES}"
    units = [test for test in failed if not test.startswith(WHOLE_PROCESSES)]
    return f"{units[0]} starts no processes" if units else ""


def main() -> int:
    """Return pytest's status of the second try, 1 where there is none."""
    failed = sorted(json.loads(LAST_FAILED.read_text())) if LAST_FAILED.exists() else []
    if why := refusal(failed):
        print(f"No second try: {why}.")
        return 1
    print(f"A second try, alone: {', '.join(failed)}", flush=True)
    status = subprocess.run([sys.executable, "-m", "pytest", "-n0", *failed], check=False).returncode
    if status == 0:
        print("\n".join(f"FLAKY {test}: failed in the whole run, passed alone" for test in failed))
    return status


if __name__ == "__main__":
    sys.exit(main())
