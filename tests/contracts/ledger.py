"""What every ledger must do."""

from tests.contracts.keeping import AuditContract, LegalHoldsContract, ReceiptsContract
from tests.contracts.ledger_base import after, make_job
from tests.contracts.ledger_coordination import CoordinationContract
from tests.contracts.ledger_corrections import CorrectionsContract
from tests.contracts.ledger_external_ids import ExternalIdsContract
from tests.contracts.ledger_holds import HoldsContract
from tests.contracts.ledger_jobs import JobsContract
from tests.contracts.ledger_joined import JoinedRequestsContract
from tests.contracts.ledger_outbox import OutboxContract
from tests.contracts.ledger_shards import ShardsContract
from tests.contracts.minutes_calls import MinutesCallsContract
from tests.contracts.review import ReviewContract
from tests.contracts.search import SearchContract

__all__ = ["LedgerContract", "after", "make_job"]


class LedgerContract(
    JobsContract,
    ExternalIdsContract,
    JoinedRequestsContract,
    HoldsContract,
    CoordinationContract,
    ShardsContract,
    OutboxContract,
    CorrectionsContract,
    SearchContract,
    ReviewContract,
    AuditContract,
    LegalHoldsContract,
    ReceiptsContract,
    MinutesCallsContract,
):
    """The whole contract; subclasses give the fixtures that `LedgerBase` names."""
