"""E-mail: the minutes of a recording to the recipients its job names, documents attached."""

import asyncio
import json
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import PurePath
from typing import Any, Literal

from deployments.notifications.delivery_loop import DeliveryOutcome, DeliveryResult
from deployments.notifications.email_text import EmailContent, compose
from deployments.sources.pinned_http import trusted_certificates
from pipelines.codec import decode
from pipelines.core import Transcript
from pipelines.errors import BlobMissing, StorageError
from pipelines.ledger.outbox import Message
from pipelines.notes import Note, NoteCode
from pipelines.storage.layout import JobKeys
from pipelines.storage.protocol import BlobStore
from pipelines.text.file_names import DOWNLOAD_NAME_BYTES, bounded_name

Security = Literal["starttls", "tls", "none"]
DOCUMENT_TYPES = {
    ".docx": ("application", "vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ".pdf": ("application", "pdf"),
    ".json": ("application", "json"),
}
_PERMANENT = 500


@dataclass(frozen=True, kw_only=True)
class MailOptions:
    """The server that takes the mail, and what is attached, at most ``max_attached_bytes`` of it."""

    host: str
    port: int
    sender: str
    security: Security = "starttls"
    username: str = ""
    attach: tuple[str, ...] = ("minutes.docx", "minutes.pdf")
    max_attached_bytes: int = 15 << 20
    timeout_s: float = 30.0


@dataclass(frozen=True)
class EmailSender:
    """Sends one e-mail per recipient. ``password`` gives the account's, as it is now."""

    options: MailOptions
    store: BlobStore
    password: Callable[[], str]

    async def send(self, message: Message) -> DeliveryResult:
        """Write and send once. A fault of the connection or the account may pass; a refused recipient stays refused."""
        try:
            letter = await asyncio.to_thread(self._write, message)
            await asyncio.to_thread(self._send, letter, message.target)
        except StorageError as error:
            return DeliveryResult(outcome=DeliveryOutcome.AGAIN, detail=str(error))
        except smtplib.SMTPRecipientsRefused as error:
            status, text = error.recipients[message.target]
            outcome = DeliveryOutcome.REFUSED if status >= _PERMANENT else DeliveryOutcome.AGAIN
            return DeliveryResult(outcome=outcome, status=status, detail=_text(text))
        except smtplib.SMTPDataError as error:
            outcome = DeliveryOutcome.REFUSED if error.smtp_code >= _PERMANENT else DeliveryOutcome.AGAIN
            return DeliveryResult(outcome=outcome, status=error.smtp_code, detail=_text(error.smtp_error))
        except smtplib.SMTPResponseException as error:
            return DeliveryResult(outcome=DeliveryOutcome.AGAIN, status=error.smtp_code, detail=_text(error.smtp_error))
        except (OSError, smtplib.SMTPException) as error:
            return DeliveryResult(outcome=DeliveryOutcome.AGAIN, detail=str(error) or type(error).__name__)
        return DeliveryResult(outcome=DeliveryOutcome.DELIVERED, status=250, detail="accepted")

    def _write(self, message: Message) -> EmailMessage:
        body = json.loads(message.body)
        job = body["data"]
        keys = JobKeys(tenant=message.tenant, job_id=message.job_id)
        minutes = self._minutes(keys)
        title = PurePath(job["filename"]).stem
        documents = self._documents(keys) if minutes and minutes["writer"] != "none" else []
        subject, text = compose(
            EmailContent(
                title=title,
                failed=job["state"] != "succeeded",
                detail=job["detail"],
                minutes=minutes,
                attached=tuple(name for name, _ in documents),
                links=job["results"],
                notes=tuple(Note(code=NoteCode(note["code"]), values=note["values"]) for note in job.get("notes", ())),
            ),
            self._language(keys, minutes),
        )
        letter = EmailMessage(policy=SMTP)
        letter["From"] = self.options.sender
        letter["To"] = message.target
        letter["Subject"] = subject
        letter["Date"] = format_datetime(datetime.fromisoformat(body["timestamp"]))
        # Stable over repetitions: mail programs show a message with a known id once.
        letter["Message-ID"] = f"<{message.id}@{parseaddr(self.options.sender)[1].rpartition('@')[2]}>"
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(text)
        for name, data in documents:
            main, sub = DOCUMENT_TYPES.get(PurePath(name).suffix, ("text", "plain"))
            letter.add_attachment(data, maintype=main, subtype=sub, filename=_attached(title, name))
        return letter

    def _minutes(self, keys: JobKeys) -> dict[str, Any] | None:
        try:
            minutes: dict[str, Any] = json.loads(self.store.get(keys.result("minutes.json")))
        except BlobMissing:
            return None
        return minutes

    def _language(self, keys: JobKeys, minutes: dict[str, Any] | None) -> str:
        """Return that of the minutes, else of the recording."""
        if minutes:
            return str(minutes["language"])
        try:
            return decode(Transcript, self.store.get(keys.transcript)).language
        except BlobMissing:
            return "en"

    def _documents(self, keys: JobKeys) -> list[tuple[str, bytes]]:
        """Return what is to be attached and exists, as long as it fits."""
        documents: list[tuple[str, bytes]] = []
        room = self.options.max_attached_bytes
        for name in self.options.attach:
            try:
                data = self.store.get(keys.result(name))
            except BlobMissing:
                continue
            if len(data) <= room:
                documents.append((name, data))
                room -= len(data)
        return documents

    def _send(self, letter: EmailMessage, recipient: str) -> None:
        options = self.options
        context = trusted_certificates()
        with self._connect(context) as server:
            if options.security == "starttls":
                server.starttls(context=context)  # raises where the server has none: nothing goes out in the clear
            if options.username:
                server.login(options.username, self.password())
            server.send_message(letter, from_addr=parseaddr(options.sender)[1], to_addrs=[recipient])

    def _connect(self, context: ssl.SSLContext) -> smtplib.SMTP:
        options = self.options
        if options.security == "tls":
            return smtplib.SMTP_SSL(options.host, options.port, timeout=options.timeout_s, context=context)
        return smtplib.SMTP(options.host, options.port, timeout=options.timeout_s)


def _attached(title: str, name: str) -> str:
    """Return the name of an attachment: short enough to be saved under."""
    return bounded_name(title, f".{name}", max_bytes=DOWNLOAD_NAME_BYTES)


def _text(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said
