"""The network: a small Whisper with a character CTC head on its encoder, and log-mel features."""

from dataclasses import dataclass
from functools import cache
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

from mini_model.tokenizer import Vocabulary
from scripts.speech.pinyin import without_tones

SAMPLE_RATE = 16_000
HOP = 160
N_FFT = 400
N_MELS = 80
MAX_WINDOW_S = 30
FRAME = 2 * HOP
"""Samples per encoder position (20 ms): the second convolution halves the mel frames."""

LETTERS = " abcdefghijklmnopqrstuvwxyz'"
BLANK = len(LETTERS)


@dataclass(frozen=True, kw_only=True)
class Size:
    """Width and depth; the default weighs 8 MB as int8."""

    width: int = 256
    encoder_layers: int = 4
    decoder_layers: int = 2
    heads: int = 4


class MiniWhisper(nn.Module):
    """Runs Whisper (`whisper`) and the CTC head (`ctc`) that helps its encoder to find the letters."""

    def __init__(self, vocabulary: Vocabulary, size: Size = Size(), attention: str = "sdpa") -> None:
        """Build the model; ``attention`` is ``sdpa`` (fused) or ``eager`` (products and softmax) of transformers."""
        super().__init__()
        end, start = vocabulary["endoftext"], vocabulary["startoftranscript"]
        config = WhisperConfig(
            vocab_size=len(vocabulary),
            d_model=size.width,
            encoder_layers=size.encoder_layers,
            decoder_layers=size.decoder_layers,
            encoder_attention_heads=size.heads,
            decoder_attention_heads=size.heads,
            encoder_ffn_dim=4 * size.width,
            decoder_ffn_dim=4 * size.width,
            num_mel_bins=N_MELS,
            max_source_positions=MAX_WINDOW_S * SAMPLE_RATE // FRAME,
            max_target_positions=448,
            bos_token_id=end,
            eos_token_id=end,
            pad_token_id=end,
            decoder_start_token_id=start,
            dropout=0.0,
            attn_implementation=attention,  # type: ignore[call-arg]  # taken by the base class
        )
        self.whisper = WhisperForConditionalGeneration(config)
        self.ctc = nn.Linear(size.width, BLANK + 1)

    def encode(self, mel: Tensor) -> Tensor:
        """Encode ``(batch, 80, frames)`` to ``(batch, frames / 2, width)``; fewer frames than 30 s are not padded."""
        encoder = self.whisper.model.encoder
        hidden = F.gelu(encoder.conv1(mel))
        hidden = F.gelu(encoder.conv2(hidden)).permute(0, 2, 1)
        hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
        for layer in encoder.layers:
            out = layer(hidden, None)
            hidden = out[0] if isinstance(out, tuple) else out
        return cast(Tensor, encoder.layer_norm(hidden))

    def forward(self, mel: Tensor, window_of: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the logits of next tokens ``(n_rows, n, vocabulary)`` and of letters ``(n_windows, frames / 2, 29)``.

        Row i of ``tokens (n_rows, n)`` is about window ``window_of[i]`` of ``mel (n_windows, 80, frames)``.
        """
        hidden = self.encode(mel)
        decoder = self.whisper.model.decoder
        states = decoder(input_ids=tokens, encoder_hidden_states=hidden[window_of]).last_hidden_state
        return cast(Tensor, self.whisper.proj_out(states)), cast(Tensor, self.ctc(hidden))


def letters_of(text: str) -> list[int]:
    """Return the CTC labels of a text; Chinese is spelled in pinyin."""
    spelled = without_tones(text).lower().replace("-", " ")
    return [LETTERS.index(letter) for letter in spelled if letter in LETTERS]


def log_mel(samples: Tensor) -> Tensor:
    """Compute ``(batch, 80, n // 160)`` from ``(batch, n)`` float samples in -1…1, as Whisper does."""
    filters, window = _mel_filters(samples.device), torch.hann_window(N_FFT, device=samples.device)
    power = torch.stft(samples, N_FFT, HOP, window=window, return_complex=True)[..., :-1].abs() ** 2
    mel = torch.log10(torch.clamp(filters @ power, min=1e-10))
    return (torch.maximum(mel, mel.amax(dim=(1, 2), keepdim=True) - 8.0) + 4.0) / 4.0


@cache
def _mel_filters(device: torch.device) -> Tensor:
    extractor = WhisperFeatureExtractor(feature_size=N_MELS)  # type: ignore[no-untyped-call]  # as transformers has it
    filters = torch.tensor(extractor.mel_filters, dtype=torch.float32)
    return (filters if filters.shape[0] == N_MELS else filters.T).to(device)
