"""Statuses of the vendors whose dialects are spoken under a prefix of their own."""

from http import HTTPStatus

from pipelines.errors import Reason

_WRONG = (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, HTTPStatus.CONFLICT)


def vendor_status(reason: Reason, status: int) -> int:
    """Return their status for an error: 400 for whatever would be wrong again, where MeetMemo has 409, 415 or 422.

    Their clients send again what gets 409; only a request that is still being answered is to be.
    """
    return HTTPStatus.BAD_REQUEST if status in _WRONG and reason is not Reason.REQUEST_IN_FLIGHT else status
