"""The settings of a soak's cluster: keys, and an engine that answers at once (`scripts/control/instant_cluster.py`)."""

import json
import os
from pathlib import Path
from typing import Any

from scripts.throughput.processes import ROOT

INGESTIONS = 2


def instant_settings(folder: Path, *, sources: Path) -> dict[str, Any]:
    """Return what `tests.chaos.clusters.Cluster` takes, with a model without weights in ``folder``.

    Jobs may name recordings below ``sources``.
    """
    model = folder / "model"
    model.mkdir(exist_ok=True)
    for name, content in (("config.json", "{}"), ("tokenizer.json", "{}"), ("vocabulary.json", "[]")):
        (model / name).write_text(content)
    (model / "model.bin").write_bytes(b"no weights")
    more = {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "scripts" / "control")]),
        "MEETMEMO_MODELS": json.dumps([{"name": "instant", "path": str(model), "max_replicas": 1}]),
        "MEETMEMO_LIMITS__SOURCE_FILES_BELOW": json.dumps([str(sources)]),
        "MEETMEMO_AUTH__MODE": "keys",
        "MEETMEMO_MINUTES__WRITER": "extractive",
        "MEETMEMO_LOG__LEVEL": "warning",
        # On a machine that is busy with other things an attempt that is given up is made again after minutes.
        "MEETMEMO_WEBHOOKS__TIMEOUT_S": "60",
        # Requests that clients repeat without a key are to be known as such.
        "MEETMEMO_REUSE": "true",
    }
    return {"more": more, "program": "instant_cluster"}
