"""Voice profiles: whose voice it is, and with whose consent; matching speakers of a recording with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.speakers.voices import RecognisedVoice

Floats = npt.NDArray[np.float32]

NETWORK = "campplus-zh-en"
"""Voices of one network cannot be compared with those of another."""
MIN_SIMILARITY = 0.65
"""Cosine. The sample voices are 0.79 to 0.96 like themselves in another recording, 0.04 to 0.55 like each other."""
MIN_LEAD = 0.1
"""Over the next best person: who is between two people is unknown."""
MAX_PROFILES = 1000  # of a tenant


@dataclass(frozen=True, kw_only=True)
class VoiceProfile:
    """A person's voice as it is stored; ``sealed`` is the voice under `pipelines.speakers.sealing.VoiceCipher`.

    ``consent_by`` gave consent at ``consent_at_s``, as ``enrolled_by`` (a credential's id) says; ``origin`` is the job
    it was enrolled from, "" for a clip. Times in Unix seconds.
    """

    id: str
    name: str
    consent_by: str
    consent_at_s: float
    enrolled_by: str
    created_at_s: float
    sealed: str
    network: str = NETWORK
    speech_s: float = 0.0
    origin: str = ""


@dataclass(frozen=True, kw_only=True)
class KnownVoice:
    """A voice to compare with; ``profile`` is "" for a reference that came with a request."""

    name: str
    vector: Floats
    profile: str = ""


def recognise(channel: int, voices: Mapping[int, Floats], known: Sequence[KnownVoice]) -> tuple[RecognisedVoice, ...]:
    """Return the speakers of a channel who are known, each person once: the most similar of them.

    Speakers below `MIN_SIMILARITY`, or without `MIN_LEAD` over the next person, stay unknown.
    """
    best: dict[str, RecognisedVoice] = {}
    for speaker, vector in voices.items():
        ranked = sorted(((float(vector @ each.vector), n) for n, each in enumerate(known)), reverse=True)
        if not ranked or ranked[0][0] < MIN_SIMILARITY:
            continue
        similarity, person = ranked[0][0], known[ranked[0][1]]
        rival = next((other for other, n in ranked if known[n].name != person.name), -1.0)
        if similarity - rival < MIN_LEAD:
            continue
        held = best.get(person.name)
        if held is None or similarity > held.similarity:
            best[person.name] = RecognisedVoice(
                channel=channel, speaker=speaker, name=person.name, profile=person.profile, similarity=similarity
            )
    return tuple(sorted(best.values(), key=lambda voice: voice.speaker))
