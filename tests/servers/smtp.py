"""An SMTP server that keeps what it is sent, with STARTTLS and an account, and answers as it is told."""

import ssl
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.servers import free_port

USER, PASSWORD = "meetmemo", "correct horse"


@dataclass
class Mailbox:
    """aiosmtpd's handler: ``rcpt_answers`` and ``data_answers`` are given in turn before all is well."""

    letters: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    rcpt_answers: list[str] = field(default_factory=list)
    data_answers: list[str] = field(default_factory=list)
    was_secret: list[bool] = field(default_factory=list)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if self.rcpt_answers:
            return self.rcpt_answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.data_answers:
            return self.data_answers.pop(0)
        letter = message_from_bytes(envelope.content, _class=EmailMessage, policy=default)
        self.letters.append((envelope.rcpt_tos, letter))
        self.was_secret.append(session.ssl is not None)
        return "250 kept"


def smtp_server(mailbox: Mailbox, certificate: tuple[Path, Path] | None) -> Controller:
    """A server on a free port of 127.0.0.1, to be started and stopped.

    With a certificate it wants STARTTLS and a login before it takes mail, without one it offers neither.
    """
    options: dict[str, Any] = {}
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        options = {
            "tls_context": context,
            "require_starttls": True,
            "authenticator": _check_login,
            "auth_required": True,
        }
    return Controller(mailbox, hostname="127.0.0.1", port=free_port(), **options)


def _check_login(server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
    good = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=good, handled=False)  # the server then says 535 itself
