"""Transcribe by a converted model, in the ways the product and plain faster-whisper use it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import ctranslate2
import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel

from mini_model.augment import Samples
from pipelines.text.word_errors import WordErrors, word_errors

Way = Literal["padded", "untimed", "unpadded", "batched", "default"]
WAYS: tuple[Way, ...] = ("padded", "untimed", "unpadded", "batched", "default")
"""padded: faster-whisper, one window after the other, timestamps; untimed: the same without timestamps;
unpadded: CTranslate2 with no more frames than there is sound; batched: faster-whisper's batched pipeline;
default: faster-whisper as it comes, with five beams, second tries and the text before."""

_NO_SPEECH = 0.6
_LIKELY = -1.0
"""faster-whisper's thresholds: silence is what sounds like it and gives no likely text."""


class Listener:
    """Transcribes by a converted model: greedily, without fallback or previous text, except in the way ``default``."""

    def __init__(self, model: Path, language: str = "en", threads: int = 1) -> None:
        self.model, self.language = model, language
        self.whisper = WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=threads)
        self._batched = BatchedInferencePipeline(self.whisper)
        asked = (language, "transcribe") if self.whisper.model.is_multilingual else ()
        prompt = ("startoftranscript", *asked, "notimestamps")
        self._prompt = [self.whisper.hf_tokenizer.token_to_id(f"<|{token}|>") for token in prompt]

    def hear(self, samples: Samples, way: Way) -> str:
        """Transcribe ``samples`` (float32, 16 kHz)."""
        if way == "unpadded":
            return self._unpadded(samples)
        return " ".join(segment.text.strip() for segment in self.segments(samples, way))

    def segments(self, samples: Samples, way: Way, *, word_timestamps: bool = False) -> list[Any]:
        """Return faster-whisper's segments."""
        options: dict[str, Any] = {"language": self.language, "word_timestamps": word_timestamps}
        if way != "default":
            options |= {"beam_size": 1, "temperature": 0}
        if way == "batched":
            found, _ = self._batched.transcribe(samples, **options, batch_size=4)
        elif way == "default":
            found, _ = self.whisper.transcribe(samples, **options)
        else:
            options |= {"condition_on_previous_text": False, "without_timestamps": way == "untimed"}
            found, _ = self.whisper.transcribe(samples, **options)
        return list(found)

    def _unpadded(self, samples: Samples) -> str:
        mel = self.whisper.feature_extractor(samples)[:, :3000]
        features = ctranslate2.StorageView.from_array(np.ascontiguousarray(mel[None], dtype=np.float32))
        (said,) = self.whisper.model.generate(
            features, [self._prompt], beam_size=1, return_scores=True, return_no_speech_prob=True
        )
        if said.no_speech_prob > _NO_SPEECH and said.scores[0] < _LIKELY:
            return ""
        return str(self.whisper.hf_tokenizer.decode(said.sequences_ids[0])).strip()


def word_error_rate(pairs: Iterable[Sequence[str]]) -> float:
    """Return the percentage of wrong words (in Chinese: characters) over ``(truth, heard)`` pairs."""
    return 100 * sum((word_errors(*pair) for pair in pairs), WordErrors(n_words=0, n_errors=0)).rate
