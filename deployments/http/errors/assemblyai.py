"""Errors as AssemblyAI's clients read them: ``{error}``."""

from pydantic import Field

from deployments.schemas.options import ApiModel, Problem
from pipelines.errors import Reason

ASSEMBLYAI_PATHS = ("/assemblyai/",)


class AssemblyError(ApiModel):
    """An error in AssemblyAI's form."""

    error: str = Field(description="What is wrong, in words.")
    reason: Reason = Field(description="MeetMemo's own, which AssemblyAI does not tell.")


def assemblyai_error(problem: Problem) -> AssemblyError:
    """Turn a problem document into AssemblyAI's form."""
    return AssemblyError(error=problem.detail, reason=problem.reason)
