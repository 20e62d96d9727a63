"""The check that a request with a session's cookie comes from the console's own page.

``SameSite=Strict`` lets through pages of the same site's other hosts, so that ``Origin`` and ``Sec-Fetch-Site`` are
looked at too, and what may change something needs a header that only a script of this origin can set.
"""

from starlette.requests import Request

from deployments.http.middleware.origins import READING, is_cross_origin, origin_of
from pipelines.errors import CrossSite

OWN_PAGE = "x-meetmemo-console"
"""The header of the console's requests; pages of other origins may not set it."""


def check_own_page(request: Request, public_url: str) -> None:
    """Raise `CrossSite` unless the console at ``public_url`` itself sent a request that a cookie authenticates."""
    method, headers = request.method, request.headers
    if is_cross_origin(method, headers, frozenset({origin_of(public_url)})):
        raise CrossSite("A page of another origin sent this; a session is good for the console alone.")
    if method in READING:
        return
    if OWN_PAGE not in headers or not (headers.get("origin") or headers.get("sec-fetch-site")):
        raise CrossSite(f"A session changes something only for the console, which sends {OWN_PAGE} and its origin.")
