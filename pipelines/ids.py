"""Ids of jobs: unique, sortable by time, safe in keys and URLs."""

import re
import secrets
import time


def new_id() -> str:
    """Return 48 bits of Unix milliseconds and 80 random bits as 32 hex digits (the layout of ULID)."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def created_at_s(job_id: str) -> float | None:
    """Return the Unix seconds at which `new_id` made an id; None for any other text."""
    if not re.fullmatch("[0-9a-f]{32}", job_id):
        return None
    return int(job_id[:12], 16) / 1000
