"""Reads weights out of CTranslate2's ``model.bin``, for an encoder that another runtime may compute faster.

The format, version 6, is what ``ctranslate2.specs.ModelSpec.save`` writes (OpenNMT/CTranslate2, MIT): the kind of
model; variables, each with its name, shape, type and bytes, all little-endian; then further names of variables that
are equal.
"""

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

WEIGHTS_FILE = "model.bin"
VERSION = 6
_BFLOAT16 = 5  # which numpy does not have
_DTYPES = ("<f4", "i1", "<i2", "<i4", "<f2", "<u2")
"""By type number."""

Array = npt.NDArray[np.float32]


def read_weights(path: Path, prefix: str) -> dict[str, torch.Tensor]:
    """Return the variables of ``model.bin`` whose names begin with ``prefix``, by the rest of their names, as float32.

    Quantised matrices are multiplied out: CTranslate2 stores ``weight[i] * weight_scale[i]``, rounded. Raises
    ValueError for a file of another format or version, or one that ends early, and OSError for one that cannot be read.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        try:
            variables = _Reader(content).variables()
            arrays = {
                name.removeprefix(prefix): variable.array(content)
                for name, variable in variables.items()
                if name.startswith(prefix)
            }
        except (struct.error, KeyError, IndexError, ValueError) as error:
            raise ValueError(f"{path} is no model of CTranslate2's format {VERSION}, or ends early: {error}") from error
    return {name: torch.from_numpy(_multiplied_out(name, arrays)) for name in arrays if not name.endswith("_scale")}


@dataclass(frozen=True, slots=True)
class _Variable:
    shape: tuple[int, ...]
    kind: int
    start: int
    n_bytes: int

    def array(self, content: mmap.mmap) -> Array:
        dtype = np.dtype(_DTYPES[self.kind])
        found = np.frombuffer(content, dtype, self.n_bytes // dtype.itemsize, self.start).reshape(self.shape)
        if self.kind == _BFLOAT16:
            return (found.astype(np.uint32) << 16).view(np.float32)
        return found.astype(np.float32)


class _Reader:
    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._at = 0

    def variables(self) -> Mapping[str, _Variable]:
        version = self._number("<I")
        if version != VERSION:
            raise ValueError(f"it has version {version}")
        self._text()  # the kind of model
        self._number("<I")  # its revision
        variables = {}
        for _ in range(self._number("<I")):
            name = self._text()
            shape = tuple(self._number("<I") for _ in range(self._number("<B")))
            kind, n_bytes = self._number("<B"), self._number("<I")
            variables[name] = _Variable(shape, kind, self._at, n_bytes)
            self._at += n_bytes
        for _ in range(self._number("<I")):
            other, name = self._text(), self._text()
            variables[other] = variables[name]
        return variables

    def _number(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self._content, self._at)
        self._at += struct.calcsize(form)
        return int(value)

    def _text(self) -> str:
        n_bytes = self._number("<H")
        text = self._content[self._at : self._at + n_bytes - 1].decode()
        self._at += n_bytes
        return text


def _multiplied_out(name: str, arrays: Mapping[str, Array]) -> Array:
    weight, scale = arrays[name], arrays.get(f"{name}_scale")
    return weight if scale is None else weight / scale.reshape(-1, *(1 for _ in weight.shape[1:]))
