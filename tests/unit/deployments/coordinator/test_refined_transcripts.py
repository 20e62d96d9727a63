"""What a job's options do to its transcript: masking, script, vocabulary of the tenant; through a whole cluster."""

import json

import pytest

from deployments.coordinator.live_job import LiveJob
from deployments.intake.job_policy import JobPolicy
from deployments.intake.submission import merge_options
from deployments.schemas.options import Options
from pipelines.core import BlobRef, Chunk, ModelInfo, Segment, Span, SpeechInterval, Transcript, Word
from pipelines.errors import InvalidOptions
from pipelines.jobs.job import Job, JobOptions
from pipelines.storage.layout import JobKeys
from pipelines.text.chinese import in_script
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import InProcessCluster

TEXTS = (".json", ".txt", ".md", ".vtt")


async def test_masked_numbers_are_in_no_result():
    """A number that was said is in no document; the talk of each channel stands in the transcript."""
    cluster = InProcessCluster(MemoryLedger(), MemoryStore())
    await cluster.coordinator.start()
    job = cluster.submit("j", [1234, 5], mask=("numbers",), word_timestamps=True)
    await cluster.ended(job)
    keys = JobKeys(tenant=job.tenant, job_id=job.id)
    names = cluster.ledger.get(job.tenant, job.id).results
    texts = {name: cluster.store.get(keys.result(name)) for name in names if name.endswith(TEXTS)}
    assert "minutes.md" in texts
    assert not [name for name, text in texts.items() if b"1234" in text]
    transcript = json.loads(texts["transcript.json"])
    assert [word["text"] for word in transcript["segments"][0]["words"]] == [" w[number]", " w5"]
    assert transcript["talk"][0]["talk_s"] + transcript["talk"][0]["silence_s"] == pytest.approx(1.0)
    await cluster.coordinator.stop()


@pytest.mark.parametrize(("script", "text"), [("simplified", " 会议记录"), ("traditional", " 會議記錄")])
def test_chinese_in_one_script(script, text):
    """Whatever the model wrote."""
    mixed = " 會议记录"
    word = Word(text=mixed, start_s=0, end_s=1, probability=1)
    segment = Segment(id=0, channel=0, speaker="", start_s=0, end_s=1, text=mixed, words=(word,))
    transcript = Transcript(
        duration_s=1, language="zh", languages=(), segments=(segment,), coverage=(), model=ModelInfo(name="m")
    )
    (found,) = in_script(transcript, script).segments
    assert (found.text, found.words[0].text) == (text, text)


async def test_tenants_have_words_of_their_own():
    """They follow the job's own, each once."""
    policy = JobPolicy(models=("m",), default_model="m", vocabularies={"a": ("Kubernetes", "etcd")}, tenant="a")
    chosen = await policy.check(Options.parse({"vocabulary": ["Ann", "etcd"]}))
    assert chosen.vocabulary == ("Ann", "etcd", "Kubernetes")


def test_lists_may_come_in_one_value():
    """A form or query names several values at once, with commas, or repeats the name."""
    assert merge_options({"speakers": ["Agent, Customer"]}, {}, {}) == {"speakers": ["Agent", "Customer"]}
    assert merge_options({"speakers": ["Lee, Ann", "Bob"]}, {}, {}) == {"speakers": ["Lee, Ann", "Bob"]}
    assert Options.parse(merge_options({"mask": ["email,cards"]}, {}, {})).model_dump()["mask"] == ("email", "cards")
    with pytest.raises(InvalidOptions):
        Options.parse({"mask": ["secrets"]})


@pytest.mark.parametrize(
    ("use", "prompt", "words"), [("prompt", "Smith.", False), ("match", "", True), ("both", "Smith.", True)]
)
def test_a_vocabulary_primes_the_decoder_or_is_matched(use, prompt, words):
    """What is matched after decoding needs words, and need not be in the prompt."""
    options = JobOptions(model="m", language="en", vocabulary=("Smith",), vocabulary_use=use)
    job = Job(id="j", tenant="t", options=options, source=BlobRef(key="k", n_bytes=1), filename="a", created_at_s=1.0)
    chunk = Chunk(index=0, channel=0, span=0, pieces=(SpeechInterval(start=0, end=16_000),))
    span = Span(index=0, channel=0, start=0, end=16_000, pcm=BlobRef(key="p", n_bytes=32_000), chunks=(chunk,))
    item = LiveJob(job=job, stored=job, given_language="en", spans=[span]).transcription(chunk)
    assert (item.prompt, item.word_timestamps) == (prompt, words)
