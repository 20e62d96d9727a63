"""The files in which a job's results are written, by their names."""

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any


def result_files(job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and URL of each result of a job as the API shows it, and of each transcript in another language.

    Those are called ``transcript.de.srt``, as players look for subtitles in a language.
    """
    yield from job["results"].items()
    for translation in job.get("translations", ()):  # clusters of earlier versions have none
        for name, url in translation["results"].items():
            stem, suffix = PurePath(name).stem, PurePath(name).suffix
            if stem == "transcript":
                yield f"{stem}.{translation['language']}{suffix}", url
