"""Webhooks from the end of a job to a real server that receives them, verified by the reference library."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.testing import capture_logs

from deployments.notifications.delivery_loop import DeliveryOptions, DeliveryWorker
from deployments.notifications.messages import JobNotifications
from deployments.notifications.signing import new_secret, parse_secrets
from deployments.notifications.webhooks import WebhookLimits, WebhookSender, target_complaint
from pipelines.core import BlobRef
from pipelines.errors import ConfigurationError, LedgerUnavailable, Reason, StoreUnavailable
from pipelines.jobs.dialect import OWN_DIALECT, Dialect
from pipelines.jobs.job import Job, JobOptions, JobState
from pipelines.ledger.outbox import DELAYS_S, MAX_RETRY_AFTER_S, DeliveryState, Message, next_delay_s
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.asgi_server import serve_asgi
from tests.support.in_process_cluster import InProcessCluster
from tests.support.waiting import until

SECRET, OTHER = new_secret(), new_secret()
OPEN = WebhookLimits(allow_private=True, timeout_s=10.0)


@dataclass
class Receiver:
    """A receiving application: ``answers`` are given in turn, the last one again and again; None once it is let go."""

    answers: list[Response | None] = field(default_factory=lambda: [Response(status_code=204)])
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, request: Request) -> Response:
        self.received.append((dict(request.headers), await request.body()))
        answer = self.answers[min(len(self.received), len(self.answers)) - 1]
        if answer is None:
            await self.let_go.wait()
        return answer or Response(status_code=204)

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.received]


class Clock:
    """Goes on by hand only, in Unix seconds near now: the reference library refuses old timestamps."""

    def __init__(self) -> None:
        self.now_s = time.time()

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Post:
    """A ledger with a cluster around it, the receiver, and couriers between them."""

    url: str
    receiver: Receiver
    ledger: MemoryLedger
    clock: Clock
    secrets: list[str] = field(default_factory=lambda: [SECRET])
    bodies: dict[str, Callable[[Message], bytes]] = field(default_factory=dict)

    def delivery_worker(self, limits: WebhookLimits = OPEN) -> DeliveryWorker:
        sender = WebhookSender(
            lambda tenant: parse_secrets(" ".join(self.secrets)), limits, clock=self.clock, bodies=self.bodies
        )
        options = DeliveryOptions(hold_s=60.0, poll_s=0.01)
        return DeliveryWorker(
            self.ledger.outbox, {"webhook": sender}, options=options, clock=self.clock, jitter=lambda: 0.5
        )

    @contextlib.asynccontextmanager
    async def delivering(self, limits: WebhookLimits = OPEN) -> AsyncIterator[None]:
        task = asyncio.create_task(self.delivery_worker(limits).run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def end(self, job_id: str = "j", url: str = "", dialect: Dialect = OWN_DIALECT) -> None:
        """A job that fails at once."""
        job = Job(
            id=job_id,
            tenant="t",
            options=JobOptions(model="m", webhook_url=url or self.url),
            source=BlobRef(key="s", n_bytes=1),
            filename="call.wav",
            created_at_s=self.clock(),
            dialect=dialect,
        )
        self.ledger.create(job)
        lease = self.ledger.acquire_lease("somebody", 10.0)
        assert lease is not None
        (claimed,) = self.ledger.claim(lease, 1)
        after = replace(claimed, state=JobState.FAILED, reason=Reason.TIMED_OUT, detail="late")
        self.ledger.apply(lease, after, claimed.version, JobNotifications().of(claimed, after, at_s=self.clock()))

    def delivery(self, job_id: str = "j"):
        (found,) = self.ledger.outbox.of_job("t", job_id)
        return found

    async def settled(self, n_attempts: int, job_id: str = "j"):
        """The delivery once so many attempts are in its log."""
        await until(lambda: len(self.delivery(job_id).attempts) == n_attempts)
        return self.delivery(job_id)


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    receiver, clock = Receiver(), Clock()
    app = Starlette(routes=[Route(path, receiver.receive, methods=["POST"]) for path in ("/hook", "/else")])
    async with serve_asgi(app) as url:
        yield Post(url=f"{url}/hook", receiver=receiver, ledger=MemoryLedger(clock=clock), clock=clock)
        receiver.let_go.set()


async def test_the_end_of_a_job_is_told(post):
    """A job that a Coordinator brings to its end is told once, signed as the reference library verifies it."""
    cluster = InProcessCluster(
        post.ledger, MemoryStore(), notifications=JobNotifications(public_url="https://meetmemo.example")
    )
    await cluster.coordinator.start()
    async with post.delivering():
        job = cluster.submit("j", range(1, 15), webhook_url=post.url)
        await cluster.ended(job)
        delivery = await post.settled(1)
    await cluster.coordinator.stop()
    assert delivery.state is DeliveryState.DELIVERED
    ((headers, body),) = post.receiver.received
    told = Webhook(SECRET).verify(body, headers)
    assert told["type"] == "job.succeeded"
    assert told["data"]["id"] == "j"
    assert told["data"]["version"] == post.ledger.get("t", "j").version
    assert told["data"]["results"]["minutes.md"] == "https://meetmemo.example/v1/jobs/j/results/minutes.md"
    assert headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"succeeded", b"cancelled"), headers)


async def test_a_job_of_another_dialect_is_told_in_its_form(post):
    """Its body is made of the message, and signed as it is sent; other jobs are told as ever."""
    post.bodies = {"vendor": lambda message: json.dumps({"vendors_id": message.job_id}).encode()}
    post.end("one", dialect=Dialect(name="vendor", asked="{}"))
    post.end("two", dialect=Dialect(name="a later version's"))
    post.end("three")
    async with post.delivering():
        for job_id in ("one", "two", "three"):
            assert (await post.settled(1, job_id)).state is DeliveryState.DELIVERED
    bodies = {headers["webhook-id"].split("_")[1]: (headers, body) for headers, body in post.receiver.received}
    headers, body = bodies["one"]
    assert Webhook(SECRET).verify(body, headers) == {"vendors_id": "one"}
    assert all(json.loads(bodies[job_id][1])["type"] == "job.failed" for job_id in ("two", "three"))


async def test_a_body_whose_transcript_cannot_be_read_now(post):
    """The store is away: the message waits for its next attempt."""

    def unreadable(message: Message) -> bytes:
        raise StoreUnavailable("the store is away")

    post.bodies = {"vendor": unreadable}
    post.end(dialect=Dialect(name="vendor"))
    async with post.delivering():
        delivery = await post.settled(1)
    assert (delivery.state, delivery.attempts[0].detail) == (DeliveryState.PENDING, "the store is away")
    assert not post.receiver.received


async def test_a_failing_receiver_is_tried_again_by_the_schedule(post):
    """5 s, then 5 min after an attempt in vain comes the next, with the same id and body, until one succeeds."""
    post.receiver.answers = [Response(status_code=500), Response(status_code=503), Response(status_code=200)]
    post.end()
    async with post.delivering():
        assert (await post.settled(1)).next_attempt_at_s == post.clock() + 5
        post.clock.now_s += 5
        assert (await post.settled(2)).next_attempt_at_s == post.clock() + 300
        post.clock.now_s += 300
        delivery = await post.settled(3)
    assert delivery.state is DeliveryState.DELIVERED
    assert [attempt.status for attempt in delivery.attempts] == [500, 503, 200]
    assert len(set(post.receiver.ids)) == 1
    assert len({body for _, body in post.receiver.received}) == 1
    Webhook(SECRET).verify(post.receiver.received[0][1], post.receiver.received[0][0])


async def test_a_receiver_that_is_down_for_good_and_a_replay(post):
    """After the last attempt the delivery has failed; replayed, it starts again with the same id."""
    post.receiver.answers = [Response(status_code=500)] * len(DELAYS_S) + [Response(status_code=204)]
    post.end()
    async with post.delivering():
        for n in range(1, len(DELAYS_S) + 1):
            delivery = await post.settled(n)
            post.clock.now_s += 2 * DELAYS_S[-1]
        assert delivery.state is DeliveryState.FAILED
        post.ledger.outbox.replay("t", "j", delivery.message.id)
        delivery = await post.settled(len(DELAYS_S) + 1)
    assert delivery.state is DeliveryState.DELIVERED
    assert len(set(post.receiver.ids)) == 1


async def test_a_slow_receiver_times_out_and_holds_up_nobody(post):
    """While one receiver keeps its caller waiting others are served; its time is up as if it had failed."""
    post.receiver.answers = [None, Response(status_code=204)]
    post.end("slow")
    async with post.delivering():
        await until(lambda: len(post.receiver.received) == 1)
        post.end("quick", post.url.replace("/hook", "/else"))
        assert (await post.settled(1, "quick")).state is DeliveryState.DELIVERED
        assert post.delivery("slow").attempts == ()
    post.clock.now_s += 61
    post.receiver.answers = [None]
    async with post.delivering(replace(OPEN, timeout_s=0.5)):
        delivery = await post.settled(1, "slow")
    assert delivery.state is DeliveryState.PENDING
    assert delivery.attempts[0].status is None
    assert delivery.attempts[0].detail == "no answer within 0.5 s"


async def test_gone(post):
    """410 disables the target: what comes later is not sent any more."""
    post.receiver.answers = [Response(status_code=410)]
    post.end("one")
    async with post.delivering():
        assert (await post.settled(1, "one")).state is DeliveryState.DISABLED
        post.end("two")
        assert post.delivery("two").state is DeliveryState.DISABLED
    assert len(post.receiver.received) == 1


async def test_redirects_are_not_followed(post):
    """A redirect is no success, and nobody is asked at its target."""
    elsewhere = post.url.replace("/hook", "/else")
    post.receiver.answers = [Response(status_code=307, headers={"location": elsewhere})]
    post.end()
    async with post.delivering():
        delivery = await post.settled(1)
    assert (delivery.state, delivery.attempts[0].status) == (DeliveryState.PENDING, 307)
    assert len(post.receiver.received) == 1


@pytest.mark.parametrize(
    ("value", "delay_s"), [("120", 120), ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER_S), ("soon", 5), ("-1", 5)]
)
async def test_retry_after(post, value, delay_s):
    """A receiver may ask for a longer pause, in both forms of the header; nonsense counts as nothing."""
    post.receiver.answers = [Response(status_code=429, headers={"retry-after": value})]
    post.end()
    async with post.delivering():
        delivery = await post.settled(1)
    assert delivery.next_attempt_at_s == pytest.approx(post.clock() + delay_s)


async def test_rotation(post):
    """While a secret is replaced both sign: receivers that know either accept the message."""
    post.secrets = [OTHER, SECRET]
    post.end()
    async with post.delivering():
        await post.settled(1)
    ((headers, body),) = post.receiver.received
    for secret in (SECRET, OTHER):
        Webhook(secret).verify(body, headers)


async def test_without_a_secret_nothing_leaves(post):
    """Where the secret is missing or damaged the message waits; one line of the server's log says why, without it."""
    post.secrets = []
    post.end()
    with capture_logs() as lines:
        async with post.delivering():
            assert (await post.settled(1)).attempts[0].detail == "there is no secret to sign with"
            post.secrets = ["whsec_c2hvcnQ="]
            post.clock.now_s += 5
            assert (await post.settled(2)).attempts[1].detail == "the secret to sign with is damaged"
    (warning,) = [line for line in lines if line["log_level"] == "warning"]
    assert "webhook secret 1 is not whsec_" in warning["error"]
    assert "c2hvcnQ" not in str(lines)
    assert not any("exc_info" in line for line in lines)
    assert post.receiver.received == []


