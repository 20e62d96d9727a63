"""The sections of the settings: what each value means, what it may be, and its default."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from deployments.auth.roles import EVERYBODY, Role
from pipelines.core import DOUBTFUL_BELOW
from pipelines.errors import OptionError
from pipelines.export.templating.tenant_styles import TenantStyle, TenantStyles, is_text
from pipelines.jobs.job import RESULT_FORMATS
from pipelines.jobs.options import (
    CALLBACK_PATIENCE_S,
    MAX_PATIENCE_S,
    MAX_TERMS,
    SOURCE_PATIENCE_S,
    LanguageCodes,
)
from pipelines.ledger.credentials.api_keys import checked_tenant
from pipelines.minutes.provider.endpoints import DEEPSEEK_URL, DEFAULT_MODEL, Thinking
from pipelines.models.devices import EncoderName, WindowLength
from pipelines.scheduling.shards import MAX_SHARDS
from pipelines.validation import worded

_ORIGIN = worded(
    r"^(\*|[a-z][a-z0-9+.-]*://[^\s/@?#]+)$", "must be an origin such as https://portal.example.com, or * for all"
)
_HOST_NAME = worded(r"^[a-z0-9._-]+$", "must be a host name such as portal.example.com, without port")
_URL = worded(r"^https?://[^\s@?#]+$", "must be a URL such as https://example.com/api, without user and query")
_URL_OR_NONE = worded(
    r"^(https?://[^\s@?#]+)?$", "must be a URL such as https://example.com/api, without user and query, or empty"
)
_ENDPOINT_OR_NONE = worded(r"^(https?://[^\s@]+)?$", "must be a URL such as http://collector:4318/v1/traces, or empty")
_TEMPLATE_NAME = worded(r"^[A-Za-z0-9_-]{1,64}$", "may hold letters, digits, - and _, 64 at most")
_VARIABLE = worded("^[A-Za-z_][A-Za-z0-9_]*$", "must be the name of an environment variable")
_VARIABLE_OR_NONE = worded("^([A-Za-z_][A-Za-z0-9_]*)?$", "must be the name of an environment variable, or empty")
_ACCOUNT_SID = worded("^AC[0-9a-f]{32}$", "must be an AccountSid: AC and 32 digits 0-9 and a-f")
_CLASS_NAME = worded(
    r"^[a-z][a-z0-9_-]{0,31}$", "must begin with a letter and hold small letters, digits, - and _, 32 at most"
)

BUNDLED_MODEL = "mini-en"
MAX_TENANT_CLASSES = 16


def _tenant(name: str) -> str:
    """Return a tenant's name; pydantic wants a `ValueError` for what cannot be one."""
    try:
        return checked_tenant(name)
    except OptionError as error:
        raise ValueError(str(error)) from None


def _plain(text: object) -> object:
    """Take a trailing slash or dot and capitals off, which browsers do not send."""
    return text.lower().rstrip("/.") if isinstance(text, str) else text


TenantName = Annotated[str, AfterValidator(_tenant)]

_Origin = Annotated[str, BeforeValidator(_plain), Field(pattern=_ORIGIN)]
_HostName = Annotated[str, BeforeValidator(_plain), Field(pattern=_HOST_NAME)]


