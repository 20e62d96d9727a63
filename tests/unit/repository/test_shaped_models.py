"""Models of random weights: as large as published ones, and of so many words, whoever encodes and whatever is heard."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipelines.models.catalogue import missing_files
from pipelines.models.devices import EncoderName
from pipelines.whisper.ct2_model import EngineOptions, RowFailure, WhisperModel
from pipelines.whisper.encoding.ct2_weights import WEIGHTS_FILE, read_weights
from pipelines.whisper.encoding.encoder import EncoderChoice
from pipelines.whisper.engine import WhisperEngine
from pipelines.whisper.options import Attempt, DecodeOptions, DecodeRequest
from pipelines.whisper.tokenizer import Vocabulary
from scripts.throughput.shaped import SHAPES, Shape, make_shaped_model

N_WORDS = 30
TINY = SHAPES["tiny-random"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shaped_model(tmp_path_factory.mktemp("models") / "tiny", TINY, n_words=N_WORDS)


@pytest.fixture(scope="module")
def model(folder: Path) -> WhisperModel:
    return WhisperModel(folder, EngineOptions(device="cpu", intra_threads=1, encoder="ctranslate2"))


def n_parameters(shape: Shape) -> int:
    """Count the weights of a Whisper model: matrices, and what is not worth a row in the paper's table."""
    width, n_tokens = shape.width, 51_766 + shape.n_languages
    attention, ffn = 4 * width**2, 8 * width**2
    encoder = shape.n_encoder_layers * (attention + ffn) + 3 * width * (shape.n_mels + width) + 1500 * width
    decoder = shape.n_decoder_layers * (2 * attention + ffn) + (n_tokens + 448) * width
    return encoder + decoder


@pytest.mark.parametrize(("name", "millions"), [("base", 74), ("large-v3", 1550), ("large-v3-turbo", 809)])
def test_dimensions_are_those_that_were_published(name: str, millions: int) -> None:
    """By the sizes in OpenAI's table of models."""
    assert n_parameters(SHAPES[name]) / 1e6 == pytest.approx(millions, rel=0.03)


def test_a_folder_has_what_a_fetched_model_has(folder: Path) -> None:
    """All the files, with a vocabulary as large as OpenAI's; a second call finds them."""
    assert missing_files(folder) == ()
    assert (folder / "preprocessor_config.json").exists()
    assert Vocabulary.load(folder).size == 51_865
    before = (folder / WEIGHTS_FILE).stat().st_mtime_ns
    assert make_shaped_model(folder, TINY, n_words=N_WORDS) == folder
    assert (folder / WEIGHTS_FILE).stat().st_mtime_ns == before


def test_every_weight_of_the_encoder_is_there(folder: Path) -> None:
    """Half precision on disk; biases too, which CTranslate2 would do without and other runtimes would not."""
    weights = read_weights(folder / WEIGHTS_FILE, "encoder/")
    assert weights["conv1/weight"].shape == (TINY.width, TINY.n_mels, 3)
    assert weights["layer_1/ffn/linear_1/weight"].shape == (TINY.width, 4 * TINY.width)
    linear = {name.removesuffix("/weight") for name in weights if name.endswith("/weight")}
    assert {name.removesuffix("/bias") for name in weights if name.endswith("/bias")} == linear
    assert float(weights["layer_0/self_attention/linear_0/weight"].std()) > 0


@pytest.mark.parametrize("timestamps", [False, True])
@pytest.mark.parametrize("choice", [("ctranslate2", 1), ("ctranslate2", 2), ("torch", 1), ("torch", 2)])
def test_as_many_tokens_come_out_whatever_is_heard(
    folder: Path, model: WhisperModel, choice: tuple[EncoderName, int], timestamps: bool
) -> None:
    """Noise and silence, each encoder, pooled or not, with the prompts that the engine gives."""
    tokens = Vocabulary.load(folder)
    model.use(EncoderChoice(encoder=choice[0], pooling=choice[1]))
    features = torch.randn(2, 80, 3000, generator=torch.Generator().manual_seed(0))
    features[1] = 0
    encodings = [encoding for encoding in model.encode(features) if isinstance(encoding, np.ndarray)]
    prompt = [
        tokens.sot,
        tokens.language_token("en"),
        tokens.transcribe,
        *([] if timestamps else [tokens.no_timestamps]),
    ]
    for found in model.generate(encodings, [prompt, prompt], Attempt(temperature=0.0), 200):
        assert not isinstance(found, RowFailure)
        words = [token for token in found.tokens if token < tokens.eot]
        assert len(words) == N_WORDS
        assert len(found.tokens) == N_WORDS + 1 + timestamps


def test_many_layers_do_not_drown_the_words(tmp_path: Path) -> None:
    """As many as large-v3's decoder has, each of which adds to what is to be said."""
    deep = Shape(width=64, n_encoder_layers=1, n_decoder_layers=32, n_heads=2)
    folder = make_shaped_model(tmp_path / "deep", deep, n_words=N_WORDS)
    model = WhisperModel(folder, EngineOptions(device="cpu", intra_threads=1, encoder="ctranslate2"))
    tokens = Vocabulary.load(folder)
    prompt = [tokens.sot, tokens.language_token("en"), tokens.transcribe, tokens.no_timestamps]
    (encoding,) = model.encode(torch.zeros(1, 80, 3000))
    assert isinstance(encoding, np.ndarray)
    (found,) = model.generate([encoding], [prompt], Attempt(temperature=0.0), 200)
    assert not isinstance(found, RowFailure)
    assert len(found.tokens) == N_WORDS + 1
    assert found.score > -0.1


def test_the_engine_takes_it_for_a_multilingual_model(folder: Path) -> None:
    """It decodes through all of the engine's steps, words aligned."""
    engine = WhisperEngine.load(folder, EngineOptions(device="cpu", intra_threads=1, encoder="ctranslate2"))
    assert "de" in engine.languages
    noise = np.random.default_rng(0).normal(0, 1000, 480_000).astype(np.int16)
    (result,) = engine.transcribe([DecodeRequest(pcm=noise, options=DecodeOptions(language="en", temperatures=(0.0,)))])
    assert not result.error
    assert result.segments


@pytest.mark.parametrize("n_words", [0, 500])
def test_more_words_than_a_window_has_are_refused(tmp_path: Path, n_words: int) -> None:
    """Before anything is written."""
    with pytest.raises(ValueError, match="from 1 to"):
        make_shaped_model(tmp_path / "model", TINY, n_words=n_words)
    assert not (tmp_path / "model").exists()
