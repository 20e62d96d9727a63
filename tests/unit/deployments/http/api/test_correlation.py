"""A request's id and trace are taken, answered, and kept with the job it brings."""

import pytest
import structlog

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_an_id_is_kept_with_the_job(api) -> None:
    """The client's X-Request-ID comes back, is in the log, and can be read from the job; its trace is carried on."""
    headers = {"X-Request-ID": "rec-7:42", "traceparent": TRACEPARENT}
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        answer = await api.client.post("/v1/jobs", content=b"RIFF", headers=headers)
    assert answer.headers["X-Request-ID"] == "rec-7:42"
    body = answer.json()
    assert body["request_id"] == "rec-7:42"
    (job,) = api.ledger.list(None).jobs
    assert job.traceparent == TRACEPARENT
    accepted = next(line for line in lines if line.get("action") == "job_accepted")
    assert (accepted["request_id"], accepted["tenant"], accepted["job_id"]) == ("rec-7:42", job.tenant, job.id)


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "ü".encode().decode("latin-1"), "id;rm"])
async def test_what_is_no_id_is_replaced(api, given: str) -> None:
    """An id that could not stand in a log line is not taken: one is made, also for answers that refuse."""
    answer = await api.client.get("/v1/jobs/none", headers={"X-Request-ID": given.encode("latin-1")})
    assert answer.status_code == 404
    assert answer.headers["X-Request-ID"] not in (given, "")
    assert len(answer.headers["X-Request-ID"]) == 32


@pytest.mark.parametrize("given", ["00-" + "0" * 32 + "-b7ad6b7169203331-01", "01-abc", "junk"])
async def test_what_is_no_traceparent_is_dropped(api, given: str) -> None:
    """A malformed trace context begins no trace."""
    await api.client.post("/v1/jobs", content=b"RIFF", headers={"traceparent": given})
    (job,) = api.ledger.list(None).jobs
    assert job.traceparent == ""
