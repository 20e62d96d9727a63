"""A model with the dimensions of whisper-base and random weights that says the same words about every window.

Its text means nothing; what it costs is what the real model costs. The words, their number and the closing timestamp
are written into the decoder's position embeddings, so that every program decodes equally many tokens and finds no
reason for second tries.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from ctranslate2.converters.transformers import WhisperLoader
from faster_whisper.tokenizer import _LANGUAGE_CODES
from tokenizers import Tokenizer
from transformers import WhisperConfig, WhisperForConditionalGeneration

BUNDLED = Path(__file__).resolve().parents[2] / "pipelines" / "models" / "mini-en"
_N_PIECES = 50_257
_N_WORDS = 98
_LAST_S = 29.0
_PROMPT = 3  # <|startoftranscript|>, language, task
_LOUD = 30.0


def make_shaped_model(folder: Path) -> Path:
    """Write the CTranslate2 model to ``folder``, or find it there."""
    if (folder / "model.bin").exists():
        return folder
    tokenizer = _tokenizer()
    torch.manual_seed(1)
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=tokenizer.get_vocab_size(),
            d_model=512,
            encoder_layers=6,
            decoder_layers=6,
            encoder_attention_heads=8,
            decoder_attention_heads=8,
            encoder_ffn_dim=2048,
            decoder_ffn_dim=2048,
            num_mel_bins=80,
        )
    ).eval()
    _write_speech(model, tokenizer)
    with torch.no_grad():
        spec = WhisperLoader().get_model_spec(model)
    spec.register_vocabulary([tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())])
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.lang_ids = [tokenizer.token_to_id(f"<|{code}|>") for code in _LANGUAGE_CODES[:-1]]
    spec.config.alignment_heads = [[5, head] for head in range(8)]
    spec.validate()
    spec.optimize(quantization="int8")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
        spec.save(fresh)
        tokenizer.save(str(Path(fresh, "tokenizer.json")))
        shutil.copy(BUNDLED / "preprocessor_config.json", fresh)
        shutil.copytree(fresh, folder, dirs_exist_ok=True)
    return folder


def _tokenizer() -> Tokenizer:
    """Build a tokenizer of the bundled model's pieces and Whisper's special tokens, as large as Whisper's."""
    state: dict[str, Any] = json.loads((BUNDLED / "tokenizer.json").read_text(encoding="utf-8"))
    vocab: dict[str, int] = state["model"]["vocab"]
    vocab |= {f"filler{number}": number for number in range(len(vocab), _N_PIECES)}
    specials = [
        "<|endoftext|>",
        "<|startoftranscript|>",
        *(f"<|{code}|>" for code in _LANGUAGE_CODES[:-1]),  # the last one, Cantonese, came with large-v3
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


def _write_speech(model: WhisperForConditionalGeneration, tokenizer: Tokenizer) -> None:
    """Make position p say the p-th token, louder than anything else the decoder computes."""
    pieces = [tokenizer.id_to_token(number) for number in range(1024)]
    words = [number for number, piece in enumerate(pieces) if piece and piece[0] == "Ġ" and piece[1:].isalpha()]
    chosen = [word for word in words if len(pieces[word]) > 3][:_N_WORDS]
    said = [
        tokenizer.token_to_id("<|0.00|>"),
        *chosen,
        tokenizer.token_to_id(f"<|{_LAST_S:.2f}|>"),
    ]
    end = tokenizer.token_to_id("<|endoftext|>")
    decoder = model.model.decoder
    with torch.no_grad():
        decoder.embed_tokens.weight.mul_(2.0)  # tied with the output: more certain of what is said
        positions = decoder.embed_positions.weight
        for place in range(len(positions)):
            number = place - _PROMPT + 1
            token = said[max(0, number)] if number < len(said) else end
            direction = decoder.embed_tokens.weight[token]
            positions[place] = _LOUD * direction / direction.norm()
