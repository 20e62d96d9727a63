"""Jobs whose transcripts are translated, with everything but Ray between submission and provider."""

import time
from dataclasses import replace

from deployments.coordinator.job_runner import is_written_later
from deployments.notifications.messages import JobNotifications
from deployments.workers.minutes_writer import MinutesWriter
from pipelines.codec import decode
from pipelines.jobs.costs import JobCost
from pipelines.jobs.job import Job, JobState
from pipelines.minutes.extractive.writer import ExtractiveWriter
from pipelines.notes import NoteCode
from pipelines.storage.layout import JobKeys
from pipelines.translation.protocol import Translation
from tests.fakes.deepseek_answers import pseudo_translation
from tests.fakes.deepseek_server import DeepSeekServer
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import InProcessCluster
from tests.support.llm_lab import Lab, LabOptions, connected
from tests.support.virtual_time import AsgiStream

HOOKS = JobNotifications(webhook="https://hooks.example.com/")


def minutes_writer(store: MemoryStore, lab: Lab) -> MinutesWriter:
    extractive = ExtractiveWriter()
    return MinutesWriter(store=store, writers={"auto": extractive}, translator=lab.translator, clock=time.time)


def told(ledger: MemoryLedger, job: Job) -> list[str]:
    return [delivery.message.event for delivery in ledger.outbox.of_job(job.tenant, job.id)]


async def test_a_job_with_translations() -> None:
    """It ends with them, each segment translated at its time, their tokens on its account; minutes or not."""
    ledger, store, server = MemoryLedger(), MemoryStore(), DeepSeekServer()
    async with connected(server, "http://provider", LabOptions(store=store), AsgiStream(server)) as lab:
        cluster = InProcessCluster(ledger, store, minutes_writer=minutes_writer(store, lab))
        await cluster.coordinator.start()
        jobs = [
            cluster.submit("j1", range(1, 60), translate=("de", "ru")),
            cluster.submit("j2", range(1, 60), translate=("de",), minutes="none"),
        ]
        ended = await cluster.ended(*jobs)
        await cluster.coordinator.stop()
        cluster.let_go()
    for job in ended:
        assert (job.state, job.told) == (JobState.SUCCEEDED, ())
        original = cluster.transcript(job)
        for record in job.translations:
            assert (record.state, record.n_segments, record.n_untranslated) == ("written", len(original.segments), 0)
            stored = store.get(JobKeys(tenant="t", job_id=job.id).translation(record.language))
            found = decode(Translation, stored).transcript
            assert [(each.id, each.start_s, each.end_s) for each in found.segments] == [
                (each.id, each.start_s, each.end_s) for each in original.segments
            ]
            assert [each.text for each in found.segments] == [
                pseudo_translation(each.text, record.language).strip() for each in original.segments
            ]
    first, second = ended
    assert first.tokens.n_calls + second.tokens.n_calls == server.tally.calls
    assert JobCost.of(first).tokens == first.tokens
    assert first.tokens.cost_usd > 0
    assert (second.minutes, len(second.translations)) == (None, 1)


async def test_translations_follow() -> None:
    """While the provider is away a job ends without them and says so; they follow, and its webhook is told."""
    ledger, store, server = MemoryLedger(), MemoryStore(), DeepSeekServer()
    server.options.down = "402"
    async with connected(server, "http://provider", LabOptions(store=store), AsgiStream(server)) as lab:
        writer = minutes_writer(store, lab)
        cluster = InProcessCluster(ledger, store, minutes_writer=writer, notifications=HOOKS)
        await cluster.coordinator.start()
        job = cluster.submit("j1", range(1, 60), translate=("ru",), recipients=("a@example.com",))
        (ended,) = await cluster.ended(job)
        assert [note.code for note in ended.told] == [NoteCode.TRANSLATION_PARKED]
        assert "Insufficient Balance" in ended.told[0].text
        assert (ended.minutes and ended.minutes.state, "minutes.pdf" in ended.results) == ("written", True)
        server.options.down = ""
        lab.translator.resume()
        assert await writer.follow_up(cluster.coordinator) == 1
        followed = ledger.get("t", "j1")
        await cluster.coordinator.stop()
        cluster.let_go()
    assert (followed.told, followed.translations[0].state) == ((), "written")
    assert (followed.results, followed.detail, followed.minutes) == (ended.results, ended.detail, ended.minutes)
    assert ledger.events("t", "j1")[-1].name == "translations_followed"
    # The e-mail with the minutes went out before.
    assert told(ledger, job) == ["job.succeeded", "job.succeeded", "job.translations_followed"]


def test_what_may_cost_money_begins_from_a_written_state() -> None:
    """A job without minutes is entered late, unless its transcript is to be translated."""
    cluster = InProcessCluster(MemoryLedger(), MemoryStore())

    def summarizing(**options: object) -> Job:
        job = cluster.submit(f"j{len(options)}", (), minutes="none", **options)
        return replace(job, state=JobState.SUMMARIZING)

    assert is_written_later(summarizing())
    assert not is_written_later(summarizing(translate=("de",)))
