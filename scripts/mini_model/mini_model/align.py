"""Finds the decoder heads whose attention to the sound follows the words: tries them where word times are known."""

import shutil
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from statistics import mean

from mini_model.convert import FILES, Head, set_alignment_heads
from mini_model.evaluate import word_start_errors
from mini_model.hear import Listener
from mini_model.model import Size

_TOLERANCE_S = 0.5
_AT_MOST = 4


def best_heads(model: Path, size: Size, n_sentences: int = 8) -> tuple[Head, ...]:
    """Find the heads that together put words closest to their true starts, greedily from the best single one.

    ``model`` is a converted model; its files are not changed.
    """
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder)
        for name in FILES:
            shutil.copy(model / name, trial / name)
        every = list(product(range(size.decoder_layers), range(size.heads)))
        alone = {head: _error_s(trial, (head,), n_sentences) for head in every}
        ranked = sorted(alone, key=alone.__getitem__)
        chosen: tuple[Head, ...] = (ranked[0],)
        error_s = alone[ranked[0]]
        for head in ranked[1:_AT_MOST]:
            more_s = _error_s(trial, (*chosen, head), n_sentences)
            if more_s < error_s:
                chosen, error_s = (*chosen, head), more_s
    print(f"heads {chosen}: words start {error_s:.3f} s off, the last alone {alone[ranked[-1]]:.3f} s", flush=True)
    return chosen


def _error_s(trial: Path, heads: Sequence[Head], n_sentences: int) -> float:
    """Return the mean error of word starts in seconds; a word that is not recognised counts as `_TOLERANCE_S`."""
    set_alignment_heads(trial, heads)
    return mean(min(_TOLERANCE_S, error_s) for error_s in word_start_errors(Listener(trial), n_sentences) or (1.0,))
