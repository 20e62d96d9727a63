"""The Whisper engine: batches of rows in, one outcome per row out.

The way of a batch through `WhisperEngine.transcribe`:

1. rows that cannot be decoded (`row_fault`) fail alone; digital silence needs no decoding;
2. `LogMel` makes features of the rest;
3. the encoder runs, the one that `pipelines.whisper.encoding.selection` chose, row by row on a CPU, where batching it
   hurts, as one batch on a GPU;
4. rows whose language is not given are asked for it by windows (`pipelines.whisper.language_detection`), and those in
   several languages fall into passages, which are rows of their own from here on;
5. the decoder runs over all rows at once, greedily (`WindowDecoder.decode`);
6. `pipelines.whisper.quality` judges each outcome; rows that fail are decoded again, the next way (`attempts_for`);
7. words are aligned with the audio and make segments (`pipelines.whisper.sentences`), or the model's own timestamps do
   (`pipelines.whisper.timestamps`);
8. speech that no word covers is decoded again as a row of its own; what stays unheard is told
   (`pipelines.whisper.unheard`).

An outcome at temperature 0 does not depend on the row's neighbours; one at a higher temperature is sampled.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from pipelines.core import SAMPLE_RATE, ChunkResult, LanguagePassage, ModelInfo
from pipelines.errors import ModelUnavailable
from pipelines.models.catalogue import ENGLISH_ONLY_TOKENS, read_profile, weights_sha256
from pipelines.models.profile import ModelProfile
from pipelines.whisper.ct2_model import Encoding, EngineOptions, RowFailure, WhisperModel
from pipelines.whisper.encoder_trial import EncoderTrial
from pipelines.whisper.language_detection import LanguageDetector, part_of
from pipelines.whisper.log_mel import FRAMES_PER_S, HOP_SAMPLES, WINDOW_FRAMES, LogMel
from pipelines.whisper.options import WINDOW_S, DecodeOptions, DecodeRequest, row_fault
from pipelines.whisper.passages import join_passages, main_language
from pipelines.whisper.row_decoder import DecodeState, WindowDecoder, failed, grouped, silent
from pipelines.whisper.tokenizer import Vocabulary
from pipelines.whisper.unheard import Hole, fill, find_holes

__all__ = ["DecodeOptions", "DecodeRequest", "Engine", "EngineOptions", "WhisperEngine"]

MAX_REDECODINGS = 2
"""How deep what was decoded again is searched for holes."""
QUIET_AFTER_S, SHORT_STEP_S = 5.0, 5.0
"""Silence after a row at least, and steps of the length, of short windows of models that were trained on 30 s. With
1 or 2 s of it they fall into loops in some languages (docs/decisions/encoders.md)."""
MOST_OF_A_ROW = 0.9
"""A hole that is nearly the whole row was heard already."""
_WARM_UP_S = 2
_LONGEST_STEP_S = 5.0
_LENGTHS = 8  # of windows up to a model's own length: rows share decoding batches, and few frames are empty
_FEATURE_ROWS = 4  # at once on a CPU, which gains nothing by more; spectra take 10 MB a row
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


class WhisperEngine:
    """A Whisper model that transcribes rows of up to 30 s, many at a time. Thread-safe."""

    def __init__(
        self,
        model: WhisperModel,
        vocabulary: Vocabulary,
        profile: ModelProfile,
        info: ModelInfo,
        path: Path,
        options: EngineOptions,
    ) -> None:
        """Assemble from loaded parts; see `load`."""
        self._model = model
        self._path = path
        self._options = options
        self._vocabulary = vocabulary
        self._log_mel = LogMel(model.n_mels, model.device_name)
        self._batch_size = options.batch_size
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
        self._decoder = WindowDecoder(model, vocabulary, language_tokens=language_tokens, confidence=profile.confidence)
        self._languages_of = LanguageDetector(
            model,
            self._languages,
            self._encode_briefly,
            by_window=not profile.short_windows,
        ).detect

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
        return cls(model, vocabulary, profile or read_profile(path), info, path, options)

    @property
    def info(self) -> ModelInfo:
        """Name, hash of the weights, compute type, device and what encodes."""
        return replace(self._info, encoder=self._model.choice.label)

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

        Models of short windows stay with CTranslate2's: what others gain grows with the square of the length. Raises
        `ModelUnavailable` when the model cannot decode.
        """
        if self._options.encoder == "auto" and not self._profile.short_windows:
            trial = EncoderTrial(self._model, self._options, self._languages, self.transcribe)
            trial.choose(self._path, self._info)
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
        return self._transcribe(rows, MAX_REDECODINGS)

    def _transcribe(self, rows: Sequence[DecodeRequest], redecodings: int) -> list[ChunkResult]:
        results = {place: result for place, row in enumerate(rows) if (result := self._without_decoding(row))}
        todo = [place for place in range(len(rows)) if place not in results]
        todo.sort(key=lambda place: len(rows[place].pcm))  # rows of like length keep a decoding batch full to the end
        batches = list(_batches(todo, self._batch_size))
        # A single batch is decoded by the thread that brings it: callers with several threads fill the workers.
        run = self._lanes.map if len(batches) > 1 and redecodings == MAX_REDECODINGS else map
        outcomes = run(lambda places: self._decode([rows[place] for place in places], redecodings), batches)
        for places, finished in zip(batches, outcomes, strict=True):
            results.update(zip(places, finished, strict=True))
        return [results[place] for place in range(len(rows))]

    def _decode(self, rows: Sequence[DecodeRequest], redecodings: int) -> list[ChunkResult]:
        """Decode one batch, from features to segments; rows in several languages by passage."""
        windows = self._open(rows)
        alone = [place for place, window in enumerate(windows) if len(window.passages) < 2]
        decoded = self._decode_windows([windows[place] for place in alone], redecodings)
        results = dict(zip(alone, decoded, strict=True))
        mixed = [place for place in range(len(windows)) if place not in results]
        results.update(zip(mixed, self._decode_passages([windows[place] for place in mixed], redecodings), strict=True))
        return [results[place] for place in range(len(windows))]

    def _decode_windows(self, windows: Sequence[DecodeState], redecodings: int) -> list[ChunkResult]:
        """Decode windows that are in one language each."""
        self._decoder.decode(windows, n_attempts=1)
        if self._model.choice.short_windows:
            self._lengthen([window for window in windows if window.is_doubtful])
            self._decoder.decode(windows, n_attempts=1)
        self._try_runners_up([window for window in windows if window.is_doubtful and window.runner_up])
        self._decoder.decode(windows)
        return self._fill_holes(windows, self._decoder.finish(windows), redecodings)

    def _decode_passages(self, windows: Sequence[DecodeState], redecodings: int) -> list[ChunkResult]:
        """Decode each passage of windows as a row of its own, in its language."""
        parts = [_in_language(window.row, passage) for window in windows for passage in window.passages]
        heard = iter(self._transcribe(parts, max(0, redecodings - 1)))
        return [
            join_passages(window.row, window.passages, [next(heard) for _ in window.passages]) for window in windows
        ]

    def _try_runners_up(self, windows: Sequence[DecodeState]) -> None:
        """Decode windows whose first outcome is unsound once more, in the language that may be theirs as well."""
        others = [replace(window, language=window.runner_up, candidates=[]) for window in windows]
        self._decoder.decode(others, n_attempts=1)
        for window, other in zip(windows, others, strict=True):
            if not other.error and other.candidates and not other.is_doubtful:
                window.take_runner_up(other.candidates)

    def _lengthen(self, windows: Sequence[DecodeState]) -> None:
        """Encode again, filled up to 30 s, what was not heard soundly in a short window, and begin anew."""
        again = [window for window in windows if self._n_frames(len(window.row.pcm)) < WINDOW_FRAMES]
        encodings = self._encode([window.row for window in again], n_frames=WINDOW_FRAMES)
        for window, encoding in zip(again, encodings, strict=True):
            if not isinstance(encoding, RowFailure):
                window.encoding, window.candidates = encoding, []

    def _fill_holes(
        self, windows: Sequence[DecodeState], results: list[ChunkResult], redecodings: int
    ) -> list[ChunkResult]:
        """Decode speech that no word covers as rows of its own, and insert what is heard."""
        holes = [
            (i, hole)
            for i, result in enumerate(results)
            if not result.error
            for hole in find_holes(result, windows[i].row.pcm)
        ]
        again = [
            (i, hole)
            for i, hole in holes
            if redecodings and hole.end - hole.start < MOST_OF_A_ROW * len(windows[i].row.pcm)
        ]
        rows = [_row_of(windows[i], hole) for i, hole in again]
        heard = dict(zip(again, self._transcribe(rows, redecodings - 1), strict=True))
        for i, hole in holes:
            nothing = silent(windows[i].row, windows[i].language)
            results[i] = fill(results[i], hole, heard.get((i, hole), nothing), len(windows[i].row.pcm))
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

    def _encode(self, rows: Sequence[DecodeRequest], n_frames: int = 0) -> list[Encoding | RowFailure]:
        """Encode rows, filled up to ``n_frames``, or to what each is given."""
        encodings: dict[int, Encoding | RowFailure] = {}
        lengths = grouped(range(len(rows)), lambda place: n_frames or self._n_frames(len(rows[place].pcm)))
        for length, alike in lengths.items():
            for places in _batches(alike, _FEATURE_ROWS if self._model.kind == "cpu" else len(alike)):
                features = self._log_mel([rows[place].pcm for place in places], pad_to=length)
                encodings.update(zip(places, self._model.encode(features), strict=True))
        return [encodings[place] for place in range(len(rows))]

    def _encode_briefly(self, rows: Sequence[DecodeRequest]) -> list[Encoding | RowFailure]:
        """Encode rows filled up to no more than their languages need, all to one length."""
        lengths = (window_frames(len(row.pcm), self._profile, short=True) * HOP_SAMPLES for row in rows)
        return self._encode(rows, max((self._log_mel.n_frames_for(length) for length in lengths), default=0))

    def _n_frames(self, n_samples: int) -> int:
        """Feature frames that a row of this length is given."""
        n_frames = window_frames(n_samples, self._profile, short=self._model.choice.short_windows)
        return self._log_mel.n_frames_for(n_frames * HOP_SAMPLES)

    def _writes_timestamps(self, options: DecodeOptions) -> bool:
        """Say whether the model writes times; what it translates has no words to align."""
        if options.timestamps is not None:
            return options.timestamps
        return self._profile.timestamps or options.task == "translate"

    def _open(self, rows: Sequence[DecodeRequest]) -> list[DecodeState]:
        """Encode rows, and settle their languages."""
        windows = [self._opened(row, encoding) for row, encoding in zip(rows, self._encode(rows), strict=True)]
        asked = [w for w in windows if not w.error and w.row.options.language is None and self.is_multilingual]
        passages = self._languages_of([w.row for w in asked], [w.encoding for w in asked])
        for window, found in zip(asked, passages, strict=True):
            window.passages = found
            window.language = main_language(found)
            window.error = "" if found else f"model {self._info.name!r} cannot detect languages: name one"
        return windows

    def _opened(self, row: DecodeRequest, encoding: Encoding | RowFailure) -> DecodeState:
        window = DecodeState(
            row=row,
            language=row.options.language or self._languages[0],
            timestamps=self._writes_timestamps(row.options),
        )
        if isinstance(encoding, RowFailure):
            window.error = str(encoding)
        else:
            window.encoding = encoding
        return window


