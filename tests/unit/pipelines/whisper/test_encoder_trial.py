"""The trial on this machine: errors heard decide, once, and every replica abides by it."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch

from pipelines.core import ChunkResult, DecodedSegment, ModelInfo
from pipelines.errors import ModelUnavailable
from pipelines.models.devices import EncoderName, WindowLength
from pipelines.models.profile import ModelProfile
from pipelines.whisper.ct2_model import EngineOptions, WhisperModel
from pipelines.whisper.encoder_trial import EncoderTrial
from pipelines.whisper.encoding.calibration import CalibrationRow
from pipelines.whisper.encoding.encoder import EncoderChoice
from pipelines.whisper.engine import WhisperEngine
from pipelines.whisper.options import DecodeRequest
from tests.support.recordings import samples_of
from tests.support.whisper_networks import MINI_EN

TRIAL = "pipelines.whisper.encoder_trial"
INFO = ModelInfo(name="mini", sha256="ab" * 32, compute_type="int8", device="cpu")
REFERENCE = EncoderChoice()
INT8 = EncoderChoice(encoder="openvino-int8")
INT8_POOLED = EncoderChoice(encoder="openvino-int8", pooling=2)
POOLED = EncoderChoice(pooling=2)
SECONDS: dict[EncoderName, float] = {"ctranslate2": 3.0, "openvino-int8": 1.0}
SAID = {
    "en": "one two three four five six seven eight nine ten eleven twelve",
    "de": "eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
}
ROWS = tuple(
    CalibrationRow(pcm=np.full(1600, 100, np.int16), language=language, text=text, noisy=noisy)
    for language, text in SAID.items()
    for noisy in (False, True)
)


class FakeEncoder:
    """An encoder of which two runtimes are there; each call takes its time by the clock."""

    def __init__(self, clock: SimpleNamespace) -> None:
        self.clock = clock
        self.name: EncoderName = "ctranslate2"
        self.timed: list[EncoderName] = []
        self.gone: set[EncoderName] = set()
        self.fault = ""
        self.n_rows: set[int] = set()

    def use(self, name: EncoderName) -> None:
        if name not in SECONDS or name in self.gone:
            raise ModelUnavailable(f"{name} is not here")
        self.name = name

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        assert features.shape[1:] == (80, 3000)
        self.n_rows.add(len(features))
        if self.fault:
            raise RuntimeError(self.fault)
        self.timed.append(self.name)
        self.clock.now_s += SECONDS[self.name]
        return features


class FakeModel:
    """A model that, by choice and language, misses so many words of each row; below 0 it adds as many."""

    kind, device_name, n_mels, n_workers = "cpu", "cpu", 80, 2

    def __init__(self, clock: SimpleNamespace, missed: Mapping[EncoderChoice, Mapping[str, int]]) -> None:
        self.encoder = FakeEncoder(clock)
        self.missed = missed
        self.choice = REFERENCE
        self.heard_with: list[EncoderChoice] = []
        self.requests: list[DecodeRequest] = []

    def use(self, choice: EncoderChoice) -> None:
        self.encoder.use(choice.encoder)
        self.choice = choice

    def transcribe(self, requests: Sequence[DecodeRequest]) -> list[ChunkResult]:
        self.heard_with.append(self.choice)
        self.requests += requests
        return [self._result(request.options.language or "") for request in requests]

    def _result(self, language: str) -> ChunkResult:
        n_missed = self.missed[self.choice].get(language, 0)
        words = [*SAID[language].split()[max(0, n_missed) :], *["na"] * -n_missed]
        return ChunkResult(
            index=0,
            language=language,
            segments=tuple(DecodedSegment(start_s=0.0, end_s=1.0, text=f" {word}") for word in words),
            avg_logprob=0.0,
            no_speech_prob=0.0,
            compression_ratio=1.0,
            temperature=0.0,
        )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """The processor's time, which only encoders take; the recordings are a clean and a noisy one in each language."""
    clock = SimpleNamespace(now_s=0.0)
    monkeypatch.setattr(f"{TRIAL}.time", SimpleNamespace(process_time=lambda: clock.now_s))
    monkeypatch.setattr(f"{TRIAL}.calibration_rows", lambda languages: [r for r in ROWS if r.language in languages])
    return clock


