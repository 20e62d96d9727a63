"""The engine on the bundled model: structure, independence of rows, agreement with plain faster-whisper.

The bundled model may be replaced by a better one, so no test depends on the words it hears.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
import torch
from faster_whisper import WhisperModel as FasterWhisper
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import ChunkResult, DecodedSegment
from pipelines.errors import ModelUnavailable
from pipelines.models.catalogue import BUNDLED_DIR
from pipelines.models.profile import ModelProfile
from pipelines.whisper import row_decoder
from pipelines.whisper.ct2_model import Generated, RowFailure, WhisperModel
from pipelines.whisper.engine import DecodeOptions, DecodeRequest, EngineOptions, WhisperEngine, window_frames
from pipelines.whisper.log_mel import LogMel
from pipelines.whisper.options import Attempt
from pipelines.whisper.quality import Decoding, Rule, Thresholds
from pipelines.whisper.row_decoder import DecodeState, WindowDecoder
from pipelines.whisper.tokenizer import Vocabulary
from tests.contracts.engine import EngineContract, Pcm
from tests.support.recordings import samples_of, truth, word_error_rate

MINI_EN = BUNDLED_DIR / "mini-en"
GREEDY = DecodeOptions(temperatures=(0.0,))
SENTENCES = ((0, 2), (4, 7), (20, 22))


@pytest.fixture(scope="module")
def engine() -> WhisperEngine:
    return WhisperEngine.load(MINI_EN)


@pytest.fixture(scope="module")
def meeting() -> Pcm:
    return samples_of("meeting-3min.flac")


@pytest.fixture(scope="module")
def speech(meeting: Pcm) -> list[Pcm]:
    """Three rows of 5 to 12 s of the meeting, cut where sentences begin."""
    starts = [round(segment.start_s * 16_000) for segment in truth("meeting-3min").segments]
    return [meeting[starts[i] : starts[j]] for i, j in SENTENCES]


class TestWhisperEngine(EngineContract):
    """`WhisperEngine` under the contract of all engines."""


def texts(engine: WhisperEngine, rows: Sequence[Pcm], options: DecodeOptions = GREEDY) -> list[str]:
    results = engine.transcribe([DecodeRequest(pcm=pcm, options=options) for pcm in rows])
    return ["".join(segment.text for segment in result.segments) for result in results]


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_lane_computes_features_with_its_own_threads(n_threads: int) -> None:
    """As CTranslate2 does with the rest: a lane that took all cores would wait for the others' work."""
    WhisperModel(BUNDLED_DIR / "mini-en", EngineOptions(inter_threads=2, intra_threads=n_threads))
    with ThreadPoolExecutor(1) as lane:
        assert lane.submit(torch.get_num_threads).result() == n_threads


def test_most_words_of_the_meeting_are_heard(engine: WhisperEngine, speech: list[Pcm]) -> None:
    """The bundled model hears the bundled meeting: well enough to notice a wrong prompt, mel or language."""
    said = truth("meeting-3min").segments
    reference = " ".join(segment.text for i, j in SENTENCES for segment in said[i:j])
    assert word_error_rate(reference, " ".join(texts(engine, speech))) < 0.5


def test_same_tokens_as_plain_faster_whisper(speech: list[Pcm]) -> None:
    """Greedy decoding of the same 30 s windows gives what faster-whisper gives, up to rare ties of the features.

    faster-whisper takes its vocabulary for an English-only model's and leaves out the language and task tokens;
    here the engine is told to do the same. Windows are filled with silence beforehand, because faster-whisper fills
    features with zeros, which are no silence.
    """
    windows = [np.pad(pcm, (0, 480_000 - len(pcm))) for pcm in speech]
    engine = WhisperEngine.load(MINI_EN, profile=ModelProfile(languages=("en",), language_tokens=False))
    plain = FasterWhisper(str(MINI_EN), device="cpu", compute_type="int8")
    ours = texts(engine, windows)
    theirs = []
    for pcm in windows:
        segments, _ = plain.transcribe(
            (pcm / 32_768).astype(np.float32), beam_size=1, temperature=0.0, condition_on_previous_text=False
        )
        # what faster-whisper finds by going on inside a window is a matter of continuation
        theirs.append("".join(segment.text for segment in segments if segment.seek == 0))
    agree = sum(mine.split()[: len(other.split())] == other.split() for mine, other in zip(ours, theirs, strict=True))
    assert agree >= len(speech) - 1, list(zip(ours, theirs, strict=True))