class Section(BaseModel):
    """Settings that belong together; an unknown name in them is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class HttpSettings(Section):
    """Address, names and CORS origins of the HTTP endpoint."""

    host: str = Field(
        default="127.0.0.1", description="address to listen on; one that other machines reach needs `auth.mode`"
    )
    port: Annotated[int, Field(ge=1, le=65535, description="TCP port of the endpoint")] = 8000
    cors_origins: tuple[_Origin, ...] = Field(
        default=(), description="origins of web pages that may use the endpoint, such as https://portal.example.com"
    )
    allowed_hosts: tuple[_HostName, ...] = Field(
        default=(),
        description="names, without ports, that requests may call the endpoint by, beside localhost, host and "
        "public_url; addresses always may. Without authentication others are refused, with it only where this is set",
    )
    public_url: str = Field(
        default="",
        pattern=_URL_OR_NONE,
        description="how others reach it: goes before the URLs in answers, webhooks and e-mails",
    )
    n_proxies: Annotated[
        int,
        Field(ge=0, le=10, description="proxies in front that add to X-Forwarded-For, without http.haproxy's own"),
    ] = 0
    haproxy: bool = Field(default=True, description="put HAProxy, not Ray's Python proxy, in front of the endpoint")


class AuthSettings(Section):
    """Authentication. ``off``: none, which is refused where other machines can reach the endpoint.

    ``keys``: API keys (`meetmemo keys create`). ``jwt``: JSON Web Tokens, signed with the secret in
    MEETMEMO_JWT_SECRET (HS256) or with the keys published at ``jwks_url``, which needs ``jwt_issuer`` and
    ``jwt_audience``. A token in MEETMEMO_METRICS_TOKEN may read ``/metrics`` in every mode.
    """

    mode: Annotated[Literal["off", "keys", "jwt", "both"], BeforeValidator(lambda word: word or "off")] = Field(
        default="off", description="which credentials requests need: none, API keys, JSON Web Tokens, or either"
    )
    allow_off_anywhere: bool = Field(default=False, description="something in front of the endpoint authenticates")
    jwks_url: str = Field(default="", description="where the identity provider publishes its keys (https)")
    jwt_issuer: str = Field(default="", description="the claim iss of tokens")
    jwt_audience: str = Field(default="", description="what the claim aud of tokens names this endpoint")
    jwt_tenant_claim: Annotated[str, Field(min_length=1, description="the claim that names the tenant")] = "tenant"
    jwt_scope_claim: Annotated[str, Field(min_length=1, description="the claim that lists the scopes")] = "scope"

    @property
    def takes_tokens(self) -> bool:
        """Whether JSON Web Tokens open anything."""
        return self.mode in ("jwt", "both")


class GrantSettings(Section):
    """A role in a tenant for those who are in a group of the identity provider's."""

    group: Annotated[
        str, Field(min_length=1, description="the group as the provider names it; `*`: everybody of `domains`")
    ]
    tenant: TenantName = Field(description="where the role is")
    role: Role = Field(description="what the group may do there")


ENTRA = "login.microsoftonline.com"
_ENTRA_ANYBODY = ("common", "organizations", "consumers", "{tenantid}")


class OidcSettings(Section):
    """Sign-in at an identity provider by OpenID Connect, for the console. Without an issuer nobody signs in so.

    The client secret is in MEETMEMO_OIDC_CLIENT_SECRET, or in the file that MEETMEMO_OIDC_CLIENT_SECRET_FILE names. It
    needs `auth.mode` and `http.public_url`, below which ``/auth/callback`` is the redirect URI.
    """

    issuer: str = Field(
        default="", pattern=_URL_OR_NONE, description="the provider as its discovery document calls itself"
    )
    client_id: str = Field(default="", description="this server's name at the provider")
    name: str = Field(default="", description="the provider's name for people; empty: the issuer's host")
    scopes: tuple[str, ...] = Field(
        default=("openid", "profile", "email"), description="scopes to ask for; some providers need one for groups"
    )
    groups_claim: Annotated[
        str,
        Field(
            min_length=1,
            description="the claim that lists a person's groups; with dots one within another, as realm_access.roles",
        ),
    ] = "groups"
    grants: tuple[GrantSettings, ...] = Field(
        default=(), description="roles by group; the highest counts, and the tenant named first is where people begin"
    )
    domains: tuple[_HostName, ...] = Field(
        default=(), description="domains that an account must belong to, by Google's `hd` or a verified address"
    )
    refusal: str = Field(
        default="You have no role here. Ask the operator of this server for one.",
        min_length=1,
        max_length=500,
        description="what people without a role read",
    )
    lifetime_h: Annotated[float, Field(gt=0, le=720, description="how long a session lasts, whatever its use")] = 12.0
    idle_h: Annotated[float, Field(gt=0, le=720, description="how long one lasts without use")] = 2.0
    groups_h: Annotated[
        float,
        Field(
            gt=0,
            le=720,
            description="how long a session's groups count; then they are read anew with its refresh token, and a "
            "session without one is over",
        ),
    ] = 4.0
    sign_ins_per_min_address: Annotated[
        int, Field(ge=1, description="attempts to sign in from one address in a minute, at each Ingestion")
    ] = 120
    sign_ins_per_min: Annotated[int, Field(ge=1, description="the same from all addresses together")] = 600

    @model_validator(mode="after")
    def _check(self) -> "OidcSettings":
        if not self.issuer:
            return self
        host = urlsplit(self.issuer).hostname or ""
        if not self.issuer.startswith("https:") and host not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("oidc.issuer must be an https URL: whoever answers there decides who people are")
        if host == ENTRA and urlsplit(self.issuer).path.split("/")[1:2][0] in _ENTRA_ANYBODY:
            raise ValueError("oidc.issuer must name your own tenant's id, not everybody's: .../TENANT-ID/v2.0")
        if not self.client_id:
            raise ValueError("oidc.issuer needs oidc.client_id")
        if "openid" not in self.scopes:
            raise ValueError("oidc.scopes must hold openid")
        if not self.grants:
            raise ValueError("oidc.issuer needs oidc.grants: without them nobody may do anything")
        if any(grant.group == EVERYBODY for grant in self.grants) and not self.domains:
            raise ValueError(
                f"oidc.grants has a role for {EVERYBODY}, everybody whom the provider lets sign in: name oidc.domains"
            )
        return self


