"""`KnownVoices`: whose voices a Diarizer knows: a tenant's profiles, and the clips that came with a request."""

import base64
import binascii
import io
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import structlog

from deployments.ports import EnrolmentRequest, SealedVoice
from pipelines.codec import decode
from pipelines.core import SAMPLE_RATE
from pipelines.errors import BlobMissing, ConfigurationError, InputError, OptionError
from pipelines.speakers.analysis import analyse
from pipelines.speakers.centroids import MIN_VOICE_S, speaker_vectors
from pipelines.speakers.diarization import cluster
from pipelines.speakers.profiles import NETWORK, KnownVoice, VoiceProfile
from pipelines.speakers.protocol import VoiceModels
from pipelines.speakers.references import MAX_CLIP_S, References
from pipelines.speakers.sealing import VoiceCipher
from pipelines.speakers.voices import SpeakerTurn
from pipelines.storage.layout import JobKeys, TenantKeys
from pipelines.storage.protocol import BlobStore

if TYPE_CHECKING:
    from pipelines.audio.sandbox import Decoder

MAX_ENROLLED_S = 120.0
"""So much of a clip is heard; more tells no more."""
MIN_SHARE = 0.9
"""Of a clip's talk that is one person's: a clip with more voices is nobody's."""

Pcm = npt.NDArray[np.int16]

log = structlog.get_logger()


def no_cipher() -> VoiceCipher | None:
    """Say that there is no key of voice profiles."""
    return None


class KnownVoices:
    """Reads and makes voices to compare with. Every method blocks. No voice leaves it but sealed, and none is logged.

    ``cipher`` gives what opens profiles as the key is now; where it gives none there are no profiles, but references.
    ``decoder`` makes what decodes clips, when one comes.
    """

    def __init__(
        self,
        *,
        store: BlobStore,
        cipher: Callable[[], VoiceCipher | None],
        decoder: Callable[[], "Decoder"],
        models: Callable[[], VoiceModels],
    ) -> None:
        self._store = store
        self._cipher = cipher
        self._decoder = decoder
        self._models = models

    def of_job(self, tenant: str, job_id: str) -> Sequence[KnownVoice]:
        """Return the voices that speakers of a job are compared with; references go before profiles of that name."""
        references = list(self._references(JobKeys(tenant=tenant, job_id=job_id)))
        named = {each.name for each in references}
        return [*references, *(each for each in self._profiles(tenant) if each.name not in named)]

    def enrol(self, request: EnrolmentRequest) -> SealedVoice:
        """Seal the voice of a clip, or of passages of a job's kept recording.

        Raises `OptionError` for a recording in which not one voice is alone for long enough, `InputError`,
        `BlobMissing`, and `ConfigurationError` where the installation has no key.
        """
        cipher = self._cipher()
        if cipher is None:
            raise ConfigurationError("This installation has no key for voice profiles.")
        if request.job_id:
            samples = self._passages(request)
        else:
            with self._store.open(TenantKeys(tenant=request.tenant).voice_clip(request.voice_id)) as clip:
                samples = self._decoded(clip.read(), MAX_ENROLLED_S)
        vector = self._voice_of(samples, one_person=bool(request.job_id))
        sealed = cipher.seal(vector, tenant=request.tenant, voice_id=request.voice_id)
        return SealedVoice(sealed=sealed, network=NETWORK, speech_s=len(samples) / SAMPLE_RATE)

    def _profiles(self, tenant: str) -> Iterator[KnownVoice]:
        try:
            cipher = self._cipher()
        except ConfigurationError as error:  # the key's file was changed to something else
            log.warning("voice profiles passed over", action="recognise", error=str(error))
            return
        if cipher is None:
            return
        for key in self._store.list(TenantKeys(tenant=tenant).voices):
            try:
                profile = decode(VoiceProfile, self._store.get(key))
                if profile.network != NETWORK:
                    continue
                vector = cipher.open(profile.sealed, tenant=tenant, voice_id=profile.id)
            except BlobMissing:  # deleted meanwhile
                continue
            except ConfigurationError as error:
                log.warning("voice profile passed over", action="recognise", key=key, error=str(error))
                continue
            yield KnownVoice(name=profile.name, vector=vector, profile=profile.id)

    def _references(self, keys: JobKeys) -> Iterator[KnownVoice]:
        try:
            references = decode(References, self._store.get(keys.known_voices))
        except BlobMissing:
            return
        for number, reference in enumerate(references.voices, start=1):
            try:
                samples = self._decoded(base64.b64decode(reference.clip), MAX_CLIP_S)
                yield KnownVoice(name=reference.name, vector=self._voice_of(samples, one_person=True))
            except (InputError, OptionError, binascii.Error) as error:
                log.warning(
                    "reference passed over", action="recognise", job_id=keys.job_id, number=number, error=str(error)
                )

    def _voice_of(self, samples: Pcm, *, one_person: bool) -> npt.NDArray[np.float32]:
        """Return the voice in some samples; ``one_person``: nobody asks whether it is one."""
        heard = [analyse(samples, 0, self._models())]
        turns: Sequence[SpeakerTurn]
        if one_person:
            turns = [SpeakerTurn(speaker=0, start_s=0.0, end_s=len(samples) / SAMPLE_RATE)]
        else:
            turns = cluster(heard)
        talk_s: dict[int, float] = {}
        for turn in turns:
            talk_s[turn.speaker] = talk_s.get(turn.speaker, 0.0) + turn.end_s - turn.start_s
        speaker = max(talk_s, key=talk_s.__getitem__, default=0)
        if talk_s and talk_s[speaker] < MIN_SHARE * sum(talk_s.values()):
            raise OptionError("the clip has several voices: it must hold one person's")
        voices = speaker_vectors(heard, turns)
        if speaker not in voices:
            raise OptionError(f"less than {MIN_VOICE_S:g} seconds of a voice were heard")
        return voices[speaker]

    def _decoded(self, clip: bytes, longest_s: float) -> Pcm:
        """Decode the beginning of an untrusted clip."""
        decoder = self._decoder()  # lives as long as it decodes
        decoding = decoder(io.BytesIO(clip), channels="mix", track=None, max_duration_s=10 * longest_s, max_channels=8)
        blocks: list[Pcm] = []
        try:
            for block in decoding:
                blocks.append(block[0])
                if sum(map(len, blocks)) >= longest_s * SAMPLE_RATE:
                    break
        finally:
            decoding.kill()
        samples: Pcm = np.concatenate(blocks) if blocks else np.zeros(0, np.int16)
        return samples[: round(longest_s * SAMPLE_RATE)]

    def _passages(self, request: EnrolmentRequest) -> Pcm:
        """Return what a speaker says alone, from the copy that a job keeps."""
        from pipelines.audio.playback import samples_between  # only who enrols loads FFmpeg

        keys = JobKeys(tenant=request.tenant, job_id=request.job_id)
        parts: list[Pcm] = []
        with self._store.open(keys.playback) as copy:
            data = io.BytesIO(copy.read())
        for passage in request.passages:
            data.seek(0)
            heard = samples_between(data, passage.start_s, passage.end_s)
            parts.append(heard[passage.channel if passage.channel < len(heard) else 0])
        return np.concatenate(parts) if parts else np.zeros(0, np.int16)
