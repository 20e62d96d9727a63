"""Models with the dimensions of published ones and random weights, which say the same words about every window.

Their text means nothing; what they cost is what the real models cost. The words, their number and the closing
timestamp are written into the decoder's position embeddings, so that every program decodes equally many tokens,
whatever it hears and however it decodes, and finds no reason for second tries.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ctranslate2.specs import WhisperSpec
from ctranslate2.specs.common_spec import Conv1DSpec, LinearSpec
from ctranslate2.specs.model_spec import visit_spec
from faster_whisper.tokenizer import _LANGUAGE_CODES
from tokenizers import Tokenizer

from pipelines.models.catalogue import missing_files

BUNDLED = Path(__file__).resolve().parents[2] / "pipelines" / "models" / "mini-en"
N_WORDS = 98
_N_PIECES = 50_257
_N_POSITIONS = 448
_N_STEPS = 1500
_KERNEL = 3
_LAST_S = 29.0
_PROMPT = 3  # <|startoftranscript|>, language, task
_MAX_WORDS = _N_POSITIONS // 2 - _PROMPT
_ALIGNMENT_HEADS = 8

_POOL = 4_194_301  # a prime: no two rows of a matrix that is filled with it again and again are equal
_SEED = 1
# Of the final logits, whose normed state has length sqrt(width): e^20 against fifty thousand others.
_CERTAINTY = 20.0
_LOUDNESS = 2.0  # of a position against all that the layers add to it, which is sqrt(width) / 4 at most


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Dimensions of a Whisper model. ``n_languages``: language tokens, of which large-v3 has one more."""

    width: int
    n_encoder_layers: int
    n_decoder_layers: int
    n_heads: int
    n_mels: int = 80
    n_languages: int = 99


SHAPES: Mapping[str, Shape] = {
    "tiny-random": Shape(width=64, n_encoder_layers=2, n_decoder_layers=2, n_heads=2),
    "base": Shape(width=512, n_encoder_layers=6, n_decoder_layers=6, n_heads=8),
    "large-v3": Shape(width=1280, n_encoder_layers=32, n_decoder_layers=32, n_heads=20, n_mels=128, n_languages=100),
    "large-v3-turbo": Shape(
        width=1280, n_encoder_layers=32, n_decoder_layers=4, n_heads=20, n_mels=128, n_languages=100
    ),
}


def make_shaped_model(folder: Path, shape: Shape = SHAPES["base"], *, n_words: int = N_WORDS) -> Path:
    """Write a CTranslate2 model in half precision to ``folder``, or find it there.

    It says ``n_words`` tokens about every window. Raises ValueError for more of them than a window may have.
    """
    if not 0 < n_words <= _MAX_WORDS:
        raise ValueError(f"a window has from 1 to {_MAX_WORDS} tokens, not {n_words}")
    if folder.is_dir() and not missing_files(folder):
        return folder
    tokenizer = _tokenizer(shape)
    spec = _spec(shape, tokenizer, n_words)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        fresh = Path(scratch, "whole")
        fresh.mkdir()
        spec.save(str(fresh))
        tokenizer.save(str(fresh / "tokenizer.json"))
        features = json.loads((BUNDLED / "preprocessor_config.json").read_text())
        (fresh / "preprocessor_config.json").write_text(json.dumps({**features, "feature_size": shape.n_mels}))
        shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run left
        fresh.rename(folder)
    return folder


def _tokenizer(shape: Shape) -> Tokenizer:
    """Build a tokenizer of the bundled model's pieces and Whisper's special tokens, as large as Whisper's."""
    state: dict[str, Any] = json.loads((BUNDLED / "tokenizer.json").read_text(encoding="utf-8"))
    vocab: dict[str, int] = state["model"]["vocab"]
    vocab |= {f"filler{number}": number for number in range(len(vocab), _N_PIECES - 1)}
    vocab[""] = _N_PIECES - 1  # as in OpenAI's: CTranslate2 takes a model for a multilingual one by it
    specials = [
        "<|endoftext|>",
        "<|startoftranscript|>",
        *(f"<|{code}|>" for code in _LANGUAGE_CODES[: shape.n_languages]),  # the last came with large-v3
        "<|translate|>",
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
        "<|notimestamps|>",
        *(f"<|{tick * 0.02:.2f}|>" for tick in range(1501)),
    ]
    plain = state["added_tokens"][0]
    state["added_tokens"] = [
        {**plain, "id": _N_PIECES + number, "content": token} for number, token in enumerate(specials)
    ]
    return Tokenizer.from_str(json.dumps(state))