class ModelSettings(Section):
    """One Whisper model; each gets its own Transcriber deployment. 0 and "auto" are chosen on the machine."""

    name: str = Field(default=BUNDLED_MODEL, description="how jobs name it")
    path: str = Field(default="", description="folder of a CTranslate2 Whisper model; empty: found by name")
    compute_type: str = Field(default="auto", description="CTranslate2's number format, such as int8 or float16")
    encoder: EncoderName = Field(
        default="auto",
        description="what computes the encoder; auto: the fastest that hears no worse, found once on each machine",
    )
    encoder_pooling: Annotated[
        int, Field(ge=0, le=3, description="encoder steps averaged to one; 0: found with the encoder, 1: none")
    ] = 0
    encoder_windows: WindowLength = Field(
        default="auto",
        description="full: rows are filled up to 30 s, short: followed by silence only; auto: found with the encoder",
    )
    batch_size: Annotated[
        int, Field(ge=0, le=512, description="rows at once; 0: 16 on a CPU, on a GPU found while working")
    ] = 0
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto",
        description="auto: GPUs where the cluster has some; cuda asks for them, also before a node has one",
    )
    gpus_per_replica: Annotated[float, Field(gt=0, le=8, description="GPUs of one replica; 0.5: two share one")] = 1.0
    accelerator_type: str = Field(default="", description="Ray's name of the GPU to run on, such as L4 or A100")
    min_replicas: Annotated[
        int, Field(ge=0, description="replicas that are always there; 0: none while no job wants it")
    ] = 1
    scale_to_zero_after_s: float = Field(
        default=600.0,
        ge=0,
        description="seconds that the last replica stays without work, where min_replicas is 0",
        validation_alias=AliasChoices("scale_to_zero_after_s", "sleep_after_s"),  # the second until the next version
    )
    max_replicas: Annotated[int, Field(ge=0, description="replicas at most; 0: as many as the devices carry")] = 0
    catch_up_s: Annotated[
        float, Field(gt=0, description="replicas are added until what waits is transcribed in this time")
    ] = 60.0


class StyleSettings(Section):
    """The layout of minutes, unless a job chooses another. A template is a text, or a file with one."""

    template: str = Field(default="", description="standard, classic, or a name from templates")
    title: Annotated[str, Field(max_length=200, description="{title} in it stands for the writer's own")] = ""
    glossary: Annotated[tuple[str, ...], Field(max_length=MAX_TERMS, description="names and terms, as spelled")] = ()
    templates: dict[Annotated[str, Field(pattern=_TEMPLATE_NAME)], str] = Field(
        default={}, description="templates of one's own by name: Jinja2 that writes Markdown, or a file with it"
    )

    @field_validator("templates")
    @classmethod
    def _read_files(cls, templates: dict[str, str]) -> dict[str, str]:
        return {name: _template(name, given) for name, given in templates.items()}

    @property
    def style(self) -> TenantStyle:
        """As the domain knows it."""
        return TenantStyle(template=self.template, title=self.title, glossary=self.glossary, templates=self.templates)


