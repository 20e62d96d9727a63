"""Settings, the Serve graph, start and stop, observability and the command line."""

from importlib.metadata import version

__version__ = version("meetmemo")