async def test_a_courier_that_dies_in_between(post):
    """What was sent and not settled is sent again after a while, under the same id, by which receivers know it."""
    post.receiver.answers = [None, Response(status_code=204)]
    post.end()
    async with post.delivering():
        await until(lambda: len(post.receiver.received) == 1)
    async with post.delivering():
        post.clock.now_s += 61
        delivery = await post.settled(1)
    assert delivery.state is DeliveryState.DELIVERED
    assert len(post.receiver.ids) == 2
    assert len(set(post.receiver.ids)) == 1


async def test_private_targets(post, monkeypatch):
    """Neither an address nor a name may lead into the operator's network; such a delivery has failed at once."""
    closed = WebhookLimits()
    post.end("address", "https://127.0.0.1/hook")
    post.end("plain", post.url)
    post.end("name", "https://localhost/hook")
    async with post.delivering(closed):
        details = {job_id: (await post.settled(1, job_id)) for job_id in ("address", "plain", "name")}
    assert {delivery.state for delivery in details.values()} == {DeliveryState.FAILED}
    assert details["address"].attempts[0].detail == "the URL points to an address that is not public"
    assert details["plain"].attempts[0].detail == "the URL must begin with https://"
    assert details["name"].attempts[0].detail == "The host localhost has an address that is not public."
    assert post.receiver.received == []


