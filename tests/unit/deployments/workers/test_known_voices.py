"""Voices that a Diarizer knows, with networks that tell loud from quiet."""

import base64
import functools
import io
import wave
from pathlib import Path

import numpy as np
import pytest

from deployments.ports import EnrolmentRequest, Passage
from deployments.workers.diarizer import Diarizer
from pipelines.audio.playback import PlaybackCopy
from pipelines.codec import encode
from pipelines.core import SAMPLE_RATE
from pipelines.errors import BlobMissing, ConfigurationError, OptionError, UnsupportedFormat
from pipelines.speakers.profiles import VoiceProfile
from pipelines.speakers.references import Reference, References
from pipelines.speakers.sealing import VoiceCipher, new_key
from pipelines.storage.layout import JobKeys, TenantKeys
from tests.fakes.store import MemoryStore
from tests.fakes.voices import LoudnessModels, noise
from tests.support.voice_spans import hearing, stored_span, telling

LOUD, QUIET = 0.9, 0.002


def wav(*amplitudes: float, seconds: float = 4.0) -> bytes:
    """A clip of one voice after the other."""
    sound = np.concatenate([noise(seconds, amplitude, n) for n, amplitude in enumerate(amplitudes)])
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes((sound * 32767).astype("<i2").tobytes())
    return file.getvalue()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def cipher() -> VoiceCipher:
    return VoiceCipher(new_key())


async def enrolled(diarizer: Diarizer, store: MemoryStore, name: str, clip: bytes, tenant: str = "t") -> VoiceProfile:
    """Enrol a clip and store its profile, as the API does."""
    voice_id = f"{tenant}{name}"
    store.put(TenantKeys(tenant=tenant).voice_clip(voice_id), clip)
    voice = await diarizer.enrol(EnrolmentRequest(tenant=tenant, voice_id=voice_id))
    profile = VoiceProfile(
        id=voice_id,
        name=name,
        consent_by="a form",
        consent_at_s=0.0,
        enrolled_by="",
        created_at_s=0.0,
        sealed=voice.sealed,
        network=voice.network,
        speech_s=voice.speech_s,
    )
    store.put(TenantKeys(tenant=tenant).voice(voice_id), encode(profile))
    return profile


async def test_an_enrolled_voice_is_recognised(store: MemoryStore, cipher: VoiceCipher) -> None:
    """The other one stays unknown, and so do both where the profile is another tenant's, or gone, or of another key."""
    diarizer = Diarizer(store=store, load=LoudnessModels, cipher=lambda: cipher)
    span = stored_span(store, 0)
    await diarizer.hear(hearing(span))
    await enrolled(diarizer, store, "Ann", wav(QUIET), tenant="other")
    assert (await diarizer.tell_apart(telling(span))).recognised == ()
    profile = await enrolled(diarizer, store, "Ann", wav(QUIET))
    found = await diarizer.tell_apart(telling(span))
    (ann,) = found.recognised
    assert (ann.speaker, ann.name, ann.profile) == (1, "Ann", profile.id)
    assert ann.similarity > 0.9
    assert found.n_known == 1
    other = Diarizer(store=store, load=LoudnessModels, cipher=functools.partial(VoiceCipher, new_key()))
    keyless = Diarizer(store=store, load=LoudnessModels)
    for each in (other, keyless):
        assert (await each.tell_apart(telling(span))).recognised == ()
    store.delete(TenantKeys(tenant="t").voice(profile.id))
    assert (await diarizer.tell_apart(telling(span))).recognised == ()


async def test_the_key_is_read_as_it_is_now(store: MemoryStore, cipher: VoiceCipher) -> None:
    """One that is set, changed or taken away counts from then on; no replica restarts for it."""
    now: list[VoiceCipher | None] = [None]
    diarizer = Diarizer(store=store, load=LoudnessModels, cipher=lambda: now[0])
    span = stored_span(store, 0)
    await diarizer.hear(hearing(span))
    await enrolled(Diarizer(store=store, load=LoudnessModels, cipher=lambda: cipher), store, "Ann", wav(QUIET))
    for key, n_known in ((None, 0), (cipher, 1), (VoiceCipher(new_key()), 0), (cipher, 1), (None, 0)):
        now[0] = key
        assert (await diarizer.tell_apart(telling(span))).n_known == n_known


