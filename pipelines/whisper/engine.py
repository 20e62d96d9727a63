"""The Whisper engine: batches of rows in, one outcome per row out.

The way of a batch through `WhisperEngine.transcribe`:

1. rows that cannot be decoded (`row_fault`) fail alone; digital silence needs no decoding;
2. `LogMel` makes features of the rest;
3. the encoder runs, CTranslate2's or torch's (`pipelines.whisper.encoder`), row by row on a CPU, where batching it
   hurts, as one batch on a GPU;
4. the decoder runs over all rows at once, greedily (`WindowDecoder.decode`);
5. `pipelines.whisper.quality` judges each outcome; rows that fail are decoded again, the next way (`attempts_for`);
6. timestamps become segments (`pipelines.whisper.timestamps`), and words are aligned where asked for;
7. a row whose text stops well before its speech is continued from there (`pipelines.whisper.tail_recovery`).

An outcome at temperature 0 does not depend on the row's neighbours; one at a higher temperature is sampled.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from pipelines.core import SAMPLE_RATE, ChunkResult, ModelInfo
from pipelines.errors import ModelUnavailable
from pipelines.models.catalogue import ENGLISH_ONLY_TOKENS, read_profile, weights_sha256
from pipelines.models.profile import ModelProfile
from pipelines.whisper.ct2_model import Encoding, EngineOptions, RowFailure, WhisperModel
from pipelines.whisper.encoder_selection import trial_features
from pipelines.whisper.log_mel import FRAMES_PER_S, HOP_SAMPLES, WINDOW_FRAMES, LogMel
from pipelines.whisper.options import WINDOW_S, DecodeOptions, DecodeRequest, row_fault
from pipelines.whisper.row_decoder import DecodeState, WindowDecoder, failed, grouped, silent
from pipelines.whisper.tail_recovery import join_tail
from pipelines.whisper.timestamps import SAMPLES_PER_TICK
from pipelines.whisper.tokenizer import Vocabulary

__all__ = ["DecodeOptions", "DecodeRequest", "Engine", "EngineOptions", "WhisperEngine"]

MAX_CONTINUATIONS = 4
_WARM_UP_S = 2
_TRIAL_ROWS = 8  # of a GPU's batch; with fewer it is not busy
_LONGEST_STEP_S = 5.0
_LENGTHS = 8  # of windows up to a model's own length: rows share decoding batches, and few frames are empty
_QUIET_END_S = 0.5  # of silence at least, after which the model knows that the row has ended

T = TypeVar("T")


class Engine(Protocol):
    """Turns rows of PCM into text, as `WhisperEngine` does."""

    @property
    def info(self) -> ModelInfo:
        """What decodes."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages it speaks; with a single one there is nothing to detect."""

    def warm_up(self) -> None:
        """Decode something once, so that the first real batch finds everything allocated."""

    def resize(self, batch_size: int) -> None:
        """Decode so many rows at once from now on."""

    def transcribe(self, rows: Sequence[DecodeRequest]) -> list[ChunkResult]:
        """Decode rows; one outcome per row, in order, its ``error`` set where the row failed. Thread-safe."""

    def detect_language(self, rows: Sequence[DecodeRequest]) -> list[dict[str, float]]:
        """Return probability of each language for each row; empty for a row that cannot be asked. Thread-safe."""