class MinutesSettings(StyleSettings):
    """The writer of minutes when a job says ``auto``, and the language model, if any.

    ``auto`` takes the language model where one is configured: a key for DeepSeek, or another server by ``base_url``.
    Zero tokens and "auto" are chosen by the server.
    """

    writer: Literal["auto", "extractive", "llm"] = Field(
        default="auto", description="extractive: sentences chosen by rules; llm: a language model"
    )
    base_url: str = Field(default=DEEPSEEK_URL, pattern=_URL, description="address of an OpenAI-compatible server")
    model: Annotated[str, Field(min_length=1, description="name of the language model")] = DEFAULT_MODEL
    thinking: Thinking = Field(default="auto", description="whether the model reasons first; auto: off")
    json_mode: Literal["auto", "json_schema", "json_object_schema", "json_object", "prompt"] = Field(
        default="auto", description="how the server is asked for JSON; auto: found out by the first calls"
    )
    context_tokens: Annotated[int, Field(ge=0, description="longest prompt and answer together; 0: the model's")] = 0
    max_output_tokens: Annotated[int, Field(ge=0, description="longest answer; 0: the model's")] = 0
    replicas: Annotated[
        int, Field(ge=1, le=64, description="processes that write documents and minutes; they share budgets and limit")
    ] = 1
    concurrency: Annotated[int, Field(ge=1, le=2500, description="calls at once, at most, of all replicas")] = 64
    window_s: Annotated[float, Field(ge=0, le=60, description="how long short transcripts wait for company")] = 0.5
    pack_items: Annotated[int, Field(ge=1, le=50, description="transcripts in one call, at most")] = 8
    pack_tokens: Annotated[int, Field(ge=1, description="their length together, at most")] = 12_000
    piece_tokens: Annotated[int, Field(ge=500, description="longer transcripts are split")] = 60_000
    first_payload_timeout_s: Annotated[float, Field(gt=0, description="wait for the first piece of an answer")] = 630.0
    idle_timeout_s: Annotated[float, Field(gt=0, description="wait between two pieces of an answer")] = 120.0
    total_timeout_s: Annotated[float, Field(gt=0, description="length of a call, at most")] = 1800.0
    tokens_per_day: Annotated[int | None, Field(ge=1, description="for each tenant")] = None
    cost_per_day_usd: Annotated[float | None, Field(gt=0, description="for each tenant")] = None
    off_peak_wait_h: Annotated[
        float, Field(ge=0, le=168, description="minutes may be so late for the sake of low prices")
    ] = 0.0
    tenants: dict[TenantName, StyleSettings] = {}

    @model_validator(mode="after")
    def _check_styles(self) -> "MinutesSettings":
        for tenant in ("", *self.tenants):
            try:
                for name in self.styles.names(tenant):
                    self.styles.check(tenant, name)
                self.styles.check(tenant, "")
            except OptionError as error:
                raise ValueError(f"minutes of {tenant or 'everybody'}: {error}") from None
        return self

    @property
    def styles(self) -> TenantStyles:
        """The common style and those of tenants with their own."""
        return TenantStyles(everybody=self.style, tenants={name: own.style for name, own in self.tenants.items()})


class TenantLimitSettings(Section):
    """Limits of one tenant; None takes the common limit."""

    max_upload_mb: Annotated[int | None, Field(ge=1)] = None
    max_tenant_uploads: Annotated[int | None, Field(ge=1)] = None
    max_open_upload_mb: Annotated[int | None, Field(ge=1)] = None
    max_tenant_streams: Annotated[int | None, Field(ge=1)] = None
    max_duration_h: Annotated[float | None, Field(gt=0)] = None
    max_channels: Annotated[int | None, Field(ge=1, le=64)] = None
    max_waiting_jobs: Annotated[int | None, Field(ge=1)] = None
    max_waiting_audio_h: Annotated[float | None, Field(ge=0)] = None
    requests_per_s: Annotated[float | None, Field(ge=0)] = None
    request_burst: Annotated[int | None, Field(ge=1)] = None


