"""Logs outlive every erasure: no name of a recording, no address and no word of a job stands in them."""

from pathlib import Path

import pytest
import structlog

from deployments.schemas.jobs import host_of
from tests.unit.deployments.retention.test_erasure_everywhere import TRACES, WAYS, Site, correct, site

__all__ = ["site"]


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("", ""),
        ("https://user:secret@files.example:8443/calls/jane-doe.wav?key=x#y", "files.example:8443"),
        ("https://hooks.example/T0/B0/secret", "hooks.example"),
        ("s3://bucket/calls/jane-doe.wav", "bucket"),
        ("file:///calls/jane-doe.wav", ""),
        ("jane.doe@example.org", "example.org"),
    ],
)
def test_as_much_as_logs_may_hold(address, host):
    """Of a URL or an address only where it leads."""
    assert host_of(address) == host


@pytest.mark.parametrize("way", WAYS)
async def test_a_jobs_life_is_logged_without_its_words(site: Site, tmp_path: Path, way) -> None:
    """From the first byte to the purge, on every way in."""
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        job_id = await way(site, tmp_path / "outside")
        await site.ended(job_id)
        await correct(site, job_id)
        failed = await site.http.post(
            "/v1/jobs", json={"source": (tmp_path / "outside" / "zanzibar-quorum-2").as_uri()}
        )
        await site.cluster.ended(site.ledger.get("default", failed.json()["id"]))
        await site.purge(job_id)
    said = [line for line in lines if line["log_level"] != "debug"]
    assert {"job_accepted", "succeeded", "give_up"} <= {line["action"] for line in said}
    words = [trace.decode("latin-1") for trace in TRACES]
    assert not [line for line in said for word in words if word in str(line)]