def _spec(shape: Shape, tokenizer: Tokenizer, n_words: int) -> WhisperSpec:
    """Fill CTranslate2's description of the model with weights, all there is to save but the tokenizer."""
    spec = WhisperSpec(shape.n_encoder_layers, shape.n_heads, shape.n_decoder_layers, shape.n_heads)
    _Filler(shape, tokenizer.get_vocab_size()).fill(spec)
    spec.decoder.position_encodings.encodings = _speech(spec.decoder.embeddings.weight, tokenizer, n_words)
    spec.register_vocabulary([tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())])
    spec.validate()
    spec.decoder.projection.weight = "decoder/embeddings/weight"  # the same variable, saved once
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.lang_ids = [tokenizer.token_to_id(f"<|{code}|>") for code in _LANGUAGE_CODES[: shape.n_languages]]
    heads = range(min(_ALIGNMENT_HEADS, shape.n_heads))
    spec.config.alignment_heads = [[shape.n_decoder_layers - 1, head] for head in heads]
    return spec


class _Filler:
    """Sets the variables of a specification by their names: random matrices, norms that scale by one, no shift."""

    def __init__(self, shape: Shape, n_tokens: int) -> None:
        width = shape.width
        pool = np.random.default_rng(_SEED).standard_normal(_POOL, np.float32)
        self._pool = np.concatenate([pool, pool])
        self._scaled: dict[float, npt.NDArray[np.float16]] = {}
        self._n_filled = 0
        self._width = width
        self._n_layers = max(shape.n_encoder_layers, shape.n_decoder_layers)
        self._shapes = {
            "encoder/conv1/weight": (width, shape.n_mels, _KERNEL),
            "encoder/conv2/weight": (width, width, _KERNEL),
            "encoder/position_encodings/encodings": (_N_STEPS, width),
            "decoder/position_encodings/encodings": (_N_POSITIONS, width),
            "decoder/embeddings/weight": (n_tokens, width),
            "self_attention/linear_0/weight": (3 * width, width),  # queries, keys and values
            "self_attention/linear_1/weight": (width, width),
            "/attention/linear_0/weight": (width, width),
            "/attention/linear_1/weight": (2 * width, width),  # keys and values of the encoder's output
            "/attention/linear_2/weight": (width, width),
            "ffn/linear_0/weight": (4 * width, width),
            "ffn/linear_1/weight": (width, 4 * width),
        }
        # The matrices whose products are added to the state.
        self._adding = ("self_attention/linear_1/weight", "/attention/linear_2/weight", "ffn/linear_1/weight")

    def fill(self, spec: WhisperSpec) -> None:
        visit_spec(spec, self._set)

    def _set(self, spec: Any, name: str, value: Any) -> None:
        attribute = name.rpartition("/")[2]
        if name == "decoder/projection/weight":
            spec.weight = np.zeros((1, 1), np.float16)  # replaced by the name of its equal
        elif name == "decoder/projection/bias":
            return
        elif isinstance(spec, LinearSpec | Conv1DSpec) and attribute == "bias":
            spec.bias = np.zeros(self._shape(name.replace("bias", "weight"))[0], np.float16)
        elif value is not None and attribute != "encodings":
            return  # a number, or what this model has none of
        elif attribute == "gamma":
            spec.gamma = np.ones(self._width, np.float16)
        elif attribute == "beta":
            spec.beta = np.zeros(self._width, np.float16)
        else:
            setattr(spec, attribute, self._random(name))

    def _shape(self, name: str) -> tuple[int, ...]:
        return next(shape for end, shape in self._shapes.items() if name.endswith(end))

    def _random(self, name: str) -> npt.NDArray[np.float16]:
        shape = self._shape(name)
        if name == "decoder/embeddings/weight":
            scale = _CERTAINTY / self._width
        else:
            scale = 0.5 / sqrt(prod(shape[1:]))
            if name.endswith(self._adding):
                scale /= 3 * self._n_layers
        self._n_filled += 1
        begin = self._n_filled * 7919 % _POOL  # each matrix another stretch
        if scale not in self._scaled:
            self._scaled[scale] = (self._pool * np.float32(scale)).astype(np.float16)
        return np.resize(self._scaled[scale][begin : begin + min(_POOL, prod(shape))], shape)


def _speech(embeddings: npt.NDArray[np.float16], tokenizer: Tokenizer, n_words: int) -> npt.NDArray[np.float16]:
    """Return embeddings by which position p says the p-th token, louder than anything else the decoder computes."""
    pieces = [tokenizer.id_to_token(number) for number in range(1024)]
    words = [number for number, piece in enumerate(pieces) if piece and piece[0] == "Ġ" and piece[1:].isalpha()]
    known = [word for word in words if len(pieces[word]) > 3]
    said = [
        tokenizer.token_to_id("<|0.00|>"),
        *(known[i % len(known)] for i in range(n_words)),
        tokenizer.token_to_id(f"<|{_LAST_S:.2f}|>"),
    ]
    end = tokenizer.token_to_id("<|endoftext|>")
    numbers = [place - _PROMPT + 1 for place in range(_N_POSITIONS)]
    tokens = [said[max(0, number)] if number < len(said) else end for number in numbers]
    directions = embeddings[tokens].astype(np.float32)
    directions *= _LOUDNESS * sqrt(embeddings.shape[1]) / np.linalg.norm(directions, axis=1, keepdims=True)
    return directions.astype(np.float16)