def choose(
    model: FakeModel, path: Path, *, pooling: int = 0, windows: WindowLength = "full", info: ModelInfo = INFO
) -> EncoderChoice:
    options = EngineOptions(pooling=pooling, windows=windows)
    return EncoderTrial(cast(WhisperModel, model), options, tuple(SAID), model.transcribe).choose(path, info)


def test_the_fastest_is_taken_where_it_hears_as_well(clock: SimpleNamespace, tmp_path: Path) -> None:
    """It is used from then on; what is not there is not missed."""
    model = FakeModel(clock, {REFERENCE: {"en": 1}, INT8_POOLED: {"en": 2}})
    assert choose(model, tmp_path) == INT8_POOLED
    assert model.choice == INT8_POOLED
    assert model.encoder.name == "openvino-int8"
    assert set(model.encoder.timed) == set(SECONDS)
    assert model.heard_with == [REFERENCE, INT8_POOLED]
    assert model.encoder.n_rows == {1}


def test_each_row_is_heard_once_in_its_language(clock: SimpleNamespace, tmp_path: Path) -> None:
    """With a single search, nothing detected: luck has no part in the comparison."""
    model = FakeModel(clock, {REFERENCE: {}, INT8_POOLED: {}})
    choose(model, tmp_path)
    asked = [(r.options.language, r.options.temperatures, len(r.pcm)) for r in model.requests]
    assert asked == 2 * [(row.language, (0.0,), len(row.pcm)) for row in ROWS]


@pytest.mark.parametrize(
    ("missed", "chosen"),
    [
        ({INT8_POOLED: {"de": 4}, INT8: {"de": 2}}, INT8),
        ({INT8_POOLED: {"de": 4}, INT8: {"de": 12}, POOLED: {"en": 5}}, POOLED),
        ({INT8_POOLED: {"de": 12}, INT8: {"de": 12}, POOLED: {"de": 12}}, REFERENCE),
    ],
)
def test_who_ruins_a_language_is_not_taken(
    clock: SimpleNamespace, tmp_path: Path, missed: Mapping[EncoderChoice, Mapping[str, int]], chosen: EncoderChoice
) -> None:
    """However fast, and however much better in all: errors of each language are counted by themselves."""
    model = FakeModel(clock, {REFERENCE: {"en": 5}, **missed})
    assert choose(model, tmp_path) == chosen
    assert model.choice == chosen


def test_a_loop_is_not_worse_than_nothing(clock: SimpleNamespace, tmp_path: Path) -> None:
    """A row has as many errors as words at most: one that runs on until it is stopped does not decide by itself."""
    model = FakeModel(clock, {REFERENCE: {"en": 12}, INT8_POOLED: {"en": -100}})
    assert choose(model, tmp_path) == INT8_POOLED


def test_what_was_chosen_is_not_tried_again(clock: SimpleNamespace, tmp_path: Path) -> None:
    """A second replica uses it without timing or hearing anything."""
    choose(FakeModel(clock, {REFERENCE: {}, INT8_POOLED: {"de": 12}, INT8: {}}), tmp_path)
    second = FakeModel(clock, {})
    assert choose(second, tmp_path) == INT8
    assert second.choice == INT8
    assert (second.encoder.timed, second.heard_with) == ([], [])


def test_the_reference_is_remembered_too(clock: SimpleNamespace, tmp_path: Path) -> None:
    """That nothing was better is an outcome like any other."""
    choose(FakeModel(clock, {REFERENCE: {}, INT8_POOLED: {"de": 9}, INT8: {"de": 9}, POOLED: {"de": 9}}), tmp_path)
    second = FakeModel(clock, {})
    assert choose(second, tmp_path) == REFERENCE
    assert second.heard_with == []


