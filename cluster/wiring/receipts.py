"""The key that signs receipts of deletions."""

from collections.abc import Mapping

from cluster.settings.secrets import RECEIPT_KEY, read_secret
from pipelines.errors import ConfigurationError
from pipelines.keeping.signing import ReceiptKey


def receipt_key(env: Mapping[str, str]) -> ReceiptKey | None:
    """Return what signs receipts, None where no key is set; raises `ConfigurationError` for one that is none."""
    key = read_secret(RECEIPT_KEY, env)
    try:
        return ReceiptKey(key) if key else None
    except ConfigurationError as error:
        raise ConfigurationError(f"{RECEIPT_KEY}: {error} `meetmemo receipts new-key` makes one.") from None