async def test_the_outbox_waits_for_the_ledger(post, monkeypatch):
    """While the ledger is away nothing is lost: the courier goes on when it is back, within a delivery too."""
    n_refused = 0
    settle = post.ledger.outbox.settle

    def counting(*args):
        nonlocal n_refused
        try:
            settle(*args)
        except LedgerUnavailable:
            n_refused += 1
            raise

    monkeypatch.setattr(post.ledger.outbox, "settle", counting)
    post.end()
    post.receiver.answers = [None]
    async with post.delivering():
        await until(lambda: len(post.receiver.received) == 1)
        post.ledger.outage = "away"
        post.receiver.let_go.set()
        await until(lambda: n_refused)
        post.ledger.outage = ""
        assert (await post.settled(1)).state is DeliveryState.DELIVERED
    assert len(post.receiver.received) == 1


@given(
    n=st.integers(1, 12),
    jitter=st.floats(0, 1),
    retry_after_s=st.floats(0, 1e9),
)
def test_the_schedule(n, jitter, retry_after_s):
    """Delays stay within a fifth of the specification's, or are what the receiver asked for, a day at most."""
    delay_s = next_delay_s(n, jitter=jitter, retry_after_s=retry_after_s)
    if n >= len(DELAYS_S):
        assert delay_s is None
        return
    asked = min(retry_after_s, MAX_RETRY_AFTER_S)
    assert max(0.8 * DELAYS_S[n] - 1e-6, asked) <= delay_s <= max(1.2 * DELAYS_S[n] + 1e-6, asked)