class LimitSettings(Section):
    """Limits: ``max_concurrent_uploads``, ``max_event_streams`` and ``min_upload_bytes_per_s`` hold for a replica of
    the endpoint, ``cluster_waiting_jobs`` and ``cluster_waiting_audio_h`` for the cluster, the others for each tenant.

    ``tenants`` overrides them by tenant. The last quarter of a replica's uploads and streams is for tenants that have
    none. 0 hours of waiting audio, 0 requests and 0 bytes a second are no limit.
    """

    max_upload_mb: Annotated[int, Field(ge=1, description="size of a recording (MiB)")] = 4096
    max_concurrent_uploads: Annotated[int, Field(ge=1, description="uploads at once to a replica")] = 24
    max_tenant_uploads: Annotated[int, Field(ge=1, description="uploads at once of one tenant")] = 16
    max_open_upload_mb: Annotated[
        int, Field(ge=1, description="in hand of uploads that outlive a request: resumable, or put to a given URL")
    ] = 65_536
    min_upload_bytes_per_s: Annotated[
        float, Field(ge=0, description="a body that comes more slowly for a minute is refused")
    ] = 1024.0
    max_event_streams: Annotated[
        int, Field(ge=1, description="of each kind: of a job's events, of all jobs', and requests that wait for text")
    ] = 256
    max_tenant_streams: Annotated[int, Field(ge=1, description="the same, for each tenant")] = 192
    max_duration_h: Annotated[float, Field(gt=0, description="length of a recording")] = 24.0
    max_channels: Annotated[int, Field(ge=1, le=64, description="channels of a recording")] = 16
    max_waiting_jobs: Annotated[int, Field(ge=1, description="jobs that have not ended")] = 10_000
    max_waiting_audio_h: Annotated[float, Field(ge=0, description="found and not transcribed")] = 0.0
    cluster_waiting_jobs: Annotated[
        int, Field(ge=0, description="jobs of all tenants that have not ended; 0: no limit, beyond it /readyz says 503")
    ] = 0
    cluster_waiting_audio_h: Annotated[
        float, Field(ge=0, description="of all tenants, found and not transcribed; 0: no limit, as above")
    ] = 0.0
    requests_per_s: Annotated[float, Field(ge=0, description="to one replica of the endpoint")] = 0.0
    request_burst: Annotated[int, Field(ge=1, description="requests at once that `requests_per_s` allows")] = 100
    tenants: dict[TenantName, TenantLimitSettings] = {}
    source_files_below: tuple[Path, ...] = Field(default=(), description="folders that file: sources may name")
    private_sources: bool = Field(default=False, description="allow source URLs with private addresses")
    source_patience_s: int = Field(
        default=SOURCE_PATIENCE_S,
        ge=0,
        le=MAX_PATIENCE_S,
        description="a source that is not there yet is asked for again",
    )
    callback_patience_s: int = Field(
        default=CALLBACK_PATIENCE_S,
        ge=0,
        le=MAX_PATIENCE_S,
        description="the same where a callback or a bucket's event told of it",
    )

    def of(self, tenant: str) -> "LimitSettings":
        """Return a tenant's own limits."""
        own = self.tenants.get(tenant)
        return self if own is None else self.model_copy(update=own.model_dump(exclude_none=True))


class TenantLanguageSettings(Section):
    """Languages of one tenant; None takes the common setting."""

    allowed: LanguageCodes | None = None
    doubtful_below: Annotated[float | None, Field(ge=0, le=1)] = None


class LanguageSettings(Section):
    """What recordings may be in where their language is detected, and when it is told as doubtful."""

    allowed: LanguageCodes = Field(default=(), description="what detection chooses among; empty: anything")
    doubtful_below: float = Field(
        default=DOUBTFUL_BELOW, ge=0, le=1, description="probability below which text is suspect"
    )
    tenants: dict[TenantName, TenantLanguageSettings] = {}


class SpeakerSettings(Section):
    """Whether voices are told apart in jobs that do not say so themselves."""

    mono: Annotated[Literal["off", "auto"], BeforeValidator(lambda word: word or "off")] = Field(
        default="off", description="auto: in recordings that are transcribed as one channel, unless it is given a name"
    )


class SourceSettings(Section):
    """A bucket or web server that recordings are pulled from with credentials of their own.

    ``secret`` names the environment variable that holds them, or with ``_FILE`` appended the file that does:
    ``KEY_ID:SECRET`` for a bucket, the whole header ``Authorization`` for a web server.
    """

    name: Annotated[str, Field(min_length=1, description="how logs and messages name it")]
    url: str = Field(description="s3://bucket/prefix or https://host/path")
    secret: Annotated[str, Field(pattern=_VARIABLE_OR_NONE, description="the variable that holds the credentials")] = ""
    endpoint: Annotated[str, Field(pattern=_URL_OR_NONE, description="address of a store other than AWS")] = ""
    region: str = Field(default="", description="the bucket's region")
    tenants: tuple[TenantName, ...] = Field(default=(), description="who may pull from it; empty: every tenant")
    sidecars: bool = Field(default=False, description="call.json beside call.wav says how to transcribe it")
    sidecar_fields: dict[str, str] = Field(default={}, description="names in it: theirs to ours; no others are read")


