"""The Python client of the HTTP API, and the bulk senders on it."""