def test_timestamps_can_be_left_out(engine: WhisperEngine, speech: list[Pcm]) -> None:
    """Without timestamps words are aligned, and make segments of a sentence each; both kinds go in one batch."""
    with_times, without = engine.transcribe(
        [
            DecodeRequest(pcm=speech[1], options=GREEDY),
            DecodeRequest(pcm=speech[1], options=replace(GREEDY, timestamps=False)),
        ]
    )
    assert without.segments[0].start_s < 0.2
    assert len(speech[1]) / 16_000 - 1.0 < without.segments[-1].end_s <= len(speech[1]) / 16_000
    assert len(without.segments) > 1
    assert all(segment.words for segment in without.segments)
    assert all(not segment.text.strip()[:-1].count(". ") for segment in without.segments)
    assert with_times.segments
    assert not any(segment.words for segment in with_times.segments)


def leave_out(monkeypatch: pytest.MonkeyPatch, keeps: Callable[[int, DecodedSegment], bool]) -> list[list[int]]:
    """Let decodings, numbered from 0, keep some segments only; returns the lengths of the rows of each."""
    calls: list[list[int]] = []
    finish = WindowDecoder.finish

    def deaf(self: WindowDecoder, windows: Sequence[DecodeState]) -> list[ChunkResult]:
        calls.append([len(window.row.pcm) for window in windows])
        return [
            replace(result, segments=tuple(s for s in result.segments if keeps(len(calls) - 1, s)))
            for result in finish(self, windows)
        ]

    monkeypatch.setattr(WindowDecoder, "finish", deaf)
    return calls


@pytest.mark.parametrize("options", [GREEDY, replace(GREEDY, timestamps=False)], ids=["timestamps", "words"])
def test_what_a_decoding_left_out_is_decoded_again(
    engine: WhisperEngine, meeting: Pcm, monkeypatch: pytest.MonkeyPatch, options: DecodeOptions
) -> None:
    """A hole in the middle of a row becomes a row of its own, and its words stand where they are said."""
    rows = [DecodeRequest(pcm=meeting[: 12 * 16_000], options=options)]
    (whole,) = engine.transcribe(rows)
    calls = leave_out(monkeypatch, lambda call, segment: call > 0 or not 3.0 < segment.start_s < 5.5)
    (filled,) = engine.transcribe(rows)
    assert [len(call) for call in calls] == [1, 1]
    assert calls[1][0] < 4 * 16_000
    assert filled.unheard == ()
    said, again = ("".join(segment.text for segment in result.segments) for result in (whole, filled))
    assert word_error_rate(said, again) < 0.3
    assert all(left.end_s <= right.start_s for left, right in pairwise(filled.segments))


