"""The attacks of ``scripts/attack`` that take no minutes, on the cluster that the other tests use."""

import pytest

from tests.acceptance.conftest import RunningMeetMemo
from tests.attack import machine, requests
from tests.attack.run import Probe, run_probes
from tests.attack.target import Target

SLOW = (requests.slow_uploads,)  # waits for a minute; `tests/unit/deployments/intake/test_upload_pace.py` has the rule
ELSEWHERE = (requests.strangers, machine.sockets_of_others)  # want keys, or root
PROBES = [probe for probe in (*machine.PROBES, *requests.PROBES) if probe.run not in SLOW]


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.threat)
def test_nothing_comes_through(meetmemo: RunningMeetMemo, probe: Probe) -> None:
    """No attack finds anything; those that this cluster does not offer a target to say why."""
    assert meetmemo.process is not None
    target = Target(
        url=meetmemo.url,
        home=meetmemo.home,
        sessions=frozenset({meetmemo.process.pid}),
        environment=meetmemo.environment,
        place="s3://recordings/calls",
    )
    seen = run_probes(target, [probe], lambda outcome: None)[0]
    wanted = {"held", "not applicable"} if probe.run in ELSEWHERE else {"held"}
    assert seen.verdict in wanted, seen.detail
