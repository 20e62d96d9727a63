"""The MinutesWriter's translations: beside the minutes, at once or later, each for itself."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from deployments.artifacts.parked_minutes import DeferredMinutes
from deployments.ports import MinutesRequest, WrittenResults
from deployments.workers.minutes_writer import MinutesWriter
from pipelines.codec import decode, encode
from pipelines.core import Minutes, Transcript, Usage
from pipelines.errors import JobUnknown, MinutesError, MinutesParked
from pipelines.jobs.job import RESULT_FORMATS, MinutesRecord
from pipelines.jobs.translations import TranslationRecord
from pipelines.minutes.extractive.writer import write_minutes
from pipelines.minutes.protocol import MinutesOptions
from pipelines.storage.layout import JobKeys
from pipelines.translation.protocol import PaidTranslation, Translation, TranslationOptions
from tests.fakes.store import MemoryStore
from tests.support.llm_lab import meeting
from tests.support.waiting import until

KEYS = JobKeys(tenant="acme", job_id="a1")
REQUEST = MinutesRequest(
    tenant="acme", job_id="a1", title="Call", minutes="llm", language=None, translate=("de", "zh-Hant"), asked_at_s=5.0
)
USED = Usage(n_calls=2, n_prompt=100, cost_usd=0.5)


class ScriptedWriter:
    """Writes minutes by rules, or raises what it is told to."""

    def __init__(self) -> None:
        self.error: MinutesError | None = None
        self.n_asked = 0

    async def write(self, transcript: Transcript, options: MinutesOptions) -> Minutes:
        self.n_asked += 1
        if self.error:
            raise self.error
        return write_minutes(transcript, options)


class ScriptedTranslator:
    """Leaves every text as it is but for the language before it, or raises what it is told to, by language."""

    def __init__(self) -> None:
        self.errors: dict[str, MinutesError] = {}
        self.asked: list[TranslationOptions] = []
        self.may_go = asyncio.Event()
        self.may_go.set()
        self.n_resumed = 0
        self.used = Usage()

    async def translate(self, transcript: Transcript, options: TranslationOptions) -> PaidTranslation:
        self.asked.append(options)
        await self.may_go.wait()
        self.used += USED
        if options.language in self.errors:
            raise self.errors[options.language]
        segments = tuple(replace(each, text=f"{options.language} {each.text}") for each in transcript.segments)
        translation = Translation(
            language=options.language,
            spoken="en",
            transcript=replace(transcript, segments=segments),
            untranslated=(3,),
            model="m",
        )
        return PaidTranslation(translation=translation, usage=USED)

    def resume(self) -> None:
        self.n_resumed += 1

    def take_calls(self) -> Mapping[str, int]:
        return {"ok": 2}

    def take_usage(self) -> Usage:
        used, self.used = self.used, Usage()
        return used


class Desk:
    """Stands for the Coordinator: keeps what followed."""

    def __init__(self) -> None:
        self.followed: list[WrittenResults] = []

    async def minutes_followed(self, tenant: str, job_id: str, written: WrittenResults) -> None:
        self.followed.append(written)


class Site:
    """A MinutesWriter with its collaborators."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.store.put(KEYS.transcript, encode(meeting(1)))
        self.writer, self.translator, self.desk = ScriptedWriter(), ScriptedTranslator(), Desk()
        self.now_s = 1000.0
        self.minutes_writer = MinutesWriter(
            store=self.store, writers={"llm": self.writer}, translator=self.translator, clock=lambda: self.now_s
        )
        self.deferred = DeferredMinutes(self.store)

    def translated(self, language: str) -> Translation:
        return decode(Translation, self.store.get(KEYS.translation(language)))

    @property
    def parked(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(entry.request.minutes, entry.request.translate) for entry in self.deferred.list()]


@pytest.fixture
def site() -> Site:
    return Site()


def written(language: str) -> TranslationRecord:
    n_segments = len(meeting(1).segments)
    return TranslationRecord(
        language=language, state="written", n_segments=n_segments, n_untranslated=1, model="m", usage=USED
    )


async def test_translations_beside_the_minutes(site: Site) -> None:
    """Each is stored with the job; what became of it, what it took and weighs is told."""
    results = await site.minutes_writer.write(replace(REQUEST, glossary=("MeetMemo",)))
    assert (results.names, results.note) == (RESULT_FORMATS, "")
    assert results.translations == (written("de"), written("zh-Hant"))
    assert site.translated("zh-Hant").transcript.segments[0].text.startswith("zh-Hant Welcome")
    asked = site.translator.asked[0]
    assert (asked.tenant, asked.job_id, asked.asked_at_s, asked.glossary) == ("acme", "a1", 5.0, ("MeetMemo",))
    assert results.report is not None
    assert results.report.translations == ("written", "written")
    assert (results.report.usage, results.report.calls) == (USED + USED, {"ok": 2})
    stored = [KEYS.result(name) for name in RESULT_FORMATS] + [KEYS.translation(tag) for tag in REQUEST.translate]
    assert results.report.n_bytes == sum(len(site.store.get(key)) for key in stored)
    assert site.parked == []