class TwilioSettings(Section):
    """An account of Twilio whose recording callbacks are taken at ``/v1/recorders/twilio``, for one tenant.

    ``auth_token`` names the environment variable that holds the account's auth token, or with ``_FILE`` appended the
    file that does. It verifies the callbacks and fetches the recordings.
    """

    account: Annotated[str, Field(pattern=_ACCOUNT_SID, description="the AccountSid")]
    tenant: TenantName = Field(default="default", description="whose its recordings are")
    auth_token: Annotated[
        str, Field(pattern=_VARIABLE, description="the variable that holds the account's auth token")
    ] = "TWILIO_AUTH_TOKEN"  # noqa: S105 - the name of a variable
    api_url: Annotated[str, Field(pattern=_URL, description="where recordings are fetched")] = "https://api.twilio.com"


class CoordinatorSettings(Section):
    """Live jobs, attempts per chunk, and timeouts."""

    shards: Annotated[
        int, Field(ge=1, le=MAX_SHARDS, description="Coordinators that divide the jobs; several need PostgreSQL")
    ] = 1
    max_live_jobs: Annotated[
        int, Field(ge=0, description="jobs cut and queued at once; 0: as many as keep all replicas busy")
    ] = 0
    max_attempts: Annotated[int, Field(ge=1, description="of a chunk; afterwards it goes into quarantine")] = 5
    lease_s: Annotated[float, Field(ge=1, description="how long a dead Coordinator keeps its successor waiting")] = 15.0
    batch_timeout_s: Annotated[
        float, Field(gt=0, description="for a batch, beside ten times what batches usually take")
    ] = 120.0
    health_timeout_s: Annotated[
        float, Field(gt=0, description="a Transcriber that answers no health check for three times as long is replaced")
    ] = 30.0
    hang_s: Annotated[float, Field(gt=0, description="a Transcriber whose batch decodes longer is replaced")] = 3600.0
    span_timeout_s: Annotated[
        float, Field(gt=0, description="for cutting some minutes of a recording, and for hearing their voices")
    ] = 900.0
    drain_s: Annotated[float, Field(ge=0, description="what is in hand may take so long to end at a stop")] = 5.0
    housekeeping_s: Annotated[float, Field(ge=1, description="between two looks for leftovers")] = 3600.0


class RetentionRuleSettings(Section):
    """Days for jobs with certain metadata, of all tenants or one; what is left out holds as without the rule."""

    metadata: dict[str, str] = Field(
        min_length=1, description="pairs that a job must have, all of them; the value `*` is any"
    )
    tenant: TenantName | None = Field(default=None, description="only this tenant's jobs; empty: everybody's")
    results_days: float | None = Field(default=None, ge=0, description="as `retention.results_days`")
    audio_days: float | None = Field(default=None, ge=0, description="as `retention.audio_days`")


class RetentionSettings(Section):
    """Days that ended jobs and their results are kept; 0 is for ever. ``tenants`` overrides them by tenant.

    The first of ``rules`` that takes a job goes before both. A legal hold goes before everything.
    """

    results_days: Annotated[float, Field(ge=0, description="jobs that have ended, with their results")] = 0.0
    audio_days: Annotated[
        float, Field(ge=0, description="copies of recordings that jobs asked to keep; 0: none is kept")
    ] = 30.0
    tenants: dict[TenantName, Annotated[float, Field(ge=0)]] = Field(default={}, description="`results_days` by tenant")
    rules: tuple[RetentionRuleSettings, ...] = Field(
        default=(), description="by metadata; of several that take a job the first decides"
    )
    audit_days: Annotated[float, Field(ge=0, description="the audit log and receipts of deletions; 0: for ever")] = 0.0

    @property
    def keeps_audio(self) -> bool:
        """Whether a copy of any recording is kept for a while."""
        return self.audio_days > 0 or any(rule.audio_days for rule in self.rules)


