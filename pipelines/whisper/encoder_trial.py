"""Chooses a model's encoder on the machine it runs on, once: by time, and by the words of the calibration set."""

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import structlog

from pipelines.core import ChunkResult, ModelInfo
from pipelines.errors import ModelUnavailable
from pipelines.models.devices import EncoderName
from pipelines.text.word_errors import word_errors
from pipelines.whisper.ct2_model import EngineOptions, WhisperModel
from pipelines.whisper.encoding.calibration import CalibrationRow, calibration_rows
from pipelines.whisper.encoding.encoder import CANDIDATES, EncoderChoice
from pipelines.whisper.encoding.memory import EncoderMemory
from pipelines.whisper.encoding.selection import Errors, select, time_encoders, trial_features
from pipelines.whisper.log_mel import WINDOW_FRAMES, LogMel
from pipelines.whisper.options import DecodeOptions, DecodeRequest

log = structlog.get_logger()

POOLINGS = (2, 1)
MAX_PASS_S = 60.0
"""Longest that encoding the calibration set may take; a trial is two to six times that, and a cluster's start waits."""
_TRIAL_ROWS = 8  # of a GPU's batch; with fewer it is not busy


class EncoderTrial:
    """Tries the encoders of a loaded model; ``transcribe`` decodes rows with the one in use."""

    def __init__(
        self,
        model: WhisperModel,
        options: EngineOptions,
        languages: Sequence[str],
        transcribe: Callable[[Sequence[DecodeRequest]], list[ChunkResult]],
    ) -> None:
        self._model = model
        self._options = options
        self._languages = languages
        self._transcribe = transcribe

    def choose(self, path: Path, info: ModelInfo) -> EncoderChoice:
        """Return what was chosen before on this machine, else choose; the model in ``path`` uses it from now on."""
        options = self._options
        with EncoderMemory(path, info, pooling=options.pooling, windows=options.windows).held() as memory:
            remembered = memory.recall()
            if remembered and self._works(remembered):
                return remembered
            seconds = self._seconds()
            choice = self._choice_by(seconds)
            if self._model.kind == "cpu" or len(seconds) == len(self._names):
                memory.remember(choice)  # else a GPU had no room for one of them: the next start may find some
        self._model.use(choice)
        return choice

    def _works(self, choice: EncoderChoice) -> bool:
        """Use a choice, unless it does not load any more, for want of memory or of a package."""
        try:
            self._model.use(choice)
        except ModelUnavailable as error:
            log.warning("encoder unavailable", encoder=choice.encoder, error=str(error))
            return False
        return True

    def _choice_by(self, seconds: dict[EncoderName, float]) -> EncoderChoice:
        """Choose by trial, or stay with CTranslate2 where that would keep a replica from its work for too long."""
        pass_s = len(self._rows) * seconds.get("ctranslate2", 0.0) / self._model.n_workers
        if pass_s > MAX_PASS_S:
            log.warning("encoder not tried", hint="set models[].encoder", pass_s=round(pass_s), seconds=seconds)
            return self._ways()[-1]
        return select(seconds, self._ways(), self._errors_with)

    @cached_property
    def _rows(self) -> Sequence[CalibrationRow]:
        """The calibration set in the model's languages, which every candidate transcribes."""
        return calibration_rows(self._languages)

    @property
    def _names(self) -> tuple[EncoderName, ...]:
        return ("ctranslate2", *CANDIDATES[self._model.kind])

    def _ways(self) -> Sequence[EncoderChoice]:
        """Return the ways that the settings leave to choose from, the cheapest for the decoder first."""
        pooling, windows = self._options.pooling, self._options.windows
        poolings = (pooling,) if pooling else POOLINGS
        short = (True, False) if windows == "auto" else (windows == "short",)
        return [EncoderChoice(pooling=n, short_windows=s) for n in poolings for s in short]

    def _seconds(self) -> dict[EncoderName, float]:
        """Return the seconds of each encoder for full windows."""
        cpu = self._model.kind == "cpu"
        n_rows = 1 if cpu else min(self._options.batch_size, _TRIAL_ROWS)
        features = trial_features(LogMel(self._model.n_mels, self._model.device_name), WINDOW_FRAMES, n_rows)
        # Processor time, where there is one to ask for: neighbours on the machine take it from neither.
        clock = time.process_time if cpu else time.perf_counter
        return time_encoders(self._names, self._model.encoder, features, clock)

    def _errors_with(self, choice: EncoderChoice) -> Errors:
        """Return the errors in each row of the calibration set; a loop counts as nothing heard."""
        self._model.use(choice)
        rows = self._rows
        requests = [
            DecodeRequest(pcm=row.pcm, options=DecodeOptions(language=row.language, temperatures=(0.0,)))
            for row in rows
        ]
        heard = ["".join(segment.text for segment in result.segments) for result in self._transcribe(requests)]
        counted = [word_errors(row.text, text) for row, text in zip(rows, heard, strict=True)]
        return [(row.language, min(n.n_errors, n.n_words)) for row, n in zip(rows, counted, strict=True)]
