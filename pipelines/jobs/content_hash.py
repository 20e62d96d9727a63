"""What a transcript was made of, as one key: the same content need not be transcribed again."""

import hashlib
import json
from dataclasses import asdict
from functools import cache
from importlib.metadata import version

from pipelines.jobs.job import JobOptions
from pipelines.models.profile import ModelProfile

_OF_THE_MINUTES = (
    "minutes",
    "minutes_language",
    "minutes_template",
    "minutes_title",
    "glossary",
    "recording_date",
)
_OF_THE_JOB = ("priority", "deadline", "keep_audio", "webhook_url", "recipients", "reuse")


def content_key(source_sha256: str, options: JobOptions, weights_sha256: str, profile: ModelProfile) -> str:
    """SHA-256 (hex) of everything that a transcript depends on: recording, options, weights, this program's version.

    "" where the recording or the weights are not known by their hash. Options count unless they are known to concern
    something else, so that one that is new is never overlooked.
    """
    if not (source_sha256 and weights_sha256):
        return ""
    chosen = {name: value for name, value in asdict(options).items() if name not in (*_OF_THE_MINUTES, *_OF_THE_JOB)}
    content = [source_sha256, chosen, weights_sha256, asdict(profile), _version()]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


@cache
def _version() -> str:
    return version("meetmemo")
