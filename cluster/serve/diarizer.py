"""The Diarizer as a deployment."""

import os

from cluster.serve.replica_process import begin_process
from cluster.settings.settings import Settings
from deployments.workers.diarizer import Diarizer
from pipelines.speakers.protocol import VoiceModels
from pipelines.storage.open import open_store

# Transcribers on the same cores go first: jobs that want no speakers are as fast as before.
NICENESS = 10


class DiarizerReplica(Diarizer):
    """Loads its networks with its first span: a fault of theirs costs jobs their speakers, not the application."""

    def __init__(self, settings: Settings) -> None:
        begin_process(settings)
        os.nice(NICENESS)
        super().__init__(store=open_store(settings.store_url), load=_bundled)


def _bundled() -> VoiceModels:
    from pipelines.speakers.models import BundledVoiceModels  # with torch, which no other process loads for it

    return BundledVoiceModels()
