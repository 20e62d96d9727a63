"""Build the notifications about jobs by the settings: webhooks and e-mails, and the secrets they take.

Secrets come from the environment of the process that delivers, or the ``.env`` of the cluster's start, never from a
settings file:

    WEBHOOK_SECRETS        ``whsec_…``, several with spaces between them: all of them sign, so that receivers can change
    WEBHOOK_SECRETS_FILE   a file that holds them; read at every delivery, so that they are replaced without a stop
    WEBHOOK_SECRETS_DIR    a folder of such files, each named for a tenant, whose messages only its secrets sign
    SMTP_PASSWORD, SMTP_PASSWORD_FILE
"""

from collections.abc import Mapping
from pathlib import Path

from cluster import __version__
from cluster.settings.secrets import read_secret
from cluster.settings.settings import Settings
from cluster.settings.sources import process_environment
from deployments.http.assemblyai.webhook import assemblyai_webhook
from deployments.http.deepgram.callback import DeepgramCallback
from deployments.notifications.delivery_loop import DeliveryOptions, DeliveryWorker, Sender
from deployments.notifications.email import EmailSender, MailOptions
from deployments.notifications.messages import JobNotifications
from deployments.notifications.signing import parse_secrets
from deployments.notifications.webhooks import WebhookLimits, WebhookSender, target_complaint
from deployments.telemetry.counters import CoordinatorMetrics
from pipelines.core import MIB
from pipelines.errors import ConfigurationError
from pipelines.jobs.dialect import ASSEMBLYAI, DEEPGRAM
from pipelines.ledger.outbox import Channel
from pipelines.ledger.protocol import Ledger
from pipelines.storage.protocol import BlobStore

SIGNING = "WEBHOOK_SECRETS"
FOLDER = f"{SIGNING}_DIR"
PASSWORD = "SMTP_PASSWORD"  # noqa: S105 - its name
MAIL_HOLD_S = 240.0


def build_delivery_worker(
    settings: Settings, ledger: Ledger, store: BlobStore, counters: CoordinatorMetrics
) -> DeliveryWorker:
    """Build the DeliveryWorker with the senders that are configured."""
    senders: dict[Channel, Sender] = {
        "webhook": WebhookSender(
            lambda tenant: webhook_secrets(process_environment(), tenant),
            webhook_limits(settings),
            user_agent=f"MeetMemo/{__version__}",
            bodies={DEEPGRAM: DeepgramCallback(store), ASSEMBLYAI: assemblyai_webhook},
        )
    }
    email = settings.email
    if email.host:
        options = MailOptions(
            host=email.host,
            port=email.port,
            sender=email.sender,
            security=email.security,
            username=email.username,
            attach=email.attach,
            max_attached_bytes=email.max_attached_mb * MIB,
        )
        senders["email"] = EmailSender(options, store, lambda: read_secret(PASSWORD, process_environment()) or "")
    # Longer than an attempt may take: each step of a conversation with a mail server has its own time limit.
    hold_s = MAIL_HOLD_S if email.host else 2 * settings.webhooks.timeout_s + 10.0
    return DeliveryWorker(ledger.outbox, senders, options=DeliveryOptions(hold_s=hold_s), counters=counters)


def build_notifications(settings: Settings) -> JobNotifications:
    """Return whom jobs notify."""
    return JobNotifications(
        public_url=settings.http.public_url.rstrip("/") or settings.url,
        webhook=settings.webhooks.url,
        webhooks=settings.webhooks.tenants,
    )


def webhook_limits(settings: Settings) -> WebhookLimits:
    """Return which URLs may be targets."""
    return WebhookLimits(allow_private=settings.webhooks.private_targets, timeout_s=settings.webhooks.timeout_s)


def mail_domains(settings: Settings) -> frozenset[str] | None:
    """Return the domains that get mail, empty for all; None where no mail is sent."""
    return frozenset(domain.lower() for domain in settings.email.domains) if settings.email.host else None


def can_sign(env: Mapping[str, str]) -> bool:
    """Return whether there is any place for webhook secrets."""
    return any(env.get(name) for name in (SIGNING, f"{SIGNING}_FILE", FOLDER))


def webhook_secrets(env: Mapping[str, str], tenant: str) -> tuple[bytes, ...]:
    """Return the secrets that sign a tenant's webhooks, now; raises `ConfigurationError`."""
    if env.get(FOLDER):
        own = Path(env[FOLDER]) / tenant
        if own.name == tenant and own.is_file():
            return _secrets_in({f"{SIGNING}_FILE": str(own)}, f"{own}, the file of the tenant {tenant}")
    return _secrets_in(env, SIGNING if env.get(SIGNING) else env.get(f"{SIGNING}_FILE", ""))


def _secrets_in(env: Mapping[str, str], place: str) -> tuple[bytes, ...]:
    """Read secrets; raises `ConfigurationError`, which names the place and not what stands there."""
    text = read_secret(SIGNING, env) or ""
    try:
        return parse_secrets(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"In {place}: {error}.") from None


def check_outgoing(settings: Settings, env: Mapping[str, str]) -> None:
    """Raise `ConfigurationError` for targets that no message can reach, or that nothing could be signed for.

    Every secret is read, also those of tenants whose jobs name their targets themselves.
    """
    by_tenant = {"": settings.webhooks.url, **settings.webhooks.tenants}
    for tenant, url in by_tenant.items():
        name = f"webhooks.tenants.{tenant}" if tenant else "webhooks.url"
        if not url:
            continue
        if complaint := target_complaint(url, webhook_limits(settings)):
            raise ConfigurationError(f"{name} {complaint}.")
        if (tenant and not webhook_secrets(env, tenant)) or not can_sign(env):
            raise ConfigurationError(f"{name} is set, but there is no secret to sign with: set {SIGNING} or {FOLDER}.")
    webhook_secrets(env, "")
    folder = Path(env[FOLDER]) if env.get(FOLDER) else None
    if folder is not None and not folder.is_dir():
        raise ConfigurationError(f"{FOLDER} names {folder}, which is no folder.")
    for file in sorted(folder.iterdir()) if folder is not None else ():
        if not file.name.startswith("."):  # such as Kubernetes' ..data
            webhook_secrets(env, file.name)
