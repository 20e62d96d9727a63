"""Silero VAD v6 on torch, with the weights of the ONNX file that faster-whisper ships.

The same network as in the file, about four times as fast on a CPU as ONNX Runtime: the short-time Fourier transform is
one (the file multiplies with its matrix). Of each frame there are four windows, first in all tensors, so that a tap of
a convolution is a plain matrix product over neighbouring windows of all frames of a block, and none of zeros around
them; nothing is copied for that. Only the LSTM goes frame by frame.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from faster_whisper.utils import get_assets_path

from pipelines.audio.pcm import Pcm
from pipelines.audio.vad_options import FRAME_SAMPLES
from pipelines.errors import ModelUnavailable

CONTEXT_SAMPLES = 64  # samples before a frame that the model also hears; as many are mirrored behind it
N_FFT = 256
HOP_SAMPLES = 128
N_WINDOWS = 4  # of N_FFT samples in a frame with its context
LSTM_SIZE = 128
FRAMES_AT_ONCE = 78
"""Frames before the LSTM at a time: their tensors fit a core's cache, and no memory goes back to the system between."""
INT16_SCALE = 32768.0
ASSET = "silero_vad_v6.onnx"

_SHAPES = {
    "encoder.feature_extractor.forward_basis_buffer": (N_FFT + 2, 1, N_FFT),
    "encoder.conv_layers.0.weight": (128, N_FFT // 2 + 1, 3),
    "encoder.conv_layers.0.bias": (128,),
    "encoder.conv_layers.1.weight": (64, 128, 3),
    "encoder.conv_layers.1.bias": (64,),
    "encoder.conv_layers.2.weight": (64, 64, 3),
    "encoder.conv_layers.2.bias": (64,),
    "encoder.conv_layers.3.weight": (LSTM_SIZE, 64, 3),
    "encoder.conv_layers.3.bias": (LSTM_SIZE,),
    "onnx::LSTM_209": (1, 4 * LSTM_SIZE, LSTM_SIZE),
    "onnx::LSTM_210": (1, 4 * LSTM_SIZE, LSTM_SIZE),
    "onnx::LSTM_211": (1, 8 * LSTM_SIZE),
    "decoder.conv1d.weight": (1, LSTM_SIZE, 1),
    "decoder.conv1d.bias": (1,),
}


class SileroVad:
    """Probabilities of speech for one stream (one channel of one recording); state is carried from call to call."""

    def __init__(self) -> None:
        """Share the network of the process, which loads on first use and sets torch to one CPU thread.

        Raises `ModelUnavailable` when the model's file is missing or another one.
        """
        self._network = _network()
        self._state = (torch.zeros(1, LSTM_SIZE), torch.zeros(1, LSTM_SIZE))
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)

    def __call__(self, frames: Pcm) -> npt.NDArray[np.float32]:
        """Take int16 ``[n_frames, FRAME_SAMPLES]``, the stream's next frames; return float32 ``[n_frames]``."""
        if not len(frames):
            return np.zeros(0, np.float32)
        stretch = np.empty(CONTEXT_SAMPLES + frames.size, np.float32)
        stretch[:CONTEXT_SAMPLES] = self._context
        np.multiply(frames.reshape(-1), np.float32(1 / INT16_SCALE), out=stretch[CONTEXT_SAMPLES:])
        self._context = stretch[-CONTEXT_SAMPLES:].copy()
        with torch.inference_mode():
            probabilities, self._state = self._network(torch.from_numpy(stretch), self._state)
            result: npt.NDArray[np.float32] = probabilities.numpy()
            return result


_State = tuple[torch.Tensor, torch.Tensor]


