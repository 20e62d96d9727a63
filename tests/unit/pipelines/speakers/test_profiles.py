"""Sealed voices, and speakers who are known by them."""

import base64

import numpy as np
import pytest

from pipelines.errors import ConfigurationError
from pipelines.speakers.centroids import speaker_vectors
from pipelines.speakers.profiles import MIN_SIMILARITY, KnownVoice, recognise
from pipelines.speakers.protocol import EMBEDDING_SIZE
from pipelines.speakers.sealing import VoiceCipher, new_key
from pipelines.speakers.voices import SpanVoices, SpeakerTurn, VoicePiece, VoiceRun, unit

VOICE = np.arange(EMBEDDING_SIZE, dtype=np.float32)


def voice(**at: float) -> np.ndarray:
    """A voice of length 1 with parts of some of the axes ``a0``, ``a1``, …"""
    vector = np.zeros(EMBEDDING_SIZE, np.float32)
    for axis, part in at.items():
        vector[int(axis[1:])] = part
    return unit(vector)


def test_a_sealed_voice_opens_for_its_tenant_and_profile_only() -> None:
    """Nothing of it can be read from what is stored, and no two seals are alike."""
    cipher = VoiceCipher(new_key())
    sealed = cipher.seal(VOICE, tenant="acme", voice_id="v")
    assert np.array_equal(cipher.open(sealed, tenant="acme", voice_id="v"), VOICE)
    assert VOICE.tobytes()[:16] not in base64.b64decode(sealed)
    assert cipher.seal(VOICE, tenant="acme", voice_id="v") != sealed
    for other, tenant, voice_id in (
        (cipher, "globex", "v"),
        (cipher, "acme", "w"),
        (VoiceCipher(new_key()), "acme", "v"),
    ):
        with pytest.raises(ConfigurationError):
            other.open(sealed, tenant=tenant, voice_id=voice_id)


@pytest.mark.parametrize("key", ["", "secret", base64.b64encode(b"short").decode()])
def test_what_is_no_key_is_refused(key: str) -> None:
    """Its words are not told."""
    with pytest.raises(ConfigurationError) as told:
        VoiceCipher(key)
    assert not key or key not in str(told.value)


def test_known_speakers_have_their_names() -> None:
    """Who is like nobody, or like two people, is unknown; each person is one speaker, the most similar."""
    known = [
        KnownVoice(name="Ann", vector=voice(a0=1), profile="p1"),
        KnownVoice(name="Ann", vector=voice(a0=1, a5=0.1), profile="p2"),
        KnownVoice(name="Bob", vector=voice(a1=1), profile="p3"),
    ]
    voices = {
        0: voice(a0=1, a2=0.5),
        1: voice(a0=1, a2=0.2),
        2: voice(a3=1),
        3: voice(a0=1, a1=1),
        4: voice(a1=1, a3=1.3),
    }
    assert float(voices[4] @ known[2].vector) < MIN_SIMILARITY < float(voices[3] @ known[2].vector)
    (ann,) = recognise(2, voices, known)
    assert (ann.channel, ann.speaker, ann.name, ann.profile) == (2, 1, "Ann", "p1")
    assert ann.similarity == pytest.approx(0.98, abs=0.01)
    assert recognise(0, voices, ()) == ()


def test_the_voice_of_a_speaker_is_of_pieces_in_which_they_are_alone() -> None:
    """Neither what others say at the same time counts, nor pieces between two voices; little speech has no voice."""
    pieces = [
        VoicePiece(run=0, start=0, end=120, alone=True),
        VoicePiece(run=0, start=120, end=240, alone=False),
        VoicePiece(run=0, start=60, end=180, alone=True, between=True),
        VoicePiece(run=0, start=240, end=300, alone=True),
    ]
    vectors = np.stack([voice(a0=1), voice(a1=1), voice(a2=1), voice(a3=1)]).astype("<f2")
    heard = SpanVoices(
        start=16_000,
        n_samples=160_000,
        runs=(VoiceRun(track=0, start=0, end=300),),
        pieces=tuple(pieces),
        embeddings=base64.b64encode(vectors.tobytes()).decode("ascii"),
    )
    turns = [SpeakerTurn(speaker=0, start_s=1.0, end_s=5.0), SpeakerTurn(speaker=1, start_s=5.0, end_s=6.5)]
    found = speaker_vectors([heard], turns)
    assert list(found) == [0]
    assert np.allclose(found[0], voice(a0=1), atol=1e-3)
