"""Load the networks ready to compute: on OpenVINO where it is installed, else on torch.

Weights are stored as float16 and computed with in float32, or in bfloat16 where the processor multiplies it natively.
"""

import contextlib
import io
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from pipelines.errors import ModelUnavailable
from pipelines.speakers.fbank import N_MELS
from pipelines.speakers.frames import WINDOW_SAMPLES
from pipelines.speakers.networks import EmbeddingNetwork, SegmentationNetwork, Weights
from pipelines.speakers.protocol import CONTEXT_FRAMES

Floats = npt.NDArray[np.float32]

WEIGHTS = Path(__file__).parent / "weights"
SEGMENTATION_FILE = "segmentation-3.0.npz"
EMBEDDING_FILE = "campplus-zh-en.npz"


class BundledVoiceModels:
    """The networks of this package, for one thread at a time."""

    def __init__(self, *, n_threads: int = 1, openvino: bool = True) -> None:
        """Load and compile, about 3 s with OpenVINO. Raises `ModelUnavailable` for missing or damaged weights."""
        torch.set_num_threads(n_threads)  # as the voice activity does: torch's threads spin against the rest
        segmentation = SegmentationNetwork(read_weights(WEIGHTS / SEGMENTATION_FILE)).eval()
        embedding = EmbeddingNetwork(read_weights(WEIGHTS / EMBEDDING_FILE)).eval()
        self.runtime = "torch"
        self._segment = _on_torch(segmentation)
        self._embed = _on_torch(embedding)
        if openvino:
            with contextlib.suppress(ImportError, RuntimeError):  # absent, or it cannot: torch computes the same
                self._segment = _on_openvino(segmentation, (1, WINDOW_SAMPLES), n_threads)
                self._embed = _on_openvino(embedding, (CONTEXT_FRAMES, N_MELS), n_threads)
                self.runtime = "openvino"

    def segment(self, windows: Floats) -> Floats:
        return self._segment(windows[:, None])

    def embed(self, features: Floats) -> Floats:
        return self._embed(features - features.mean(axis=1, keepdims=True))


def read_weights(path: Path) -> Weights:
    """Read float16 arrays as float32 tensors by name. Raises `ModelUnavailable` where they cannot be read."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            return {name: torch.from_numpy(stored[name].astype(np.float32)) for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ModelUnavailable(f"cannot read the weights {path.name}: {error}") from error


def _on_torch(network: torch.nn.Module) -> Callable[[Floats], Floats]:
    def compute(inputs: Floats) -> Floats:
        with torch.inference_mode():
            outputs: Floats = network(torch.from_numpy(np.ascontiguousarray(inputs))).numpy()
        return outputs

    return compute


def _on_openvino(network: torch.nn.Module, shape: tuple[int, ...], n_threads: int) -> Callable[[Floats], Floats]:
    from openvino import Core, convert_model

    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # OpenVINO traces by a function that torch deprecates
        graph = convert_model(network, example_input=torch.randn(2, *shape), input=[-1, *shape])
    options = {"NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": n_threads, "ENABLE_CPU_PINNING": False}
    request = Core().compile_model(graph, "CPU", options).create_infer_request()

    def compute(inputs: Floats) -> Floats:
        return np.array(request.infer({0: np.ascontiguousarray(inputs)})[0], np.float32)

    return compute
