"""The OpenAPI document of the API over fakes, with every route that settings may add."""

import functools
import tempfile
from pathlib import Path
from typing import Any

from tests.fakes.api_keys import MemoryKeys
from tests.fakes.sessions import MemorySessions
from tests.support.console_server import ConsoleServer
from tests.support.sign_in import sign_in_at


@functools.cache
def openapi() -> dict[str, Any]:
    """Build the API and return its document."""
    sign_in = sign_in_at("https://id.example", "https://memo.example", MemorySessions())
    with tempfile.TemporaryDirectory(prefix="meetmemo-") as folder:
        return ConsoleServer(Path(folder), keys=MemoryKeys(), sign_in=sign_in).app.openapi()
