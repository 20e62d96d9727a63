"""ASGI middleware: what is done for every request before its route is known."""
