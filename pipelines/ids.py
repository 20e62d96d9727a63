"""Ids of jobs: unique, sortable by time, safe in keys and URLs."""

import secrets
import time


def new_id() -> str:
    """48 bits of Unix milliseconds and 80 random bits, as 32 hex digits (the layout of ULID)."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"
