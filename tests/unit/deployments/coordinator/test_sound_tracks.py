"""Sound tracks on their way from the Segmenter to the job, its transcript and a later job that takes it."""

from deployments.artifacts.job_data import read_transcript
from deployments.schemas.jobs import JobBody
from pipelines.core import SoundTrack, TrackState
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import InProcessCluster, succeeded

TRACKS = (
    SoundTrack(number=1, codec="aac", n_channels=2, title="Desktop", state=TrackState.HEARD, channels=(0,)),
    SoundTrack(number=2, codec="aac", n_channels=1, language="ger", state=TrackState.HEARD, channels=(1,)),
    SoundTrack(number=3, codec="", n_channels=0, state=TrackState.UNDECODABLE),
)


async def test_tracks_reach_the_job_the_transcript_and_who_takes_it() -> None:
    """Each names its channel; the job shows them as the API does; a reused transcript brings its tracks along."""
    store = MemoryStore()
    cluster = InProcessCluster(MemoryLedger(), store, weights="w")
    cluster.segmenter.tracks = TRACKS
    await cluster.coordinator.start()
    try:
        (first,) = await cluster.ended(cluster.submit("j1", range(1, 30), track="all"))
        (second,) = await cluster.ended(cluster.submit("j2", range(1, 30), track="all"))
        (other,) = await cluster.ended(cluster.submit("j3", range(1, 30), track="1"))
    finally:
        await cluster.coordinator.stop()
    assert succeeded([first, second, other])
    assert (first.tracks, second.reused_from, second.tracks, other.reused_from) == (TRACKS, "j1", TRACKS, "")
    transcript = read_transcript(store, first)
    assert transcript.tracks == TRACKS
    assert {segment.speaker for segment in transcript.segments} == {"Desktop"}
    shown = JobBody.from_domain(first, None, "").tracks
    assert [(track.number, track.state, track.channels) for track in shown] == [
        (1, "heard", [0]),
        (2, "heard", [1]),
        (3, "undecodable", []),
    ]
