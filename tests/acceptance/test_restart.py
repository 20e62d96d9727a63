"""A cluster that is stopped finishes what it had accepted at its next start; for one that dies see `test_chaos`."""

from tests.acceptance.conftest import RunningMeetMemo


def test_a_stopped_cluster_leaves_its_jobs_for_the_next_start(own_meetmemo: RunningMeetMemo) -> None:
    """SIGTERM in the middle of a job ends cleanly; the next start goes on where it stopped."""
    job = own_meetmemo.submit("meeting-12min.mp3")
    assert own_meetmemo.stop() == 0
    own_meetmemo.start()
    assert own_meetmemo.finished(job["id"])["state"] == "succeeded"
