"""The Diarizer as a deployment."""

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from cluster.serve.replica_process import begin_process
from cluster.settings.settings import Settings
from cluster.settings.sources import process_environment
from cluster.wiring.voices import voice_cipher
from deployments.ports import EnrolmentRequest
from deployments.workers.diarizer import Diarizer
from pipelines.errors import BlobMissing, InputError, OptionError
from pipelines.speakers.protocol import VoiceModels
from pipelines.storage.open import open_store

if TYPE_CHECKING:
    from pipelines.audio.sandbox import Decoder

# Transcribers on the same cores go first: jobs that want no speakers are as fast as before.
NICENESS = 10


class DiarizerReplica(Diarizer):
    """Loads its networks with its first span: a fault of theirs costs jobs their speakers, not the application."""

    def __init__(self, settings: Settings) -> None:
        begin_process(settings)
        os.nice(NICENESS)
        super().__init__(
            store=open_store(settings.store_url),
            load=_bundled,
            cipher=lambda: voice_cipher(process_environment()),
            decoder=_isolated,
        )

    async def enrol(self, request: EnrolmentRequest) -> Any:
        """Enrol like `Diarizer.enrol`, but return the error of a clip that is none: Serve logs what is raised."""
        try:
            return await super().enrol(request)
        except (InputError, OptionError, BlobMissing) as error:
            return error


def _bundled() -> VoiceModels:
    from pipelines.speakers.models import BundledVoiceModels  # with torch, which no other process loads for it

    return BundledVoiceModels()


@cache
def _isolated() -> "Decoder":
    from pipelines.audio.sandbox import IsolatedDecoder  # with FFmpeg

    return IsolatedDecoder()
