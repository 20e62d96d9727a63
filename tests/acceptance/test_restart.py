"""A cluster that dies comes back and finishes what it had accepted."""

from tests.acceptance.conftest import RunningMeetMemo


def test_an_accepted_job_survives_the_death_of_the_cluster(own_meetmemo: RunningMeetMemo) -> None:
    """Kill -9 of everything in the middle of a job; after the next start it succeeds by itself."""
    job = own_meetmemo.submit("meeting-12min.mp3")
    own_meetmemo.kill()
    own_meetmemo.start()
    ended = own_meetmemo.finished(job["id"])
    assert ended["state"] == "succeeded", ended


def test_a_stopped_cluster_leaves_its_jobs_for_the_next_start(own_meetmemo: RunningMeetMemo) -> None:
    """SIGTERM in the middle of a job ends cleanly; the next start goes on where it stopped."""
    job = own_meetmemo.submit("meeting-12min.mp3")
    assert own_meetmemo.stop() == 0
    own_meetmemo.start()
    assert own_meetmemo.finished(job["id"])["state"] == "succeeded"
