"""A golden set: recordings with their reference transcripts, transcribed by two models and compared.

A folder holds recordings and, beside each, a text of the same stem: ``call-1.wav``, ``call-1.txt``.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.client.http import ApiError, Client
from pipelines.errors import OptionError
from pipelines.text.word_errors import WordErrors, word_errors

POLL_S = 0.5
FINAL = ("succeeded", "failed", "cancelled")
_NONE = WordErrors(n_words=0, n_errors=0)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A recording and what is said in it."""

    recording: Path
    reference: str


@dataclass(frozen=True, kw_only=True)
class Heard:
    """Two models' transcripts of one sample."""

    sample: Sample
    new: str
    old: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Word errors of two models over a golden set; ``agreement`` is 1 minus the errors of one against the other."""

    new: WordErrors
    old: WordErrors
    agreement: float
    complaints: tuple[str, ...]


def read_golden(folder: Path) -> list[Sample]:
    """Return the samples of a folder; raises `OptionError` where there is none, or a text without a recording."""
    samples = []
    for text in sorted(folder.glob("*.txt")):
        recordings = [path for path in sorted(folder.glob(f"{text.stem}.*")) if path.suffix != ".txt"]
        if len(recordings) != 1:
            raise OptionError(f"{text} belongs to {len(recordings)} recordings; it should be one of the same stem")
        samples.append(Sample(recording=recordings[0], reference=text.read_text(encoding="utf-8")))
    if not samples:
        raise OptionError(f"{folder} holds no recording with its text beside it, such as call-1.wav and call-1.txt")
    return samples


async def hear(client: Client, samples: Sequence[Sample], model: str, language: str | None) -> list[str]:
    """Return what a model of the running cluster makes of the samples, as text; raises `ApiError` when a job fails."""
    options = {"model": model, "minutes": "none", "reuse": "false", **({"language": language} if language else {})}
    jobs = [await client.submit(sample.recording, options) for sample in samples]
    return [await _text(client, job["id"]) for job in jobs]


async def _text(client: Client, job_id: str) -> str:
    while (job := await client.job(job_id))["state"] not in FINAL:  # noqa: ASYNC110 - it ends in another process
        await asyncio.sleep(POLL_S)
    if job["state"] != "succeeded":
        raise ApiError(f"job {job_id} ({job['filename']}) is {job['state']}: {job.get('detail') or job.get('reason')}")
    transcript = await client.transcript(job)
    return " ".join(segment["text"].strip() for segment in transcript["segments"])


def judge(heard: Sequence[Heard], *, max_wer_increase: float, min_agreement: float) -> Verdict:
    """Compare word error rates over all samples together. ``complaints`` is empty when the new model passes."""
    new = sum((word_errors(one.sample.reference, one.new) for one in heard), _NONE)
    old = sum((word_errors(one.sample.reference, one.old) for one in heard), _NONE)
    agreement = max(0.0, 1.0 - sum((word_errors(one.old, one.new) for one in heard), _NONE).rate)
    complaints = []
    if new.rate > old.rate + max_wer_increase:
        complaints.append(f"its word error rate is {new.rate:.4f}, more than {old.rate:.4f} + {max_wer_increase:g}")
    if agreement < min_agreement:
        complaints.append(f"it agrees in {agreement:.4f} of the words, less than {min_agreement:g}")
    return Verdict(new=new, old=old, agreement=agreement, complaints=tuple(complaints))