class WhisperEngine:
    """A Whisper model that transcribes rows of up to 30 s, many at a time. Thread-safe."""

    def __init__(
        self, model: WhisperModel, vocabulary: Vocabulary, profile: ModelProfile, info: ModelInfo, batch_size: int
    ) -> None:
        """Assemble from loaded parts; see `load`."""
        self._model = model
        self._vocabulary = vocabulary
        self._log_mel = LogMel(model.n_mels, model.device_name)
        self._batch_size = batch_size
        self._lanes = ThreadPoolExecutor(model.n_workers, thread_name_prefix="decode")
        self._profile = profile
        self._info = info
        # Below the smallest vocabulary that was published CTranslate2's guess means nothing.
        small = vocabulary.size < ENGLISH_ONLY_TOKENS and bool(vocabulary.languages)
        language_tokens = profile.language_tokens
        if language_tokens is None:
            language_tokens = model.guesses_multilingual or small
        spoken = profile.languages or (vocabulary.languages if language_tokens else ("en",))
        self._languages = tuple(code for code in spoken if not language_tokens or code in vocabulary.languages)
        if not self._languages:
            raise ModelUnavailable(f"model {info.name!r} has no token for its languages {', '.join(spoken)}")
        self._decoder = WindowDecoder(model, vocabulary, language_tokens=language_tokens)

    @classmethod
    def load(
        cls,
        path: Path,
        options: EngineOptions = EngineOptions(),  # noqa: B008 - frozen
        *,
        name: str = "",
        profile: ModelProfile | None = None,
    ) -> "WhisperEngine":
        """Load a CTranslate2 model folder; ``name`` is what results call it, by default the folder's name.

        ``profile`` replaces what the folder's ``meetmemo.json`` says. Raises `ModelUnavailable` for bad weights and
        `ConfigurationError` for a device or compute type that is not there.
        """
        vocabulary = Vocabulary.load(path)
        model = WhisperModel(path, options)
        info = ModelInfo(
            name=name or path.name,
            sha256=weights_sha256(path),
            compute_type=model.compute_type,
            device=model.device_name,
        )
        return cls(model, vocabulary, profile or read_profile(path), info, options.batch_size)

    @property
    def info(self) -> ModelInfo:
        """Name, hash of the weights, compute type and device."""
        return self._info

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages the model speaks."""
        return self._languages

    @property
    def is_multilingual(self) -> bool:
        """Whether there is a language to choose or detect."""
        return len(self._languages) > 1

    @property
    def window_s(self) -> int:
        """Longest row in seconds."""
        return WINDOW_S

    def warm_up(self) -> None:
        """Choose the encoder, and decode noise every way a job may ask for.

        Raises `ModelUnavailable` when the model cannot.
        """
        longest = self._n_frames(round(self._profile.window_s * SAMPLE_RATE))
        n_rows = 1 if self._model.kind == "cpu" else min(self._batch_size, _TRIAL_ROWS)
        self._model.encoder.choose(trial_features(self._log_mel, longest, n_rows))
        noise = np.random.default_rng(0).normal(0, 1000, _WARM_UP_S * SAMPLE_RATE).astype(np.int16)
        options = DecodeOptions(language=self._languages[0], word_timestamps=True, temperatures=(0.0, 1.0))
        result = self.transcribe([DecodeRequest(pcm=noise, options=options)])[0]
        if result.error:
            raise ModelUnavailable(f"model {self._info.name!r} does not decode: {result.error}")

    def resize(self, batch_size: int) -> None:
        """Decode so many rows at once from now on, also where memory had not sufficed for as many."""
        self._batch_size = batch_size
        self._model.resize(batch_size)

    def transcribe(self, rows: Sequence[DecodeRequest]) -> list[ChunkResult]:
        """Decode rows; returns one outcome per row, in order, never raises for a row's fault.

        Rows may differ in length, language and options. ``ChunkResult.suspect`` names the quality rules that the
        outcome still breaks after every attempt; times are on the row's clock.
        """
        return self._transcribe(rows, MAX_CONTINUATIONS)

    def detect_language(self, rows: Sequence[DecodeRequest]) -> list[dict[str, float]]:
        """Return probability of each of `languages` for each row, summing to 1.

        Empty for a row that cannot be asked: a faulty one, or any when CTranslate2 cannot detect with this model.
        """
        if not self.is_multilingual:
            return [{} if row_fault(row) else {self._languages[0]: 1.0} for row in rows]
        answers: list[dict[str, float]] = [{} for _ in rows]
        askable = [place for place, row in enumerate(rows) if not row_fault(row)]
        for places in _batches(askable, self._batch_size):
            for place, encoding in zip(places, self._encode([rows[place] for place in places]), strict=True):
                answers[place] = {} if isinstance(encoding, RowFailure) else self._detect(encoding)
        return answers

    def _detect(self, encoding: Encoding) -> dict[str, float]:
        found = self._model.detect_language([encoding])[0]
        if isinstance(found, RowFailure):  # CTranslate2 refuses what it takes for a model of one language
            return {}
        allowed = {code: found.get(code, 0.0) for code in self._languages}
        total = sum(allowed.values())
        return {code: probability / total for code, probability in allowed.items()} if total else {}

    def _transcribe(self, rows: Sequence[DecodeRequest], continuations: int) -> list[ChunkResult]:
        results = {place: result for place, row in enumerate(rows) if (result := self._without_decoding(row))}
        todo = [place for place in range(len(rows)) if place not in results]
        todo.sort(key=lambda place: len(rows[place].pcm))  # rows of like length keep a decoding batch full to the end
        batches = list(_batches(todo, self._batch_size))
        # A single batch is decoded by the thread that brings it: callers with several threads fill the workers.
        run = self._lanes.map if len(batches) > 1 and continuations == MAX_CONTINUATIONS else map
        outcomes = run(lambda places: self._decode([rows[place] for place in places], continuations), batches)
        for places, finished in zip(batches, outcomes, strict=True):
            results.update(zip(places, finished, strict=True))
        return [results[place] for place in range(len(rows))]

    def _decode(self, rows: Sequence[DecodeRequest], continuations: int) -> list[ChunkResult]:
        """Decode one batch, from features to segments."""
        windows = self._open(rows)
        self._decoder.decode(windows)
        return self._continue(windows, self._decoder.finish(windows), continuations)

    def _continue(
        self, windows: Sequence[DecodeState], finished: Sequence[tuple[ChunkResult, int | None]], continuations: int
    ) -> list[ChunkResult]:
        """Decode what rows left out at their ends as rows of their own, and append it."""
        results = [result for result, _ in finished]
        tails = [(i, tick) for i, (_, tick) in enumerate(finished) if tick is not None and continuations]
        rows = [
            replace(
                windows[i].row,
                pcm=windows[i].row.pcm[tick * SAMPLES_PER_TICK :],
                options=replace(windows[i].row.options, language=windows[i].language, prompt=""),
            )
            for i, tick in tails
        ]
        for (i, tick), heard in zip(tails, self._transcribe(rows, continuations - 1), strict=True):
            results[i] = join_tail(results[i], heard, tick, windows[i].sound.end)
        return results

    def _without_decoding(self, row: DecodeRequest) -> ChunkResult | None:
        """Return the outcome of a row that needs no decoder, else None."""
        options = row.options
        fault = row_fault(row)
        if not fault and options.language is not None and options.language not in self._languages:
            fault = f"model {self._info.name!r} does not speak {options.language!r}"
        if not fault and options.task == "translate" and not self.is_multilingual:
            fault = f"model {self._info.name!r} cannot translate"
        if fault:
            return failed(row, fault)
        return silent(row, options.language or self._languages[0]) if not row.pcm.any() else None

    def _encode(self, rows: Sequence[DecodeRequest]) -> list[Encoding | RowFailure]:
        encodings: dict[int, Encoding | RowFailure] = {}
        lengths = grouped(range(len(rows)), lambda place: self._n_frames(len(rows[place].pcm)))
        for n_frames, places in lengths.items():
            features = self._log_mel([rows[place].pcm for place in places], pad_to=n_frames)
            encodings.update(zip(places, self._model.encode(features), strict=True))
        return [encodings[place] for place in range(len(rows))]

    def _n_frames(self, n_samples: int) -> int:
        """Feature frames that a row of this length is given."""
        return self._log_mel.n_frames_for(window_frames(n_samples, self._profile) * HOP_SAMPLES)

    def _open(self, rows: Sequence[DecodeRequest]) -> list[DecodeState]:
        """Encode rows, and settle their languages."""
        windows = []
        for row, encoding in zip(rows, self._encode(rows), strict=True):
            window = DecodeState(row=row, language=row.options.language or self._languages[0])
            if isinstance(encoding, RowFailure):
                window.error = str(encoding)
            else:
                window.encoding = encoding
                if row.options.language is None and self.is_multilingual:
                    votes = self._detect(encoding)
                    window.language = max(votes, key=lambda code: votes[code], default="")
                    window.error = "" if votes else f"model {self._info.name!r} cannot detect languages: name one"
            windows.append(window)
        return windows


def window_frames(n_samples: int, profile: ModelProfile) -> int:
    """Feature frames to fill a row up to; it depends on the row alone, and so does what is heard in it.

    Models of short windows get them in even steps, of which rows of the model's own length fill a whole number with
    the quiet after them: few lengths, so that rows still share decoding batches.
    """
    if not profile.short_windows:
        return WINDOW_FRAMES
    longest_s = min(profile.window_s + _QUIET_END_S, WINDOW_S)
    n_steps = max(_LENGTHS, ceil(longest_s / _LONGEST_STEP_S))
    step = 2 * ceil(longest_s * FRAMES_PER_S / n_steps / 2)
    n_frames = step * ceil((n_samples / SAMPLE_RATE + _QUIET_END_S) * FRAMES_PER_S / step)
    return min(WINDOW_FRAMES, n_frames)


def _batches(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (items[i : i + size] for i in range(0, len(items), size))
