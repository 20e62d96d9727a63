"""``GET /v1/admin/jobs/{id}/story``: what the Coordinator remembers of a job."""

from deployments.ports import StoryEntry
from pipelines.errors import Reason


async def test_a_story(api):
    """Entries come as the Coordinator has them, with times that people read."""
    api.coordinator.stories["j"] = (
        StoryEntry(
            at_s=1_800_000_000.5,
            stimulus_id="claimed-1",
            what="Claimed",
            state="transcribing",
            commands=("StartSegmentation",),
        ),
    )
    answer = await api.client.get("/v1/admin/jobs/j/story")
    assert answer.json() == {
        "job_id": "j",
        "entries": [
            {
                "at": "2027-01-15T08:00:00.500000Z",
                "stimulus_id": "claimed-1",
                "what": "Claimed",
                "state": "transcribing",
                "commands": ["StartSegmentation"],
            }
        ],
    }


async def test_a_job_that_is_not_remembered(api):
    """Is as one that never was: a Coordinator that has just started remembers none."""
    answer = await api.client.get("/v1/admin/jobs/unknown/story")
    assert (answer.status_code, answer.json()["reason"]) == (404, Reason.JOB_UNKNOWN)


async def test_a_story_needs_the_coordinator(api):
    """When nobody answers, the operator is told so."""
    api.coordinator.broken = ConnectionError("dead")
    answer = await api.client.get("/v1/admin/jobs/j/story")
    assert (answer.status_code, answer.json()["reason"]) == (503, Reason.REPLICA_LOST)