@pytest.mark.parametrize(
    "text",
    ["whsec_", "whsec_!!!", "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", f"{SECRET} whsec_c2hvcnQ="],
    ids=["empty", "no base64", "no prefix", "one of two short"],
)
def test_bad_secrets(text):
    """A secret is `whsec_` and 24 to 64 bytes in base64; the error does not repeat what was written."""
    with pytest.raises(ConfigurationError) as caught:
        parse_secrets(text)
    assert not any(word.removeprefix("whsec_") in str(caught.value) for word in text.split() if len(word) > 6)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("https://hooks.example/a?token=1", ""),
        ("http://hooks.example/", "must begin with https://"),
        ("ftp://hooks.example/", "must begin with https://"),
        ("https://user@hooks.example/", "must not hold a user or password"),
        ("https://[::1]/", "points to an address that is not public"),
        ("https://169.254.169.254/", "points to an address that is not public"),
        ("https:///hook", "has no host"),
        ("https://hooks.example/a b", "holds a space, which in a URL is written %20"),
        ("https://hooks.example/a\u2028b", "holds line ends or control characters"),
        ("https://" + "a" * 2048, "has more than 2048 characters"),
    ],
)
def test_targets_by_their_text(url, complaint):
    """What can never be a target is refused when a job names it."""
    assert target_complaint(url, WebhookLimits()) == complaint


def test_bodies_stay_small():
    """The largest job's message stays below the 20 kB that receivers take."""
    options = JobOptions(
        model="m" * 200,
        speakers=("语" * 100,) * 16,
        recipients=("a" * 64 + "@" + "b" * 60 + ".example",) * 20,
        webhook_url="https://hooks.example/" + "x" * 2000,
        vocabulary=("词" * 100,) * 200,
        prompt="话" * 2000,
    )
    before = Job(
        id="j" * 64,
        tenant="t",
        options=options,
        source=BlobRef(key="s", n_bytes=1),
        source_url="https://files.example/" + "y" * 4000,
        filename="名" * 255,
        created_at_s=1.0,
    )
    after = replace(before, state=JobState.FAILED, reason=Reason.INTERNAL, detail="x" * 100_000)
    messages = JobNotifications().of(before, after, at_s=2.0)
    assert len({message.id for message in messages}) == 21
    assert all(len(message.body.encode()) < 20_000 for message in messages)
