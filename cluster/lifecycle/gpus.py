"""Whether a cluster on this machine may use its GPUs: Ray counts those of the driver, whatever CUDA is installed."""

import subprocess
import sys
from collections.abc import Callable

from cluster.settings.settings import Settings
from pipelines.models import cuda_check
from pipelines.models.nvidia_driver import find_driver

CHECK = (sys.executable, "-W", "ignore", "-m", cuda_check.__name__)


def gpus_to_count(
    settings: Settings, say: Callable[[str], None], has_driver: Callable[[], bool] = lambda: find_driver() is not None
) -> int | None:
    """Return 0 where the GPUs of this machine cannot be used, and ``say`` why; None: Ray counts them.

    With ``device: auto`` models run on the CPU then. Where one asks for a GPU, its replicas say what is missing.
    """
    kinds = {model.device for model in settings.models}
    if settings.ray.address or "cuda" in kinds or "auto" not in kinds or not has_driver():
        return None
    # In a process of its own: this one goes on without torch.
    checked = subprocess.run(CHECK, capture_output=True, text=True, check=False)  # noqa: S603 - our own module
    if checked.returncode == 0:
        return None
    say(f"This machine's GPUs stay unused:\n{checked.stdout.strip()}")
    return 0