def test_a_device_that_is_lost_in_the_trial_chooses_nothing(clock: SimpleNamespace, tmp_path: Path) -> None:
    """The replica ends with CUDA's error; the next one finds no choice made on a broken device."""
    model = FakeModel(clock, {})
    model.encoder.fault = "CUDA failed with error unspecified launch failure"
    with pytest.raises(RuntimeError, match="unspecified launch failure"):
        choose(model, tmp_path)
    assert choose(FakeModel(clock, {REFERENCE: {}, INT8_POOLED: {}}), tmp_path) == INT8_POOLED


class FakeGpuModel(FakeModel):
    """A model on a GPU, as far as the trial asks; features are made where this test runs."""

    kind = "cuda"


def test_want_of_memory_is_not_remembered(
    clock: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch's encoder had no room beside another process: the next start tries it again, and takes it."""
    monkeypatch.setattr(f"{TRIAL}.time.perf_counter", lambda: clock.now_s, raising=False)
    monkeypatch.setitem(SECONDS, "torch", 1.0)
    crowded = FakeGpuModel(clock, {REFERENCE: {}, POOLED: {}})
    crowded.encoder.gone = {"torch"}
    assert choose(crowded, tmp_path) == POOLED
    choice = EncoderChoice(encoder="torch", pooling=2)
    alone = FakeGpuModel(clock, {REFERENCE: {}, choice: {}})
    assert choose(alone, tmp_path) == choice
    assert alone.encoder.n_rows == {8}
    third = FakeGpuModel(clock, {})
    assert choose(third, tmp_path) == choice
    assert third.heard_with == []


def test_other_weights_are_tried_again(clock: SimpleNamespace, tmp_path: Path) -> None:
    """A model that took another's place in the folder has its own choice."""
    choose(FakeModel(clock, {REFERENCE: {}, INT8_POOLED: {}}), tmp_path)
    other = FakeModel(clock, {REFERENCE: {}, INT8_POOLED: {"en": 12}, INT8: {}})
    assert choose(other, tmp_path, info=ModelInfo(name="mini", sha256="cd" * 32)) == INT8


def test_a_set_pooling_is_the_only_one_tried(clock: SimpleNamespace, tmp_path: Path) -> None:
    """Only who computes is left to the machine."""
    model = FakeModel(clock, {POOLED: {}, INT8_POOLED: {"en": 12}})
    assert choose(model, tmp_path, pooling=2) == POOLED
    assert model.heard_with == [POOLED, INT8_POOLED]


SHORT_POOLED = EncoderChoice(encoder="openvino-int8", pooling=2, short_windows=True)
SHORT_INT8 = EncoderChoice(encoder="openvino-int8", short_windows=True)


@pytest.mark.parametrize(
    ("bad", "chosen"),
    [
        ((), SHORT_POOLED),
        ((SHORT_POOLED,), INT8_POOLED),
        ((SHORT_POOLED, INT8_POOLED), SHORT_INT8),
        ((SHORT_POOLED, INT8_POOLED, SHORT_INT8), INT8),
    ],
)
def test_short_windows_are_tried_first(
    clock: SimpleNamespace, tmp_path: Path, bad: Sequence[EncoderChoice], chosen: EncoderChoice
) -> None:
    """They are compared with full ones, and given up before the encoder is."""
    good: dict[EncoderChoice, Mapping[str, int]] = {choice: {} for choice in (REFERENCE, chosen)}
    model = FakeModel(clock, {**good, **{choice: {"de": 12} for choice in bad}})
    assert choose(model, tmp_path, windows="auto") == chosen
    assert model.heard_with == [REFERENCE, *bad, chosen]


def test_set_windows_are_the_only_ones_tried(clock: SimpleNamespace, tmp_path: Path) -> None:
    """Who wants short ones gets them, whatever encodes."""
    short = EncoderChoice(short_windows=True)
    model = FakeModel(clock, {short: {}, SHORT_POOLED: {}})
    assert choose(model, tmp_path, windows="short") == SHORT_POOLED
    assert model.heard_with == [short, SHORT_POOLED]


def test_a_trial_that_breaks_off_leaves_nothing(clock: SimpleNamespace, tmp_path: Path) -> None:
    """A device that is lost on the way is no reason for a choice: the next replica tries."""
    broken = FakeModel(clock, {REFERENCE: {}})  # it does not know the other choices
    with pytest.raises(KeyError):
        choose(broken, tmp_path)
    second = FakeModel(clock, {REFERENCE: {}, INT8_POOLED: {}})
    assert choose(second, tmp_path) == INT8_POOLED
    assert second.heard_with


# Engines


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    """The bundled model in a folder of its own."""
    return Path(shutil.copytree(MINI_EN, tmp_path / "mini-en"))


LONG, SHORT = ModelProfile(languages=("en",), window_s=28), ModelProfile(languages=("en",), short_windows=True)


def test_an_engine_chooses_when_it_warms_up(mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Really, on this machine; a second one does the same without a trial, and results tell what encoded."""
    row = CalibrationRow(
        pcm=samples_of("short.mp3")[:80_000], language="en", text="Hello, this is Daniel from security.", noisy=False
    )
    monkeypatch.setattr(f"{TRIAL}.calibration_rows", lambda languages: [row])
    first = WhisperEngine.load(mini, profile=LONG)
    first.warm_up()
    monkeypatch.setattr(f"{TRIAL}.select", None)
    second = WhisperEngine.load(mini, profile=LONG)
    second.warm_up()
    assert second.info == first.info
    assert first.info.encoder


def choices_asked(
    monkeypatch: pytest.MonkeyPatch, mini: Path, profile: ModelProfile, options: EngineOptions
) -> list[ModelInfo]:
    asked: list[ModelInfo] = []
    monkeypatch.setattr(EncoderTrial, "choose", lambda _, path, info: asked.append(info))
    WhisperEngine.load(mini, options, profile=profile).warm_up()
    return asked


def test_long_windows_are_tried_once(mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial is told which model it is."""
    (info,) = choices_asked(monkeypatch, mini, LONG, EngineOptions())
    assert (info.name, info.device) == ("mini-en", "cpu")
    assert len(info.sha256) == 64


@pytest.mark.parametrize(
    ("profile", "options"),
    [
        (SHORT, EngineOptions()),
        (LONG, EngineOptions(encoder="ctranslate2")),
        (LONG, EngineOptions(encoder="openvino-int8")),
        (LONG, EngineOptions(encoder="torch", pooling=2)),
    ],
    ids=["short windows", "ctranslate2", "openvino", "torch"],
)
def test_what_is_set_or_short_is_not_tried(
    mini: Path, monkeypatch: pytest.MonkeyPatch, profile: ModelProfile, options: EngineOptions
) -> None:
    """Short windows gain too little; who names an encoder gets it."""
    assert choices_asked(monkeypatch, mini, profile, options) == []


def test_a_remembered_encoder_that_is_gone_is_replaced(clock: SimpleNamespace, tmp_path: Path) -> None:
    """A replica starts without the package, or the memory, that another one had: it chooses anew."""
    choose(FakeModel(clock, {REFERENCE: {}, INT8_POOLED: {}}), tmp_path)
    model = FakeModel(clock, {REFERENCE: {}, POOLED: {}})
    model.encoder.gone = {"openvino-int8"}
    assert choose(model, tmp_path) == POOLED


def test_a_model_that_takes_too_long_is_not_tried(
    clock: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers encode four rows of 3 s each in 6 s; the start of a cluster does not wait for longer than it may."""
    model = FakeModel(clock, {})
    monkeypatch.setattr(f"{TRIAL}.MAX_PASS_S", 5.9)
    assert choose(model, tmp_path) == REFERENCE
    assert model.heard_with == []
    monkeypatch.setattr(f"{TRIAL}.MAX_PASS_S", 6.0)
    assert choose(FakeModel(clock, {}), tmp_path) == REFERENCE  # remembered