def _in_language(row: DecodeRequest, passage: LanguagePassage) -> DecodeRequest:
    """Return a passage of a row as a row of its own."""
    pcm = part_of(row.pcm, passage.start_s, passage.end_s)
    return replace(row, pcm=pcm, options=replace(row.options, language=passage.language))


def _row_of(window: DecodeState, hole: Hole) -> DecodeRequest:
    """Return a hole as a row of its own, in the language of the row that it is in."""
    options = replace(window.row.options, language=window.language, prompt="")
    return replace(window.row, pcm=window.row.pcm[hole.start : hole.end], options=options)


def window_frames(n_samples: int, profile: ModelProfile, *, short: bool = False) -> int:
    """Feature frames to fill a row up to; it depends on the row alone, and so does what is heard in it.

    Models of short windows get them in even steps, of which rows of the model's own length fill a whole number with
    the quiet after them: few lengths, so that rows still share decoding batches. Others get short ones where that was
    found to do (``short``).
    """
    if not profile.short_windows:
        n_steps = ceil((n_samples / SAMPLE_RATE + QUIET_AFTER_S) / SHORT_STEP_S)
        return min(WINDOW_FRAMES, round(n_steps * SHORT_STEP_S) * FRAMES_PER_S) if short else WINDOW_FRAMES
    longest_s = min(profile.window_s + _QUIET_END_S, WINDOW_S)
    n_steps = max(_LENGTHS, ceil(longest_s / _LONGEST_STEP_S))
    step = 2 * ceil(longest_s * FRAMES_PER_S / n_steps / 2)
    n_frames = step * ceil((n_samples / SAMPLE_RATE + _QUIET_END_S) * FRAMES_PER_S / step)
    return min(WINDOW_FRAMES, n_frames)


def _batches(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (items[i : i + size] for i in range(0, len(items), size))
