"""E-mail of the minutes to a real SMTP server."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from deployments.notifications.delivery_loop import DeliveryOutcome, DeliveryResult
from deployments.notifications.email import EmailSender, MailOptions
from deployments.notifications.messages import JobNotifications
from pipelines.codec import encode
from pipelines.core import BlobRef
from pipelines.errors import Reason
from pipelines.export.render import render
from pipelines.jobs.job import Job, JobOptions, JobState, MinutesRecord
from pipelines.ledger.outbox import Message
from pipelines.storage.layout import JobKeys
from tests.fakes.store import MemoryStore
from tests.servers.certificates import write_certificate
from tests.servers.smtp import PASSWORD, USER, Mailbox, smtp_server
from tests.support.export_samples import call, silent

TO = "ann@example.org"
TRANSCRIPT, MINUTES, _ = call()
NAMES = ("transcript.txt", "minutes.json", "minutes.docx", "minutes.pdf")


@dataclass
class Office:
    """A mailbox, the store with a job's documents, and what is sent from it."""

    options: MailOptions
    mailbox: Mailbox = field(default_factory=Mailbox)
    store: MemoryStore = field(default_factory=MemoryStore)

    def keep(self, *, minutes=MINUTES, transcript=TRANSCRIPT) -> None:
        keys = JobKeys(tenant="t", job_id="j")
        self.store.put(keys.transcript, encode(transcript))
        for name in NAMES:
            if minutes is not None or not name.startswith("minutes"):
                self.store.put(keys.result(name), render(name, transcript, minutes, "Weekly"))

    def message(
        self, *, to=TO, state=JobState.SUCCEEDED, names=NAMES, detail="", notes=(), filename="Weekly.wav"
    ) -> Message:
        job = Job(
            id="j",
            tenant="t",
            options=JobOptions(model="m", recipients=(to,)),
            source=BlobRef(key="s", n_bytes=1),
            filename=filename,
            created_at_s=1.0,
            state=JobState.SUMMARIZING,
        )
        reason = Reason.TIMED_OUT if state is JobState.FAILED else None
        after = replace(job, state=state, results=names, detail=detail, reason=reason, notes=notes)
        (message,) = JobNotifications(public_url="https://meetmemo.example").of(job, after, at_s=1_800_000_000.0)
        return message

    async def send(self, message: Message, password: str = PASSWORD) -> DeliveryResult:
        return await EmailSender(self.options, self.store, lambda: password).send(message)


@pytest.fixture
def office(tmp_path, monkeypatch) -> Iterator[Office]:
    cert, key = write_certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    mailbox = Mailbox()
    server = smtp_server(mailbox, (cert, key))
    server.start()
    options = MailOptions(
        host="localhost",
        port=server.port,
        sender="MeetMemo <minutes@meetmemo.example>",
        username=USER,
    )
    try:
        yield Office(options=options, mailbox=mailbox)
    finally:
        server.stop()


async def test_minutes_arrive(office):
    """The recipient gets the summary, decisions and tasks, and the documents as they are, over TLS."""
    office.keep()
    assert await office.send(office.message()) == DeliveryResult(
        outcome=DeliveryOutcome.DELIVERED, status=250, detail="accepted"
    )
    ((to, letter),) = office.mailbox.letters
    assert office.mailbox.was_secret == [True]
    assert to == [TO] == [letter["To"]]
    assert letter["From"] == office.options.sender
    assert letter["Subject"] == "Minutes: Weekly"
    assert letter["Message-ID"] == f"<{office.message().id}@meetmemo.example>"
    text = letter.get_body().get_content().replace("\r\n", "\n")
    assert MINUTES.summary in text
    assert MINUTES.action_items[0].task in text
    assert "https://meetmemo.example/v1/jobs/j/results/minutes.pdf" in text
    attached = {part.get_filename(): part.get_content() for part in letter.iter_attachments()}
    keys = JobKeys(tenant="t", job_id="j")
    assert attached == {
        f"Weekly.{name}": office.store.get(keys.result(name)) for name in ("minutes.docx", "minutes.pdf")
    }


async def test_attachments_have_names_of_files(office, tmp_path):
    """Documents of a recording whose name is as long as names may be can be saved under the names they come with."""
    office.keep()
    await office.send(office.message(filename=f"{'会' * 83}.wav"))
    ((_, letter),) = office.mailbox.letters
    names = [part.get_filename() for part in letter.iter_attachments()]
    assert [name.strip("会") for name in names] == [".minutes.docx", ".minutes.pdf"]
    for name in names:
        (tmp_path / name).touch()


async def test_chinese(office):
    """Minutes in Chinese come with a Chinese subject and text."""
    office.keep(minutes=replace(MINUTES, language="zh", summary="预算已批准。"))
    await office.send(office.message())
    ((_, chinese),) = office.mailbox.letters
    assert chinese["Subject"] == "会议纪要：Weekly"
    assert "预算已批准。" in chinese.get_body().get_content()
    assert "本邮件由机器根据录音自动生成" in chinese.get_body().get_content()


async def test_without_minutes_and_after_a_failure(office):
    """A recording without minutes, and one that failed, are told in words, nothing attached, in its language."""
    office.keep(minutes=None, transcript=replace(TRANSCRIPT, language="zh"))
    await office.send(office.message(names=("transcript.txt",), detail="There are no minutes: too short"))
    await office.send(office.message(state=JobState.FAILED, names=(), detail="a step took too long"))
    (_, none), (_, failed) = office.mailbox.letters
    assert none["Subject"] == "转写文本：Weekly"
    assert "没有会议纪要" in none.get_body().get_content()
    assert failed["Subject"] == "转写失败：Weekly"
    assert "a step took too long" in failed.get_body().get_content()
    assert not list(none.iter_attachments()) + list(failed.iter_attachments())


