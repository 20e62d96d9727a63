"""The rows of a job: who votes for its languages, and what is expected of the others."""

from deployments.coordinator.live_job import LiveJob
from pipelines.core import BlobRef, Chunk, LanguagePassage, Span, SpeechInterval
from pipelines.jobs.job import Job, JobOptions
from pipelines.transcript.language_detection import VOTING_ROWS, LanguagePolicy

POLICY = LanguagePolicy(allowed=("de", "en"), doubtful_below=0.3)
PRIORITY = -5
SPAN = Span(index=0, channel=0, start=0, end=16_000, pcm=BlobRef(key="p", n_bytes=32_000), chunks=())


def live_job() -> LiveJob:
    options = JobOptions(model="m", priority=PRIORITY)
    job = Job(id="j", tenant="t", options=options, source=BlobRef(key="k", n_bytes=0), filename="a", created_at_s=1.0)
    return LiveJob(job=job, stored=job, language_policy=POLICY, spans=[SPAN])


def chunks(n: int) -> tuple[Chunk, ...]:
    second = SpeechInterval(start=0, end=16_000)
    return tuple(Chunk(index=index, channel=0, span=0, pieces=(second,)) for index in range(n))


def test_rows_that_vote_wait_their_turn() -> None:
    """They are decoded, not asked: a job of short recordings goes before no other of a higher priority."""
    voters = live_job().items_for(chunks(VOTING_ROWS))
    assert [row.is_voting for row in voters] == [True] * VOTING_ROWS
    assert {row.priority for row in voters} == {PRIORITY}
    assert {row.samples for row in voters} == {SPAN.pcm}


def test_what_a_tenant_allows_goes_with_each_row() -> None:
    """Before the vote and after it."""
    live = live_job()
    german = LanguagePassage(start_s=0, end_s=1, language="de", probability=0.95)
    rows = live.items_for(chunks(VOTING_ROWS + 1))
    votes = [live.count(row.chunk, (german,)) for row in rows]
    assert votes[-1] is not None
    finished, waiting = live.decide(votes[-1])
    assert [row.chunk.index for row in finished] == [row.chunk.index for row in rows]
    assert [row.expected for row in waiting] == [(("de", 1.0),)]
    for row in (*rows, *waiting):
        assert (row.languages, row.min_language_probability) == (POLICY.allowed, POLICY.doubtful_below)
