"""The developer commands that are Python: they run by ``scripts/python``, whatever environment is active."""

from pathlib import Path

SHEBANG = b"""#!/usr/bin/env -S sh -c 'exec "${0%/*}/python" "$0" "$@"'\n"""


def is_python_command(path: Path) -> bool:
    """Say whether a file without an ending is such a command."""
    return not path.suffix and path.is_file() and path.read_bytes().startswith(SHEBANG)