async def test_a_key_that_is_none_costs_no_speakers(store: MemoryStore) -> None:
    """Voices are told apart as ever, without the names of profiles."""

    def broken() -> VoiceCipher:
        raise ConfigurationError("MEETMEMO_VOICES_KEY: no base64")

    diarizer = Diarizer(store=store, load=LoudnessModels, cipher=broken)
    span = stored_span(store, 0)
    await diarizer.hear(hearing(span))
    assert (await diarizer.tell_apart(telling(span))).recognised == ()


async def test_a_profile_that_was_moved_to_another_tenant_opens_nothing(
    store: MemoryStore, cipher: VoiceCipher
) -> None:
    """Whoever can write the store still cannot have a stranger recognised."""
    diarizer = Diarizer(store=store, load=LoudnessModels, cipher=lambda: cipher)
    span = stored_span(store, 0)
    await diarizer.hear(hearing(span))
    profile = await enrolled(diarizer, store, "Ann", wav(QUIET), tenant="other")
    store.put(TenantKeys(tenant="t").voice(profile.id), encode(profile))
    assert (await diarizer.tell_apart(telling(span))).recognised == ()


async def test_references_are_known_for_their_job_only(store: MemoryStore) -> None:
    """Without a key; what cannot be decoded is passed over, and a reference goes before a profile of that name."""
    diarizer = Diarizer(store=store, load=LoudnessModels)
    span = stored_span(store, 0)
    await diarizer.hear(hearing(span))
    clips = (("Ann", wav(LOUD)), ("Bob", b"RIFFnothing"), ("Cy", wav(QUIET, seconds=1.0)))
    references = References(
        voices=tuple(Reference(name=name, clip=base64.b64encode(clip).decode()) for name, clip in clips)
    )
    store.put(JobKeys(tenant="t", job_id="j").known_voices, encode(references))
    found = await diarizer.tell_apart(telling(span))
    assert [(each.speaker, each.name, each.profile) for each in found.recognised] == [(0, "Ann", "")]


@pytest.mark.parametrize(
    ("clip", "error"),
    [
        (wav(LOUD, QUIET), OptionError),
        (wav(LOUD, seconds=1.0), OptionError),
        (wav(0.0), OptionError),
        (b"no sound at all", UnsupportedFormat),
    ],
)
async def test_what_is_not_one_voice_is_not_enrolled(
    store: MemoryStore, cipher: VoiceCipher, clip: bytes, error: type[Exception]
) -> None:
    """Two voices, too little of one, silence, no recording."""
    diarizer = Diarizer(store=store, load=LoudnessModels, cipher=lambda: cipher)
    with pytest.raises(error):
        await enrolled(diarizer, store, "Ann", clip)


async def test_a_speaker_is_enrolled_from_the_kept_recording(
    store: MemoryStore, cipher: VoiceCipher, tmp_path: Path
) -> None:
    """From passages of it; what it is recognised by is theirs."""
    diarizer = Diarizer(store=store, load=LoudnessModels, cipher=lambda: cipher)
    request = EnrolmentRequest(
        tenant="t", voice_id="v", job_id="kept", passages=(Passage(channel=0, start_s=4.0, end_s=7.5),)
    )
    with pytest.raises(BlobMissing):
        await diarizer.enrol(request)
    sound = np.concatenate([noise(4.0, LOUD, 0), noise(4.0, QUIET, 1)])
    with PlaybackCopy(tmp_path / "copy.webm") as copy:
        list(copy.listen([(sound * 32767).astype(np.int16).reshape(1, -1)]))
    store.put_file(JobKeys(tenant="t", job_id="kept").playback, tmp_path / "copy.webm")
    voice = await diarizer.enrol(request)
    assert 3.0 <= voice.speech_s <= 3.6
    quiet = cipher.open(voice.sealed, tenant="t", voice_id="v")
    assert quiet[1] > 0.9 > quiet[0]


async def test_without_a_key_nothing_is_enrolled(store: MemoryStore) -> None:
    """The operator has to make one."""
    with pytest.raises(ConfigurationError):
        await enrolled(Diarizer(store=store, load=LoudnessModels), store, "Ann", wav(LOUD))
