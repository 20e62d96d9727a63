"""Fixtures of the API's tests."""

import contextlib
from dataclasses import fields

import httpx
import pytest

from deployments.http.app import build_api
from deployments.http.config import ApiConfig, ApiServices
from deployments.http.dependencies import BACKEND
from deployments.intake.job_policy import JobPolicy
from deployments.limits import IngestionLimits, TenantLimits
from deployments.sources.limits import SourceLimits
from pipelines.ledger.open import open_ledger
from pipelines.ledger.sql_batches import SqlBatches
from pipelines.storage.open import open_store
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.api_harness import Api, SteeredCoordinator, api_config, fields_of
from tests.support.asgi_server import serve_asgi
from tests.support.shared_analysis import share_analysis

# `max_concurrent_uploads` is a limit of both kinds; here it is the replica's.
TENANT_LIMITS = {field.name for field in fields(TenantLimits)} - {"max_concurrent_uploads"}


@pytest.fixture(scope="session", autouse=True)
def _shared_analysis():
    with pytest.MonkeyPatch.context() as patch:
        share_analysis(patch)
        yield


@pytest.fixture
async def make_api(tmp_path):
    """Build applications; keywords of ``make`` are fields of services, settings and limits."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(*, tenants=None, ledger=None, store=None, batches=None, sources=None, shutdown=None, **given):
            ledger = MemoryLedger() if ledger is None else ledger
            store = MemoryStore() if store is None else store
            coordinator = SteeredCoordinator(ledger)
            services = ApiServices(
                ledger=ledger,
                store=store,
                coordinator=coordinator,
                batches=batches or SqlBatches(f"sqlite:///{tmp_path}/batches.db"),
                **fields_of(ApiServices, given),
            )
            switches = fields_of(ApiConfig, given) | fields_of(JobPolicy, given)
            own = {name: given.pop(name) for name in list(given) if name in TENANT_LIMITS}
            limits = IngestionLimits(
                spool_dir=given.pop("spool_dir", tmp_path / "spool"),
                min_free_bytes=0,
                sources=sources or SourceLimits(),
                tenant=TenantLimits(**own),
                tenants=tenants or {},
                **given,
            )
            app = build_api(services, api_config(limits, **switches), shutdown)
            stack.callback(BACKEND.of(app).policy.templates.close)
            client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://meetmemo.test")
            await stack.enter_async_context(client)
            return Api(
                app=app,
                client=client,
                ledger=ledger,
                store=store,
                coordinator=coordinator,
                spool_dir=limits.spool_dir,
            )

        yield make


@pytest.fixture
async def api(make_api):
    """An application over fakes, with default limits."""
    return await make_api()


@pytest.fixture(params=["memory", "disk"])
async def any_api(request, make_api, tmp_path):
    """The same over fakes and over SQLite and a folder."""
    if request.param == "memory":
        yield await make_api()
        return
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    yield await make_api(ledger=ledger, store=open_store(f"file://{tmp_path}/blobs"))
    ledger.close()


@pytest.fixture
def real_server():
    """Serve an ASGI application on a free port of 127.0.0.1 for the length of an ``async with``."""
    return serve_asgi