class _Network(torch.nn.Module):
    """Maps a stretch of ``CONTEXT_SAMPLES`` and frames, and the LSTM's state, to probabilities and its next state."""

    def __init__(self, weights: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.window = weights["encoder.feature_extractor.forward_basis_buffer"][0, 0]  # cosine of 0 Hz: window alone
        kernels = [weights[f"encoder.conv_layers.{i}.weight"] for i in range(4)]
        self.biases = [weights[f"encoder.conv_layers.{i}.bias"] for i in range(4)]
        # Three matrices ``[in, out]`` of each layer: what comes before a position, what stands there, what comes after.
        self.taps = [kernel.permute(2, 1, 0).contiguous().unbind() for kernel in kernels]
        # ONNX orders the gates input, output, forget, cell; torch input, forget, cell, output.
        order = torch.cat([torch.arange(LSTM_SIZE) + gate * LSTM_SIZE for gate in (0, 2, 3, 1)])
        self.lstm = torch.nn.LSTM(LSTM_SIZE, LSTM_SIZE)
        bias_input, bias_hidden = weights["onnx::LSTM_211"][0].chunk(2)
        self.lstm.load_state_dict(
            {
                "weight_ih_l0": weights["onnx::LSTM_209"][0][order],
                "weight_hh_l0": weights["onnx::LSTM_210"][0][order],
                "bias_ih_l0": bias_input[order],
                "bias_hh_l0": bias_hidden[order],
            }
        )
        self.output = weights["decoder.conv1d.weight"].reshape(LSTM_SIZE)
        self.output_bias = weights["decoder.conv1d.bias"]

    def forward(self, heard: torch.Tensor, state: _State) -> tuple[torch.Tensor, _State]:
        parts = (
            heard[i * FRAME_SAMPLES : (i + FRAMES_AT_ONCE) * FRAME_SAMPLES + CONTEXT_SAMPLES]
            for i in range(0, len(heard) // FRAME_SAMPLES, FRAMES_AT_ONCE)
        )
        hidden = torch.cat([self._encoded(_magnitudes(self._windows(part))) for part in parts])
        hidden, state = self.lstm(hidden, state)
        return torch.sigmoid(hidden.relu_() @ self.output + self.output_bias), state

    def _windows(self, heard: torch.Tensor) -> torch.Tensor:
        """Return ``[N_WINDOWS, n_frames, N_FFT]``; the last window of a frame ends in a mirror of its last samples."""
        rows = heard.unfold(0, CONTEXT_SAMPLES + FRAME_SAMPLES, FRAME_SAMPLES)
        windows = heard.new_empty(N_WINDOWS, len(rows), N_FFT)
        plain = rows.unfold(1, N_FFT, HOP_SAMPLES).transpose(0, 1)
        torch.mul(plain, self.window, out=windows[: len(plain)])
        n_left = N_FFT - CONTEXT_SAMPLES
        torch.mul(rows[:, -n_left:], self.window[:n_left], out=windows[-1, :, :n_left])
        mirrored = rows[:, -CONTEXT_SAMPLES - 1 : -1].flip(1)
        torch.mul(mirrored, self.window[n_left:], out=windows[-1, :, n_left:])
        return windows

    def _encoded(self, magnitudes: torch.Tensor) -> torch.Tensor:
        """Map ``[N_WINDOWS, n_frames, N_FFT // 2 + 1]`` to ``[n_frames, LSTM_SIZE]``."""
        n = magnitudes.shape[1]
        before, here, after = self.taps[0]
        flat = magnitudes.flatten(0, 1)
        hidden = torch.addmm(self.biases[0], flat, here)
        hidden[n:].addmm_(flat[:-n], before)
        hidden[:-n].addmm_(flat[n:], after)
        windows = hidden.relu_().view(N_WINDOWS, n, -1).unbind()
        # The second layer goes on in steps of two; the third sees two positions, none before, the fourth a single one.
        before, here, after = self.taps[1]
        early = torch.addmm(self.biases[1], windows[0], here).addmm_(windows[1], after).relu_()
        late = (
            torch.addmm(self.biases[1], windows[1], before).addmm_(windows[2], here).addmm_(windows[3], after).relu_()
        )
        _, here, after = self.taps[2]
        hidden = torch.addmm(self.biases[2], early, here).addmm_(late, after).relu_()
        return torch.addmm(self.biases[3], hidden, self.taps[3][1]).relu_()


def _magnitudes(windows: torch.Tensor) -> torch.Tensor:
    """Return the magnitudes of the spectrum of each window."""
    # `abs` guards against overflow, which cannot be here, number by number: it took a fifth of all the time.
    squares = torch.view_as_real(torch.fft.rfft(windows)).square_()
    return (squares[..., 0] + squares[..., 1]).sqrt_()


@lru_cache(maxsize=1)
def _network() -> _Network:
    path = Path(get_assets_path()) / ASSET
    try:
        tensors = dict(_initializers(path.read_bytes()))
    except (OSError, ValueError, IndexError) as error:
        raise ModelUnavailable(f"cannot read the voice activity model {ASSET}: {error}") from error
    for name, shape in _SHAPES.items():
        if name not in tensors or tensors[name].shape != shape:
            raise ModelUnavailable(f"{ASSET} is not the voice activity model this version knows: see {name}")
    # Matrices this small gain nothing from threads, and torch's spin against whatever else the machine does.
    torch.set_num_threads(1)
    return _Network({name: torch.from_numpy(tensors[name]) for name in _SHAPES}).eval()


# An ONNX file is a protocol buffer; these are the field numbers of onnx.proto that lead to its weights.
MODEL_GRAPH = 7
GRAPH_INITIALIZER = 5
TENSOR_DIMS, TENSOR_DATA_TYPE, TENSOR_NAME, TENSOR_RAW_DATA = 1, 2, 8, 9
DATA_TYPE_FLOAT = 1


def _initializers(model: bytes) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """Yield name and value of every float tensor that an ONNX file stores."""
    for number, graph in _fields(memoryview(model)):
        if number != MODEL_GRAPH or isinstance(graph, int):
            continue
        for kind, tensor in _fields(graph):
            if kind != GRAPH_INITIALIZER or isinstance(tensor, int):
                continue
            fields = list(_fields(tensor))
            raw = next((value for field, value in fields if field == TENSOR_RAW_DATA), b"")
            if (TENSOR_DATA_TYPE, DATA_TYPE_FLOAT) in fields and not isinstance(raw, int):
                name = b"".join(bytes(value) for field, value in fields if field == TENSOR_NAME)
                shape = [value for field, value in fields if field == TENSOR_DIMS and isinstance(value, int)]
                yield name.decode(), np.frombuffer(raw, "<f4").reshape(shape).copy()


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield field numbers and values of a protocol buffer message: integers, or the bytes of everything else."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire_type == 2:
            size, at = _varint(message, at)
        elif wire_type in (1, 5):
            size = 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"wire type {wire_type} in a protocol buffer")
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