async def test_what_is_in_doubt_is_marked(office):
    """Decisions and tasks that nothing in the transcript proves say so in the letter; the others do not."""
    doubtful = tuple(replace(item, verified=False) for item in MINUTES.action_items)
    office.keep(minutes=replace(MINUTES, action_items=doubtful))
    await office.send(office.message())
    ((_, letter),) = office.mailbox.letters
    lines = letter.get_body().get_content().replace("\r\n", "\n").splitlines()
    marked = [line for line in lines if line.endswith("[not verified against the transcript]")]
    expected = [entry.text for entry in MINUTES.decisions if not entry.verified] + [item.task for item in doubtful]
    assert len(marked) == len(expected) > 0
    assert all(text in line for text, line in zip(expected, marked, strict=True))


async def test_silence_is_told(office):
    """Of a recording without speech the letter says that, and where its documents are; nothing else, nobody's work."""
    transcript, minutes, _ = silent()
    office.keep(minutes=minutes, transcript=transcript)
    message = office.message(notes=transcript.notes)
    await office.send(message)
    assert json.loads(message.body)["data"]["notes"] == [
        {"code": "no_speech", "text": "No speech was recognised in this recording.", "values": {}}
    ]
    ((_, letter),) = office.mailbox.letters
    assert letter["Subject"] == "No speech: Weekly"
    paragraphs = letter.get_body().get_content().replace("\r\n", "\n").split("\n\n")
    assert paragraphs[:2] == ["Weekly", "No speech was recognised in this recording."]
    assert paragraphs[2].startswith("All documents:")
    assert len(paragraphs) == 3
    assert not list(letter.iter_attachments())


async def test_attachments_are_bounded(office):
    """What would be too large stays behind its link."""
    office.keep()
    office.options = replace(office.options, max_attached_bytes=1000)
    await office.send(office.message())
    ((_, letter),) = office.mailbox.letters
    assert not list(letter.iter_attachments())
    assert "results/minutes.docx" in letter.get_body().get_content()


@pytest.mark.parametrize(
    ("answers", "outcome", "status"),
    [
        ({"rcpt_answers": ["550 no such user"]}, DeliveryOutcome.REFUSED, 550),
        ({"rcpt_answers": ["450 greylisted"]}, DeliveryOutcome.AGAIN, 450),
        ({"data_answers": ["552 too large"]}, DeliveryOutcome.REFUSED, 552),
        ({"data_answers": ["451 try later"]}, DeliveryOutcome.AGAIN, 451),
    ],
)
async def test_refusals(office, answers, outcome, status):
    """What the server says for good ends a delivery, what may pass is tried again."""
    office.keep()
    for name, given in answers.items():
        setattr(office.mailbox, name, given)
    receipt = await office.send(office.message())
    assert (receipt.outcome, receipt.status) == (outcome, status)
    assert (await office.send(office.message())).outcome is DeliveryOutcome.DELIVERED


async def test_a_wrong_password_and_a_dead_server_may_pass(office):
    """An operator can mend both, so the message is kept."""
    office.keep()
    receipt = await office.send(office.message(), password="wrong")
    assert (receipt.outcome, receipt.status) == (DeliveryOutcome.AGAIN, 535)
    office.options = replace(office.options, port=1)
    assert (await office.send(office.message())).outcome is DeliveryOutcome.AGAIN
    office.store.outage = "away"
    assert (await office.send(office.message())).outcome is DeliveryOutcome.AGAIN


async def test_nothing_goes_out_in_the_clear():
    """A server without STARTTLS gets no mail unless the operator chose that."""
    mailbox = Mailbox()
    server = smtp_server(mailbox, None)
    await asyncio.to_thread(server.start)
    options = MailOptions(host="127.0.0.1", port=server.port, sender="a@b.example")
    office = Office(options=options, mailbox=mailbox)
    office.keep()
    try:
        assert (await office.send(office.message())).outcome is DeliveryOutcome.AGAIN
        assert mailbox.letters == []
        office.options = replace(options, security="none")
        assert (await office.send(office.message())).outcome is DeliveryOutcome.DELIVERED
    finally:
        await asyncio.to_thread(server.stop)


def test_when_mail_is_sent():
    """Recipients hear once: at the end, or when parked minutes have come; nothing of a cancelled job."""
    job = Job(
        id="j",
        tenant="t",
        options=JobOptions(model="m", recipients=(TO, "bob@example.org")),
        source=BlobRef(key="s", n_bytes=1),
        filename="f.wav",
        created_at_s=1.0,
        state=JobState.SUMMARIZING,
    )
    notifications = JobNotifications()
    ended = replace(job, state=JobState.SUCCEEDED, results=NAMES)
    assert [message.target for message in notifications.of(job, ended, at_s=2.0)] == [TO, "bob@example.org"]
    parked = replace(ended, results=("transcript.txt",), minutes=MinutesRecord(state="parked"))
    assert notifications.of(job, parked, at_s=2.0) == ()
    followed = replace(parked, results=NAMES, minutes=MinutesRecord(state="written"))
    assert {message.event for message in notifications.of(parked, followed, at_s=2.0)} == {"job.minutes_followed"}
    assert notifications.of(job, replace(job, state=JobState.CANCELLED), at_s=2.0) == ()
    assert notifications.of(ended, ended, at_s=2.0) == ()
    assert json.loads(notifications.of(job, ended, at_s=2.0)[0].body)["type"] == "job.succeeded"
