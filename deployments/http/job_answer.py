"""The answer to a request that makes a job; the same request again brings the job of the first."""

from typing import Annotated, Any

from fastapi import Header
from fastapi.responses import JSONResponse

from deployments.schemas.jobs import JobBody, job_path
from deployments.tenant.jobs import TenantJobs
from pipelines.jobs.job import Job

EARLIER_JOB: dict[int | str, dict[str, Any]] = {
    200: {"model": JobBody, "description": "The job an earlier request under this key brought."}
}
DocumentedKey = Annotated[str | None, Header(alias="Idempotency-Key")]  # `idempotency_key` reads it


async def job_answer(jobs: TenantJobs, job: Job, created: bool) -> JSONResponse:
    """Show a job that this request made, or that an earlier one brought."""
    (shown,) = await jobs.show(job)
    headers = {"location": f"{jobs.public_url}{job_path(job.id)}"}
    if not created:
        headers["idempotent-replayed"] = "true"
    return JSONResponse(shown.model_dump(mode="json"), status_code=202 if created else 200, headers=headers)
