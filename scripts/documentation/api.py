"""The OpenAPI document of the API over fakes, with every route that settings may add."""

import functools
import tempfile
from pathlib import Path
from typing import Any

from tests.fakes.api_keys import MemoryKeys
from tests.support.console_server import ConsoleServer


@functools.cache
def openapi() -> dict[str, Any]:
    """Build the API and return its document."""
    with tempfile.TemporaryDirectory(prefix="meetmemo-") as folder:
        return ConsoleServer(Path(folder), keys=MemoryKeys()).app.openapi()
