"""`Translations`: has a job's transcript translated, and stores what comes of it."""

import asyncio
from dataclasses import dataclass

import structlog

from deployments.ports import MinutesRequest
from pipelines.codec import encode
from pipelines.core import Transcript
from pipelines.errors import MinutesError, MinutesParked
from pipelines.jobs.translations import TranslationRecord
from pipelines.storage.layout import JobKeys
from pipelines.storage.protocol import BlobStore
from pipelines.translation.protocol import TranslationOptions, Translator

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Translated:
    """What became of each language that was wanted.

    ``not_before_s`` (Unix seconds) is when those that are parked may be tried again.
    """

    records: tuple[TranslationRecord, ...] = ()
    n_bytes: int = 0
    not_before_s: float = 0.0

    @property
    def parked(self) -> tuple[TranslationRecord, ...]:
        """Those that can be written later."""
        return tuple(record for record in self.records if record.state == "parked")

    @property
    def settled(self) -> tuple[TranslationRecord, ...]:
        """Those that are written, or never will be."""
        return tuple(record for record in self.records if record.state != "parked")


class Translations:
    """Translates transcripts into every language of a request; one that fails costs itself only."""

    def __init__(self, store: BlobStore, translator: Translator | None) -> None:
        self._store = store
        self._translator = translator

    async def write(self, request: MinutesRequest, transcript: Transcript, glossary: tuple[str, ...]) -> Translated:
        """Translate and store; raises ``StoreUnavailable``."""
        found = await asyncio.gather(*(self._one(request, transcript, tag, glossary) for tag in request.translate))
        return Translated(
            records=tuple(record for each in found for record in each.records),
            n_bytes=sum(each.n_bytes for each in found),
            not_before_s=max((each.not_before_s for each in found), default=0.0),
        )

    async def _one(
        self, request: MinutesRequest, transcript: Transcript, language: str, glossary: tuple[str, ...]
    ) -> Translated:
        options = TranslationOptions(
            language=language,
            glossary=glossary,
            asked_at_s=request.asked_at_s,
            tenant=request.tenant,
            job_id=request.job_id,
        )
        try:
            if self._translator is None:
                raise MinutesError("no language model is configured where translations are written")
            paid = await self._translator.translate(transcript, options)
        except MinutesParked as error:
            log.warning("translation parked", action="park", job_id=request.job_id, detail=str(error))
            record = TranslationRecord(language=language, state="parked", note=str(error))
            return Translated(records=(record,), not_before_s=error.not_before_s)
        except MinutesError as error:
            record = TranslationRecord(language=language, state="failed", note=str(error))
            return Translated(records=(record,))
        translation = paid.translation
        key = JobKeys(tenant=request.tenant, job_id=request.job_id).translation(language)
        stored = await asyncio.to_thread(self._store.put, key, encode(translation))
        record = TranslationRecord(
            language=language,
            state="written",
            n_segments=len(translation.transcript.segments),
            n_untranslated=len(translation.untranslated),
            model=translation.model,
            usage=paid.usage if translation.model else None,
        )
        return Translated(records=(record,), n_bytes=stored.n_bytes)


def parked(request: MinutesRequest, error: MinutesParked) -> Translated:
    """Return what becomes of a request's translations when none can be begun."""
    records = (TranslationRecord(language=tag, state="parked", note=str(error)) for tag in request.translate)
    return Translated(records=tuple(records), not_before_s=error.not_before_s)
