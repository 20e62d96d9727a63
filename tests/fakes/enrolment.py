"""`FakeEnrolment`: seals nothing, and says what it was asked to."""

from deployments.ports import EnrolmentRequest, SealedVoice
from pipelines.storage.layout import TenantKeys
from pipelines.storage.protocol import BlobStore

SEALED = "c2VhbGVkIHZvaWNl"


class FakeEnrolment:
    """A `deployments.ports.EnrolmentPort`. ``asked`` are the requests, ``clips`` the bytes that were there to hear.

    ``fail`` is raised instead.
    """

    def __init__(self, store: BlobStore) -> None:
        self.store = store
        self.asked: list[EnrolmentRequest] = []
        self.clips: list[bytes] = []
        self.fail: Exception | None = None

    async def enrol(self, request: EnrolmentRequest) -> SealedVoice:
        self.asked.append(request)
        if not request.job_id:
            self.clips.append(self.store.get(TenantKeys(tenant=request.tenant).voice_clip(request.voice_id)))
        if self.fail:
            raise self.fail
        return SealedVoice(sealed=SEALED, network="n", speech_s=4.04)