def test_what_is_never_heard_is_told(engine: WhisperEngine, meeting: Pcm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Speech of which nothing is understood is decoded once more, cut out, and then called unheard."""
    calls = leave_out(monkeypatch, lambda call, segment: False)
    quiet = np.zeros(5 * 16_000, np.int16)
    pcm = np.concatenate([quiet, meeting[16_000 : 8 * 16_000], quiet])
    (result,) = engine.transcribe([DecodeRequest(pcm=pcm, options=GREEDY)])
    assert [len(call) for call in calls] == [1, 1]
    assert calls[1][0] < 8 * 16_000
    assert (result.segments, result.error) == ((), "")
    (unheard,) = result.unheard
    assert 4.9 < unheard.start_s < 5.5
    assert 11.0 < unheard.end_s < 12.1


def test_a_whole_row_that_is_not_heard_is_not_decoded_twice(
    engine: WhisperEngine, meeting: Pcm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same samples would be heard the same again."""
    calls = leave_out(monkeypatch, lambda call, segment: False)
    (result,) = engine.transcribe([DecodeRequest(pcm=meeting[16_000 : 8 * 16_000], options=GREEDY)])
    assert len(calls) == 1
    assert result.unheard


def test_word_times_follow_the_speech(engine: WhisperEngine, speech: list[Pcm]) -> None:
    """Two seconds of silence before the speech move the first word by about as much."""
    delayed = np.concatenate([np.zeros(32_000, np.int16), speech[0]])
    options = replace(GREEDY, word_timestamps=True)
    early, late = engine.transcribe(
        [DecodeRequest(pcm=speech[0], options=options), DecodeRequest(pcm=delayed, options=options)]
    )
    assert early.segments[0].words[0].start_s < 1.0
    assert late.segments[0].words[0].start_s > 1.0


def test_only_rows_that_fail_are_decoded_again(
    engine: WhisperEngine, speech: list[Pcm], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row with impossible thresholds takes every attempt; its neighbour takes one."""
    calls: list[tuple[Attempt, int]] = []
    generate = WhisperModel.generate

    def counted(self: WhisperModel, encodings: Any, prompts: Any, attempt: Attempt, budget: int) -> Any:
        calls.append((attempt, len(encodings)))
        return generate(self, encodings, prompts, attempt, budget)

    monkeypatch.setattr(WhisperModel, "generate", counted)
    lenient = Thresholds(min_avg_logprob=-100.0, min_letters_per_s=0.0)
    strict = Thresholds(min_avg_logprob=1.0, max_no_speech_prob=1.0)
    base = DecodeOptions(temperatures=(0.0, 0.5), timestamps=False)
    easy, hard = engine.transcribe(
        [DecodeRequest(pcm=speech[0], options=replace(base, thresholds=t)) for t in (lenient, strict)]
    )
    assert [(attempt.beam_size, attempt.temperature, n) for attempt, n in calls] == [
        (1, 0.0, 2),
        (5, 0.0, 1),
        (1, 0.5, 1),
    ]
    assert (easy.n_attempts, hard.n_attempts) == (1, 3)
    assert easy.suspect == ()
    assert hard.suspect == (Rule.LOW_LOGPROB,)
    assert hard.segments


def test_noise_that_the_model_calls_silent_has_no_text(engine: WhisperEngine, speech: list[Pcm]) -> None:
    """A high no-speech probability with an untrusted text gives no segments and no suspicion."""
    deaf = Thresholds(max_no_speech_prob=-1.0, min_avg_logprob=100.0)
    (result,) = engine.transcribe([DecodeRequest(pcm=speech[0], options=DecodeOptions(thresholds=deaf))])
    assert (result.segments, result.suspect, result.error) == ((), (), "")


@pytest.mark.parametrize(("voiced", "doubts", "kept"), [(True, True, True), (False, False, True), (False, True, False)])
def test_text_without_a_voice_is_dropped(
    engine: WhisperEngine, speech: list[Pcm], monkeypatch: pytest.MonkeyPatch, voiced: bool, doubts: bool, kept: bool
) -> None:
    """A model that doubts speech is believed where voice activity hears none either; elsewhere likely text stays."""
    monkeypatch.setattr(row_decoder, "is_voiced", lambda pcm: voiced)
    thresholds = Thresholds(max_no_speech_prob=-1.0 if doubts else 1.0, min_avg_logprob=-100.0)
    (result,) = engine.transcribe([DecodeRequest(pcm=speech[0], options=DecodeOptions(thresholds=thresholds))])
    assert (bool(result.segments), result.suspect, result.error) == (kept, (), "")


def test_prompts_of_different_length_share_a_batch(engine: WhisperEngine, speech: list[Pcm]) -> None:
    """CTranslate2 refuses them in one call; the engine groups them and each row is as it is alone."""
    rows = [
        DecodeRequest(pcm=speech[0], index=i, options=replace(GREEDY, prompt=prompt))
        for i, prompt in enumerate(("Agenda.", "A much longer list of names: " + "Alice, Bob, " * 200))
    ]
    together = engine.transcribe(rows)
    assert [result.error for result in together] == ["", ""]
    assert together == [engine.transcribe([row])[0] for row in rows]


def test_two_threads_may_transcribe_at_once(engine: WhisperEngine, speech: list[Pcm]) -> None:
    """Double buffering: two batches in flight give what they give one after the other."""
    rows = [[DecodeRequest(pcm=pcm, options=GREEDY)] for pcm in speech[:2]]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(engine.transcribe, rows)) == [engine.transcribe(row) for row in rows]


def test_several_workers_give_the_same(engine: WhisperEngine, speech: list[Pcm]) -> None:
    """Splitting the cores, and a batch, among workers changes nothing in the text."""
    workers = WhisperEngine.load(MINI_EN, EngineOptions(inter_threads=2, intra_threads=1, batch_size=2))
    assert texts(workers, speech[:2]) == texts(engine, speech[:2])


@given(n_samples=st.integers(1, 30 * 16_000), window_s=st.floats(1, 30))
def test_windows_hold_their_rows(n_samples: int, window_s: float) -> None:
    """A window is even, holds its row and, up to 30 s, half a second more, and wastes at most a step of 5 s."""
    n_frames = window_frames(n_samples, ModelProfile(short_windows=True, window_s=window_s))
    assert n_frames % 2 == 0
    assert min(3000.0, n_samples / 160 + 50) <= n_frames <= min(3000.0, n_samples / 160 + 50 + 502)
    assert window_frames(n_samples, ModelProfile(window_s=window_s)) == 3000


@given(n_samples=st.integers(1, 30 * 16_000))
def test_short_windows_end_in_quiet(n_samples: int) -> None:
    """Of models trained on 30 s too: 5 s of it at least and 10 s at most, as far as a window is long."""
    n_frames = window_frames(n_samples, ModelProfile(), short=True)
    assert n_frames % 500 == 0
    assert min(3000.0, n_samples / 160 + 500) <= n_frames <= min(3000.0, n_samples / 160 + 1000)


def test_a_models_own_rows_leave_little_empty() -> None:
    """Rows as long as the model likes them are filled up with half a second of silence."""
    assert window_frames(5 * 16_000, ModelProfile(short_windows=True, window_s=5.0)) == 560


def test_models_of_short_windows_hear_the_same_for_less(speech: list[Pcm]) -> None:
    """Rows that are not filled up to 30 s are heard as well, and each still as it is alone."""
    profile = ModelProfile(languages=("en",), language_tokens=True)
    long, short = (WhisperEngine.load(MINI_EN, profile=replace(profile, short_windows=s)) for s in (False, True))
    rows = [
        DecodeRequest(pcm=pcm, options=replace(GREEDY, word_timestamps=True)) for pcm in (*speech, speech[0][:40_000])
    ]
    assert len({len(encoding) for encoding in short._encode(rows)}) == 3  # type: ignore[arg-type]  # none of them fails
    results = short.transcribe(rows)
    assert results == [short.transcribe([row])[0] for row in rows]
    said = truth("meeting-3min").segments
    reference = " ".join(segment.text for i, j in SENTENCES for segment in said[i:j])
    heard = ["".join(segment.text for segment in result.segments) for result in results[:-1]]
    assert word_error_rate(reference, " ".join(heard)) < word_error_rate(reference, " ".join(texts(long, speech))) + 0.2


def faulty_at(monkeypatch: pytest.MonkeyPatch, n_steps: int) -> list[int]:
    """Return the lengths of windows that are decoded from now on; whatever is heard in so long ones is unsound."""
    lengths: list[int] = []
    generate = WhisperModel.generate

    def generated(self: WhisperModel, encodings: Any, *rest: Any) -> list[Generated | RowFailure]:
        lengths.extend(len(encoding) for encoding in encodings)
        return generate(self, encodings, *rest)

    def faults(decoding: Decoding, thresholds: Thresholds) -> tuple[Rule, ...]:
        return (Rule.LOW_LOGPROB,) if lengths[-1] == n_steps else ()

    monkeypatch.setattr(WhisperModel, "generate", generated)
    monkeypatch.setattr("pipelines.whisper.row_decoder.failed_rules", faults)
    return lengths


@pytest.fixture
def trained_on_full() -> WhisperEngine:
    """A model of full windows that gets short ones."""
    profile = ModelProfile(languages=("en",), language_tokens=True)
    return WhisperEngine.load(MINI_EN, EngineOptions(encoder="ctranslate2", windows="short"), profile=profile)


@pytest.mark.parametrize("temperatures", [(0.0,), (0.0, 0.4)])
def test_what_fails_in_a_short_window_is_heard_in_a_full_one(
    trained_on_full: WhisperEngine,
    speech: list[Pcm],
    monkeypatch: pytest.MonkeyPatch,
    temperatures: tuple[float, ...],
) -> None:
    """Before any sampling, and from the first attempt on; nothing tells of the short one."""
    lengths = faulty_at(monkeypatch, 500)
    row = DecodeRequest(pcm=speech[0][:40_000], options=replace(GREEDY, temperatures=temperatures))
    (result,) = trained_on_full.transcribe([row])
    assert lengths == [500, 1500]
    assert (result.suspect, result.n_attempts, result.temperature) == ((), 1, 0.0)


def test_a_sound_short_window_is_enough(
    trained_on_full: WhisperEngine, speech: list[Pcm], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what fails in a full one goes on to the next temperature."""
    lengths = faulty_at(monkeypatch, 1500)
    options = replace(GREEDY, temperatures=(0.0, 0.4))
    long = np.concatenate(speech)[: 28 * 16_000]
    results = trained_on_full.transcribe([DecodeRequest(pcm=pcm, options=options) for pcm in (long[:40_000], long)])
    assert lengths.count(500) == 1
    assert [result.n_attempts > 1 for result in results] == [False, True]


def test_warm_up_decodes(engine: WhisperEngine) -> None:
    """Warm-up passes on a model that works."""
    engine.warm_up()


def test_truncated_rows_are_suspect(engine: WhisperEngine, speech: list[Pcm], monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that runs into its token budget is cut there and marked."""
    monkeypatch.setattr("pipelines.whisper.row_decoder.token_budget", lambda duration_s: 5)
    (result,) = engine.transcribe([DecodeRequest(pcm=speech[1], options=GREEDY)])
    assert Rule.TRUNCATED in result.suspect


def test_translation_is_refused_by_a_model_of_one_language(engine: WhisperEngine, speech: list[Pcm]) -> None:
    """An option the model cannot serve is an error, not ignored."""
    (result,) = engine.transcribe([DecodeRequest(pcm=speech[0], options=DecodeOptions(task="translate"))])
    assert "cannot translate" in result.error


def test_model_that_cannot_detect_asks_for_a_language(speech: list[Pcm]) -> None:
    """CTranslate2 detects no language with a small vocabulary; the row says so, and works once it is named."""
    engine = WhisperEngine.load(MINI_EN, profile=ModelProfile(languages=("en", "zh"), language_tokens=True))
    assert engine.is_multilingual
    unnamed, named = engine.transcribe(
        [DecodeRequest(pcm=speech[0], options=replace(GREEDY, language=code)) for code in (None, "en")]
    )
    assert "name one" in unnamed.error
    assert named.segments
    assert (named.language, named.error) == ("en", "")


def test_missing_weights_are_unavailable(tmp_path: Path) -> None:
    """A folder that is no model gives the enumerated error."""
    with pytest.raises(ModelUnavailable):
        WhisperEngine.load(tmp_path)


def test_damaged_weights_are_unavailable(tmp_path: Path) -> None:
    """Weights that CTranslate2 cannot read give the enumerated error."""
    for file in MINI_EN.iterdir():
        data = file.read_bytes()
        (tmp_path / file.name).write_bytes(data[: len(data) // 2] if file.name == "model.bin" else data)
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        WhisperEngine.load(tmp_path)


# What CTranslate2 does, where the engine depends on it.


@pytest.fixture(scope="module")
def encoded(
    speech: list[Pcm],
) -> tuple[ctranslate2.models.Whisper, Callable[[int], ctranslate2.StorageView], Vocabulary]:
    model = ctranslate2.models.Whisper(str(MINI_EN), compute_type="int8")
    outputs = [
        np.array(model.encode(ctranslate2.StorageView.from_array(LogMel(model.n_mels)([pcm]).numpy())))
        for pcm in speech[:2]
    ]
    return model, lambda n: ctranslate2.StorageView.from_array(np.concatenate(outputs[:n])), Vocabulary.load(MINI_EN)


def test_ctranslate2_halves_max_length(encoded: Any) -> None:
    """``max_length`` counts twice what is generated; the engine's budget depends on it."""
    model, view, tokens = encoded
    result = model.generate(view(1), [[tokens.sot]], beam_size=1, max_length=12)[0]
    assert len(result.sequences_ids[0]) == 6


def test_ctranslate2_wants_prompts_of_one_shape(encoded: Any) -> None:
    """Rows with and without language tokens cannot mix: hence the groups."""
    model, view, tokens = encoded
    with pytest.raises(ValueError, match="same number of task tokens"):
        model.generate(view(2), [[tokens.sot], [tokens.sot, tokens.transcribe]], beam_size=1)


def test_ctranslate2_detects_no_language_with_a_small_vocabulary(encoded: Any) -> None:
    """Hence ``language_tokens`` and ``languages`` in the profile."""
    model, view, _ = encoded
    assert not model.is_multilingual
    with pytest.raises(RuntimeError, match="multilingual"):
        model.detect_language(view(1))
