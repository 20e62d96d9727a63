"""The HTTP API in a process of its own, over a ledger and a store that others share: for tests on several hosts.

Run as ``python -m tests.integration.endpoint_process LEDGER_URL STORE_URL SPOOL_FOLDER ADDRESS PORT``.
"""

import sys
from pathlib import Path

import uvicorn

from deployments.http.app import build_api
from deployments.http.config import ApiServices
from deployments.limits import IngestionLimits
from pipelines.ledger.open import open_ledger
from pipelines.storage.open import open_store
from tests.support.api_harness import SteeredCoordinator, api_config
from tests.support.in_process_cluster import MODEL


def main(ledger_url: str, store_url: str, spool_dir: str, address: str, port: str) -> None:
    """Serve until killed; jobs wait in the ledger for a Coordinator elsewhere."""
    ledger = open_ledger(ledger_url)
    services = ApiServices(ledger=ledger, store=open_store(store_url), coordinator=SteeredCoordinator(ledger))
    limits = IngestionLimits(spool_dir=Path(spool_dir), min_free_bytes=0)
    uvicorn.run(build_api(services, api_config(limits, models=(MODEL,))), host=address, port=int(port), ws="none")


if __name__ == "__main__":
    main(*sys.argv[1:])
