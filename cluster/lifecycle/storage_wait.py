"""Wait for the ledger and the blob store before a cluster starts."""

import itertools
import time
from collections.abc import Callable
from contextlib import closing

from cluster.settings.settings import Settings
from pipelines.backoff import Backoff
from pipelines.errors import LedgerUnavailable, StoreUnavailable
from pipelines.ledger.open import connect_ledger
from pipelines.storage.open import open_store
from pipelines.storage.protocol import BlobStore

STORAGE_RETRIES = Backoff(first_s=1.0, longest_s=5.0)


def wait_for_storage(
    settings: Settings, say: Callable[[str], None], sleep: Callable[[float], None] = time.sleep
) -> None:
    """Bring the ledger up to date and check the store, again and again until both answer; ``say`` what is missing.

    ``sleep`` takes seconds. Raises `ConfigurationError` for what waiting does not mend.
    """
    said = ""
    for n_failures in itertools.count(1):
        try:
            with closing(connect_ledger(settings.ledger_url)) as ledger:
                ledger.migrate()
                ledger.check()
                store = open_store(settings.store_url)
                store.check()
                _claim(store, ledger.identity(), say)
        except (LedgerUnavailable, StoreUnavailable) as error:
            if str(error) != said:
                said = str(error)
                say(f"Waiting for storage: {said}")
            sleep(STORAGE_RETRIES.delay_s(n_failures))
        else:
            return


def _claim(store: BlobStore, identity: str, say: Callable[[str], None]) -> None:
    """Make the store the ledger's; say what limits that."""
    if not store.conditional_writes():
        say("The blob store ignores conditional writes: do not start two clusters at once that share it.")
    if store.claim(identity) != identity:
        say(
            "The blob store belongs to another ledger. What jobs leave that this ledger does not know stays there; "
            f"if that other ledger is gone for good, remove {store.owner_mark()} and start again."
        )
