"""Sentences whose word times are known: espeak-ng's library reports where it puts each word."""

import ctypes
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mini_model.augment import Samples
from mini_model.model import SAMPLE_RATE
from scripts.speech.voices import PEAK, resample

LIBRARY_VOICES = ("en-us", "en-us+m3", "en-us+f3", "English (Great Britain)", "English (Great Britain)+f3")
"""The library finds voices by name only; its British one is called otherwise than on the command line."""

# Numbers of speak_lib.h.
_OUTPUT_RETRIEVAL = 1
_POSITION_CHARACTER = 1
_UTF8 = 1
_EVENT_END, _EVENT_WORD = 0, 1
_FULL_SCALE = 32768
_MARGIN_S = 0.3


class _Event(ctypes.Structure):
    """Mirrors `espeak_EVENT`; the union at the end is as wide as a pointer."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def timed_sentence(text: str, voice: str) -> tuple[Samples, list[float]]:
    """Speak ``text`` by an espeak-ng ``voice``; return float32 at 16 kHz with silent margins, and word starts (s)."""
    library, rate = _library()
    chunks: list[NDArray[np.int16]] = []
    starts_s: list[float] = []

    def collect(samples: "ctypes._Pointer[ctypes.c_short]", n_samples: int, events: "ctypes._Pointer[_Event]") -> int:
        if samples and n_samples:
            chunks.append(np.ctypeslib.as_array(samples, (n_samples,)).astype(np.int16))
        number = 0
        while events[number].type != _EVENT_END:
            if events[number].type == _EVENT_WORD:
                starts_s.append(events[number].audio_position_ms / 1000)
            number += 1
        return 0

    callback = _Callback(collect)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.encode()):
        raise ValueError(f"espeak-ng has no voice {voice!r}")
    line = text.encode() + b"\0"
    library.espeak_Synth(line, len(line), 0, _POSITION_CHARACTER, 0, _UTF8, None, None)
    library.espeak_Synchronize()
    pcm = resample(np.concatenate(chunks)[None], rate, SAMPLE_RATE)[0]
    margin = np.zeros(round(_MARGIN_S * SAMPLE_RATE), np.float32)
    loud = pcm.astype(np.float32) * (PEAK / _FULL_SCALE / max(1, np.abs(pcm.astype(np.int32)).max()))
    return np.concatenate([margin, loud.astype(np.float32), margin]), [start_s + _MARGIN_S for start_s in starts_s]


@cache
def _library() -> tuple[ctypes.CDLL, int]:
    library = ctypes.CDLL("libespeak-ng.so.1")
    rate = library.espeak_Initialize(_OUTPUT_RETRIEVAL, 500, None, 0)
    if rate <= 0:
        raise RuntimeError("espeak-ng's library does not start")
    return library, rate
