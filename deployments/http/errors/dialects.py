"""The dialects of other vendors: whose clients ask at an address, and how they read errors."""

from collections.abc import Callable
from dataclasses import dataclass

from deployments.http.errors.assemblyai import ASSEMBLYAI_PATHS, AssemblyError, assemblyai_error
from deployments.http.errors.deepgram import DEEPGRAM_PATHS, DeepgramError, deepgram_error, deepgram_headers
from deployments.http.errors.openai import OPENAI_PATHS, SpeechError, openai_status, speech_error
from deployments.http.errors.vendors import vendor_status
from deployments.schemas.options import ApiModel, Problem
from pipelines.errors import Reason


@dataclass(frozen=True, kw_only=True)
class ErrorDialect:
    """The errors at addresses that begin with ``paths``: their form, and the status for a reason and MeetMemo's own.

    ``headers`` makes those that every error has.
    """

    paths: tuple[str, ...]
    form: type[ApiModel]
    status: Callable[[Reason, int], int]
    error: Callable[[Problem], ApiModel]
    headers: Callable[[], dict[str, str]] = dict


OPENAI = ErrorDialect(paths=OPENAI_PATHS, form=SpeechError, status=openai_status, error=speech_error)
DEEPGRAM = ErrorDialect(
    paths=DEEPGRAM_PATHS,
    form=DeepgramError,
    status=vendor_status,
    error=deepgram_error,
    headers=deepgram_headers,
)
ASSEMBLYAI = ErrorDialect(paths=ASSEMBLYAI_PATHS, form=AssemblyError, status=vendor_status, error=assemblyai_error)
DIALECTS = (OPENAI, DEEPGRAM, ASSEMBLYAI)


def dialect_of(path: str) -> ErrorDialect | None:
    """Return the dialect of those who ask at an address; None for MeetMemo's own API."""
    whole = f"{path.rstrip('/')}/"
    return next((dialect for dialect in DIALECTS if whole.startswith(dialect.paths)), None)
