"""Hash all that a transcript was made of into one key: the same content need not be transcribed again."""

import hashlib
import json
from dataclasses import asdict
from functools import cache
from importlib.metadata import version

from pipelines.jobs.options import TRANSCRIPT_OPTIONS, JobOptions
from pipelines.models.profile import ModelProfile


def content_key(source_sha256: str, options: JobOptions, weights_sha256: str, profile: ModelProfile) -> str:
    """Return the SHA-256 (hex) of all that a transcript depends on: recording, options, weights, program version.

    "" where the recording or the weights are not known by their hash. Options count unless they are declared to concern
    something else, so that a new one is never overlooked.
    """
    if not (source_sha256 and weights_sha256):
        return ""
    chosen = {name: value for name, value in asdict(options).items() if name in TRANSCRIPT_OPTIONS}
    content = [source_sha256, chosen, weights_sha256, asdict(profile), _version()]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


@cache
def _version() -> str:
    return version("meetmemo")