class WebhookSettings(Section):
    """The URLs that receive the outcome of jobs; a job's own ``webhook_url`` takes the place of its tenant's.

    The secrets that sign come from the environment: see `cluster.wiring.notifications`.
    """

    url: str = Field(default="", description="for tenants that are not named")
    tenants: dict[TenantName, str] = Field(default={}, description="URLs by tenant")
    private_targets: bool = Field(default=False, description="allow private addresses, and plain http")
    timeout_s: Annotated[float, Field(ge=1, le=60, description="wait for a receiver's answer")] = 20.0


class EmailSettings(Section):
    """The server that mails minutes to the recipients of jobs; its account's password is ``SMTP_PASSWORD``."""

    host: str = Field(default="", description="the mail server; empty: no mail is sent")
    port: Annotated[int, Field(ge=1, le=65535, description="its port")] = 587
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="tls: encrypted from the first byte; none: in the clear"
    )
    username: str = Field(default="", description="account on the server; empty: none is needed")
    sender: str = Field(default="", description="such as MeetMemo <minutes@example.org>")
    domains: tuple[str, ...] = Field(default=(), description="only these get mail; empty: all")
    attach: tuple[str, ...] = Field(default=("minutes.docx", "minutes.pdf"), description="results that are attached")
    max_attached_mb: Annotated[int, Field(ge=0, description="size of the attachments together, at most (MiB)")] = 15

    @model_validator(mode="after")
    def _check(self) -> "EmailSettings":
        if self.host and "@" not in self.sender:
            raise ValueError("email.host needs email.sender, the address that mail comes from")
        if unknown := set(self.attach) - set(RESULT_FORMATS):
            raise ValueError(f"email.attach names no result: {', '.join(sorted(unknown))}")
        return self


class RaySettings(Section):
    """The cluster: one of our own on this machine, or an existing one by ``address``."""

    address: str = Field(default="", description="HOST:PORT of the head of a cluster that runs; empty: one is started")
    num_cpus: Annotated[int, Field(ge=0, description="CPUs of the cluster on this machine; 0: all")] = 0
    niceness: Annotated[
        int, Field(ge=0, le=19, description="of the replicas among the machine's processes; 0: like any other program")
    ] = 0
    generation: str = Field(default="", description="change it, and all replicas are replaced, one after the other")
    cpu_labels: dict[str, str] = Field(
        default={}, description="label selectors of the nodes for all that needs no GPU: keeps it off GPU nodes"
    )


class LogSettings(Section):
    """Level and format of logs."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="the least that is logged")
    format: Literal["console", "json"] = Field(default="console", description="json: one object a line")


class TraceSettings(Section):
    """The receiver of OpenTelemetry's spans; one job is one trace. Empty: none."""

    endpoint: str = Field(
        default="",
        pattern=_ENDPOINT_OR_NONE,
        description="OTLP over HTTP, such as http://collector:4318/v1/traces",
    )
    file: Path | None = Field(default=None, description="a file of JSON lines instead, on each node its own")


class MetricsSettings(Section):
    """Metrics of jobs. They have no label for tenants, but one for the classes that ``tenant_classes`` names.

    A job is in time if it ends within ``objective_base_s`` plus ``objective_per_audio_s`` times its recording's length.
    """

    tenant_classes: dict[TenantName, Annotated[str, Field(pattern=_CLASS_NAME)]] = Field(
        default={}, description="class by tenant; all others are `standard`"
    )
    objective_base_s: Annotated[float, Field(ge=0, description="what any job may take")] = 300.0
    objective_per_audio_s: Annotated[float, Field(ge=0, description="what it may take for each second of audio")] = 1.0
    targets_dir: Path | None = Field(
        default=None,
        description="folder for Prometheus' lists of targets, where another user than the cluster's runs Prometheus",
    )

    @field_validator("tenant_classes")
    @classmethod
    def _bound(cls, classes: dict[str, str]) -> dict[str, str]:
        if len(set(classes.values())) > MAX_TENANT_CLASSES:
            raise ValueError(f"at most {MAX_TENANT_CLASSES} classes of tenants: each multiplies the series")
        return classes


def _template(name: str, given: str) -> str:
    """Return the text of a template; settings that were resolved before hold it already."""
    if is_text(given) or "\n" in given:
        return given
    try:
        return Path(given).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the template {name} cannot be read: {error}") from None