async def test_minutes_wait_for_no_translation(site: Site) -> None:
    """Documents of the minutes are there while a translation is still on its way."""
    site.translator.may_go.clear()
    task = asyncio.create_task(site.minutes_writer.write(REQUEST))
    await until(lambda: site.store.exists(KEYS.result("minutes.pdf")))
    assert not task.done()
    site.translator.may_go.set()
    assert len((await task).translations) == 2


async def test_one_that_fails_costs_itself(site: Site) -> None:
    """Minutes and other languages are there, and the reason is told; it is not tried again."""
    site.translator.errors["de"] = MinutesError("cannot")
    results = await site.minutes_writer.write(REQUEST)
    assert results.names == RESULT_FORMATS
    failed = TranslationRecord(language="de", state="failed", note="cannot")
    assert results.translations == (failed, written("zh-Hant"))
    assert site.parked == []
    site.writer.error = MinutesError("no minutes either")
    results = await site.minutes_writer.write(REQUEST)
    assert results.translations == (failed, written("zh-Hant"))
    assert results.note == "There are no minutes: no minutes either"


async def test_without_a_translator(site: Site) -> None:
    """A machine that lacks the key says so."""
    site.minutes_writer.rewrite_by({"llm": site.writer}, None)
    (record, _) = (await site.minutes_writer.write(REQUEST)).translations
    assert (record.state, record.note) == ("failed", "no language model is configured where translations are written")


async def test_parked_translations_follow_alone(site: Site) -> None:
    """Written minutes are not written again; languages that are there are not asked for again."""
    site.translator.errors["de"] = MinutesParked("budget", not_before_s=2000.0)
    results = await site.minutes_writer.write(REQUEST)
    assert results.names == RESULT_FORMATS
    parked = TranslationRecord(language="de", state="parked", note="budget")
    assert results.translations == (parked, written("zh-Hant"))
    assert site.parked == [("none", ("de",))]
    assert await site.minutes_writer.follow_up(site.desk) == 0
    site.now_s = 2000.0
    assert await site.minutes_writer.follow_up(site.desk) == 0  # still away
    site.translator.errors.clear()
    assert await site.minutes_writer.follow_up(site.desk) == 1
    (followed,) = site.desk.followed
    assert (followed.minutes, followed.translations) == (None, (written("de"),))
    assert followed.report is not None
    assert (followed.report.outcome, followed.report.translations) == (None, ("written",))
    assert followed.report.usage == USED + USED  # with the attempt before, which nobody was told of
    assert site.writer.n_asked == 1
    assert [each.language for each in site.translator.asked] == ["de", "zh-Hant", "de", "de"]
    assert site.parked == []


async def test_failed_minutes_are_not_paid_for_again(site: Site) -> None:
    """Only the translation is parked, however often it is tried."""
    site.writer.error, site.translator.errors["de"] = MinutesError("too long"), MinutesParked("away")
    await site.minutes_writer.write(replace(REQUEST, translate=("de",)))
    for _ in range(3):
        assert await site.minutes_writer.follow_up(site.desk) == 0
    assert site.writer.n_asked == 1


async def test_parked_minutes_follow_with_what_is_left(site: Site) -> None:
    """What comes first is entered first, and the rest stays parked as it was asked for."""
    site.writer.error = site.translator.errors["de"] = MinutesParked("away")
    results = await site.minutes_writer.write(REQUEST)
    assert results.minutes == MinutesRecord(state="parked", note="away")
    assert site.parked == [("llm", ("de",))]
    assert await site.minutes_writer.follow_up(site.desk) == 0
    assert site.desk.followed == []

    site.translator.errors.clear()
    DeferredMinutes(site.store).request_resume()
    assert await site.minutes_writer.follow_up(site.desk) == 0
    assert site.translator.n_resumed == 1
    (first,) = site.desk.followed
    assert (first.minutes, first.translations) == (None, (written("de"),))
    assert site.parked == [("llm", ())]
    assert site.deferred.list()[0].request.asked_at_s == 5.0  # a word to resume holds once

    site.writer.error = None
    assert await site.minutes_writer.follow_up(site.desk) == 1
    second = site.desk.followed[-1]
    assert (second.names, second.translations) == (RESULT_FORMATS, ())
    assert second.minutes is not None
    assert second.minutes.state == "written"
    assert site.parked == []


async def test_a_job_that_is_erased_meanwhile(site: Site) -> None:
    """Nothing is left of a translation that came after."""
    site.translator.may_go.clear()
    task = asyncio.create_task(site.minutes_writer.write(REQUEST))
    await until(lambda: site.store.exists(KEYS.result("minutes.pdf")))
    site.store.delete_prefix(KEYS.root)
    site.translator.may_go.set()
    with pytest.raises(JobUnknown):
        await task
    assert list(site.store.list("acme/")) == []


async def test_places_are_bounded(site: Site) -> None:
    """What would wait in line without bound is parked."""
    crowded = MinutesWriter(store=site.store, writers={}, translator=site.translator, clock=lambda: 0.0, max_at_once=0)
    results = await crowded.write(replace(REQUEST, minutes="none"))
    assert {record.note for record in results.translations} == {"0 minutes are being written"}
    assert site.parked == [("none", REQUEST.translate)]
    assert results.minutes is None
