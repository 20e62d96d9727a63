"""A running cluster is backed up by the command, restored into another home, and goes on there."""

import httpx

from tests.acceptance.conftest import RunningMeetMemo
from tests.servers import free_port


def test_a_cluster_goes_on_elsewhere(own_meetmemo: RunningMeetMemo) -> None:
    """A job that has ended and one under way are copied while the cluster works; both are whole in the other home.

    Before that: estimates tell nothing until a job has ended, then how long; capacity is there.
    """
    ask = {"audio_s": [3600]}
    assert httpx.post(f"{own_meetmemo.url}/v1/estimate", json=ask, timeout=30).json()["wall_s"] is None
    done = own_meetmemo.finished(own_meetmemo.submit("short.mp3")["id"])
    assert done["state"] == "succeeded"
    estimate = httpx.post(f"{own_meetmemo.url}/v1/estimate", json=ask, timeout=30).json()
    assert estimate["wall_s"] > 0
    assert estimate["device_s"] > 0
    assert httpx.get(f"{own_meetmemo.url}/v1/capacity", timeout=30).json()["speed"] > 0
    text = own_meetmemo.result(done, "transcript.txt")
    under_way = own_meetmemo.submit("meeting-12min.mp3", priority_class="economy")
    copied = own_meetmemo.cli("backup", str(own_meetmemo.home.with_name("backed-up")))
    assert copied.returncode == 0, copied.stderr
    own_meetmemo.kill()
    home = own_meetmemo.home.with_name("elsewhere")
    home.mkdir()
    elsewhere = RunningMeetMemo(home=home, port=free_port())
    restored = elsewhere.cli("restore", str(own_meetmemo.home.with_name("backed-up")))
    assert restored.returncode == 0, restored.stderr
    elsewhere.start()
    try:
        assert elsewhere.result(elsewhere.job(done["id"]), "transcript.txt") == text
        assert elsewhere.finished(under_way["id"])["state"] == "succeeded"
    finally:
        elsewhere.stop()
