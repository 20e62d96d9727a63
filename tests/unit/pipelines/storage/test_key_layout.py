"""The layout of the blob store: every key belongs to one tenant or begins with a reserved name, and none are shared."""

import dataclasses
import inspect
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import OptionError
from pipelines.ids import new_id
from pipelines.ledger.credentials.api_keys import checked_tenant
from pipelines.storage import layout
from pipelines.storage.key_rules import validated_key, validated_prefix
from pipelines.storage.layout import (
    JOB_MARKS,
    RESERVED_START,
    RESERVED_TENANTS,
    JobKeys,
    Marks,
    PieceKeys,
    TenantKeys,
    is_tenant,
)

SOURCES = Path(__file__).parents[4]
SAMPLES: dict[Any, Any] = {int: 7, str: "abc", date: date(2026, 1, 2)}
EARLIER = {"audio-kept", "uploads-open", "minutes-parked", "minutes-resume"}

TENANTS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True) | st.sampled_from(
    [*EARLIER, "minutes-cache", "audio", "a", "uploads", "default"]
)
JOBS = st.text("0123456789abcdef", min_size=32, max_size=32)


def made_by(maker: object) -> dict[str, str]:
    """Every key and prefix that an object of the layout makes, by the name of what makes it."""
    made: dict[str, str] = {}
    for name, member in inspect.getmembers(type(maker)):
        if name.startswith("_") or inspect.ismethod(member):  # one that reads a key
            continue
        if isinstance(member, property):
            found = getattr(maker, name)
        elif inspect.isfunction(member):
            parameters = list(inspect.signature(member).parameters.values())[1:]
            found = getattr(maker, name)(*(SAMPLES[parameter.annotation] for parameter in parameters))
        else:
            continue
        if isinstance(found, str):
            made[name] = found
        elif isinstance(found, tuple):
            made |= {f"{name}[{index}]": key for index, key in enumerate(found)}
    return made


def everything(tenant: str, job_id: str) -> dict[str, str]:
    """Every key and prefix of a tenant's job, of the tenant, and of what is beside the tenants."""
    made = made_by(JobKeys(tenant=tenant, job_id=job_id)) | {
        f"tenant.{name}": key for name, key in made_by(TenantKeys(tenant=tenant)).items()
    }
    made |= {f"upload.{name}": key for name, key in made_by(PieceKeys(tenant=tenant, upload_id=job_id)).items()}
    for name, value in vars(layout).items():
        if isinstance(value, Marks):
            made[name] = value.key(tenant, job_id)
        elif name.isupper() and isinstance(value, str) and value != RESERVED_START:
            made[name] = value
    return made


def test_everything_is_walked():
    """The walk finds what the layout has: a key that is added is in it without anybody's doing."""
    made = everything("acme", "0" * 32)
    assert {"source", "playback", "chunk", "audio_mark", "upload_mark", "parked_mark", "marks[2]"} <= set(made)
    assert {"tenant.paid_minutes_of", "tenant.spending_of", "RESUME_MINUTES", "AUDIO_MARKS"} <= set(made)
    classes = {value for value in vars(layout).values() if dataclasses.is_dataclass(value) and isinstance(value, type)}
    assert classes == {JobKeys, PieceKeys, TenantKeys, Marks}
    assert {value for value in vars(layout).values() if isinstance(value, Marks)} == set(JOB_MARKS)


def test_every_key_is_a_tenants_or_reserved():
    """The first part of a key is the tenant's name, or one that no tenant can have; and all are keys."""
    for name, key in everything("acme", "0" * 32).items():
        first = key.partition("/")[0]
        assert first == "acme" or first in RESERVED_TENANTS, name
        (validated_prefix if key.endswith(("/", "-")) else validated_key)(key)


@pytest.mark.parametrize("name", sorted(RESERVED_TENANTS))
def test_reserved_names_are_no_tenants(name):
    """Every name beside the tenants is refused, and says which those are."""
    with pytest.raises(OptionError, match="audio-kept or minutes-parked or minutes-resume or uploads-open"):
        checked_tenant(name)


def test_what_is_added_later_takes_no_tenants_name():
    """A new prefix beside the tenants begins as no tenant's name can: one of that name may be there already."""
    assert not is_tenant(f"{RESERVED_START}new")
    assert all(name in EARLIER or name.startswith(RESERVED_START) for name in RESERVED_TENANTS)


def test_no_folder_of_a_tenant_is_a_job():
    """What a tenant has beside its jobs is called as no job can be."""
    ids = re.compile("[0-9a-f]{32}")
    assert ids.fullmatch(new_id())
    for key in made_by(TenantKeys(tenant="acme")).values():
        assert not ids.fullmatch(key.split("/")[1])


def test_keys_are_made_in_one_place():
    """No other module puts a tenant's name at the head of a key."""
    pattern = re.compile(r'f"[^"]*\{[^}]*tenant\}/')
    found = [
        f"{path.relative_to(SOURCES)}: {line.strip()}"
        for package in ("pipelines", "deployments", "cluster")
        for path in (SOURCES / package).rglob("*.py")
        for line in path.read_text().splitlines()
        if pattern.search(line) and path.name != "layout.py"
    ]
    assert found == []


@given(tenant=TENANTS, job_id=JOBS, other=TENANTS, other_id=JOBS)
def test_jobs_share_no_keys(tenant, job_id, other, other_id):
    """Of two jobs no key is the other's, or lies below one of the other's; a tenant's prefix is no mark's."""
    if not (is_tenant(tenant) and is_tenant(other)):
        return
    if (tenant, job_id) == (other, other_id):
        return
    ours, theirs = (
        set(made_by(keys).values())
        for keys in (JobKeys(tenant=tenant, job_id=job_id), JobKeys(tenant=other, job_id=other_id))
    )
    for key in ours:
        assert key not in theirs
        assert not any(_nests(key, their) or _nests(their, key) for their in theirs), key
    assert not any(marks.prefix.startswith(f"{tenant}/") or f"{tenant}/" == marks.prefix for marks in JOB_MARKS)


def _nests(inner: str, outer: str) -> bool:
    return inner.startswith(f"{outer.rstrip('/')}/")


@given(tenant=TENANTS, job_id=JOBS)
def test_marks_are_read_back(tenant, job_id):
    """A mark names its tenant and job, and nothing below the prefix that is made otherwise names any."""
    for marks in JOB_MARKS:
        key = marks.key(tenant, job_id)
        keys = JobKeys(tenant=tenant, job_id=job_id)
        assert marks.job_of(key) == (keys if is_tenant(tenant) else None)
        for strange in (f"{key}/source", marks.prefix + job_id, f"{marks.prefix}{tenant}/", f"x{key}", f"{key}.x/y"):
            assert marks.job_of(strange) is None


@given(tenant=TENANTS, upload_id=JOBS)
def test_pieces_are_read_back(tenant, upload_id):
    """A key of an upload names its tenant and upload, and nothing else below the prefix names any."""
    keys = PieceKeys(tenant=tenant, upload_id=upload_id)
    for key in made_by(keys).values():
        assert PieceKeys.of_key(key) == (keys if is_tenant(tenant) else None)
    for strange in (f"_uploads/{tenant}", f"_uploads/{tenant}/x", "_uploads//x/y", "_uploads/_x/y/z"):
        assert PieceKeys.of_key(strange) is None
