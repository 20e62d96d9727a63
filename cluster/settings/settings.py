"""Settings: every value an operator may choose, read once at the edge and handed on resolved.

`load_settings` merges, each over the one before: the defaults in `cluster.settings.sections`, a YAML file, ``.env``,
the environment (``MEETMEMO_HTTP__PORT=9000``: sections joined by two underscores), flags. Secrets never come from YAML.
"""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_serializer, model_validator

from cluster.settings.secrets import read_key
from cluster.settings.sections import (
    AuthSettings,
    CoordinatorSettings,
    EmailSettings,
    HttpSettings,
    LanguageSettings,
    LimitSettings,
    LogSettings,
    MetricsSettings,
    MinutesSettings,
    ModelSettings,
    OidcSettings,
    RaySettings,
    RetentionSettings,
    Section,
    SourceSettings,
    SpeakerSettings,
    TenantName,
    TraceSettings,
    TwilioSettings,
    WebhookSettings,
)
from cluster.settings.sources import from_environment, merge, process_environment, read_yaml
from pipelines.errors import ConfigurationError
from pipelines.minutes.provider.endpoints import is_deepseek
from pipelines.validation import faults, told


class Settings(Section):
    """All settings of a cluster. Empty URLs and folders lie under ``home``."""

    home: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("meetmemo")),
        description="folder of ledger, store, models, spool and logs; empty: in the user's data directory",
    )
    ledger_url: str = Field(
        default="", description="`sqlite:///FILE` or `postgresql+psycopg://…`; empty: SQLite below `home`"
    )
    store_url: str = Field(
        default="", description="`file:///FOLDER` or `s3://BUCKET/PREFIX?endpoint=…`; empty: a folder below `home`"
    )
    models_dir: Path = Field(default=Path(), description="folder of downloaded models; empty: `models` below `home`")
    models: tuple[ModelSettings, ...] = (ModelSettings(),)
    default_model: str = Field(default="", description="model of jobs that name none; empty: the first of `models`")
    http: HttpSettings = HttpSettings()
    auth: AuthSettings = AuthSettings()
    oidc: OidcSettings = OidcSettings()
    minutes: MinutesSettings = MinutesSettings()
    limits: LimitSettings = LimitSettings()
    sources: tuple[SourceSettings, ...] = ()
    twilio: tuple[TwilioSettings, ...] = ()
    vocabulary: dict[TenantName, tuple[str, ...]] = Field(
        default={}, description="words to know, for all jobs of a tenant"
    )
    languages: LanguageSettings = LanguageSettings()
    speakers: SpeakerSettings = SpeakerSettings()
    usd_per_audio_hour: float | None = Field(default=None, ge=0, description="what estimates and dry runs reckon with")
    usd_per_economy_audio_hour: float | None = Field(
        default=None, ge=0, description="the same for the priority class economy; empty: no other price"
    )
    usd_per_device_hour: float | None = Field(
        default=None, ge=0, description="what an hour of a GPU (or of a machine without) costs, for estimates"
    )
    reuse: bool = Field(default=True, description="the same recording with the same options is transcribed once")
    coordinator: CoordinatorSettings = CoordinatorSettings()
    retention: RetentionSettings = RetentionSettings()
    webhooks: WebhookSettings = WebhookSettings()
    email: EmailSettings = EmailSettings()
    ray: RaySettings = RaySettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    traces: TraceSettings = TraceSettings()
    deepseek_api_key: SecretStr | None = Field(
        default=None,
        description="taken from `DEEPSEEK_API_KEY` or `DEEPSEEK_API_KEY_FILE` only, never from a file of settings",
    )

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, values: Any) -> Any:
        """Fill what depends on ``home`` and on the list of models."""
        if not isinstance(values, dict):
            return values
        values = dict(values)
        for name in ("home", "models_dir"):
            if not isinstance(values.get(name) or "", str | Path):
                raise ValueError(f"{name}: must be a path")
        home = Path(values.get("home") or platformdirs.user_data_dir("meetmemo")).expanduser().absolute()
        values["home"] = home
        values["ledger_url"] = values.get("ledger_url") or f"sqlite:///{home / 'ledger.sqlite3'}"
        values["store_url"] = values.get("store_url") or f"file://{home / 'store'}"
        if Path(values.get("models_dir") or "") == Path():
            values["models_dir"] = home / "models"
        return values

    @model_validator(mode="after")
    def _check_models(self) -> "Settings":
        names = [model.name for model in self.models]
        if not names:
            raise ValueError("at least one model is needed")
        if len(set(names)) < len(names):
            raise ValueError("two models have the same name")
        if self.default_model and self.default_model not in names:
            raise ValueError(f"default_model {self.default_model!r} is not among the models: {', '.join(names)}")
        return self

    @model_validator(mode="after")
    def _check_minutes(self) -> "Settings":
        if self.minutes.writer == "llm" and not self.llm_configured:
            raise ValueError(
                "minutes.writer is llm, but there is neither DEEPSEEK_API_KEY nor another minutes.base_url"
            )
        return self

    @model_validator(mode="after")
    def _check_shards(self) -> "Settings":
        if self.coordinator.shards > 1 and self.ledger_url.startswith("sqlite"):
            raise ValueError(
                f"coordinator.shards is {self.coordinator.shards}, but the ledger is SQLite, which lets one writer in "
                "at a time: set ledger_url to PostgreSQL, or coordinator.shards to 1"
            )
        return self

    @model_validator(mode="after")
    def _check_auth(self) -> "Settings":
        if self.auth.mode == "off" and not is_loopback(self.http.host) and not self.auth.allow_off_anywhere:
            raise ValueError(
                f"http.host is {self.http.host}, which others can reach, but auth.mode is off: set it to keys, jwt or "
                "both, or auth.allow_off_anywhere if something in front of the endpoint authenticates"
            )
        if self.auth.mode == "off" and "*" in self.http.cors_origins:
            raise ValueError(
                "http.cors_origins lets every web page in, but auth.mode is off: any page that somebody visits could "
                "read all recordings; name the origins, or set auth.mode"
            )
        if self.auth.takes_tokens and self.auth.jwks_url and not (self.auth.jwt_issuer and self.auth.jwt_audience):
            raise ValueError(
                "auth.jwks_url needs auth.jwt_issuer and auth.jwt_audience: a provider signs the tokens of all its "
                "applications with the same keys, and without these two every one of them would be let in"
            )
        return self

    @model_validator(mode="after")
    def _check_oidc(self) -> "Settings":
        if self.oidc.issuer and self.auth.mode == "off":
            raise ValueError("oidc.issuer needs auth.mode: while it is off, nobody is asked to sign in")
        if self.oidc.issuer and not self.http.public_url:
            raise ValueError("oidc.issuer needs http.public_url, to which the provider sends people back")
        return self

    @field_serializer("deepseek_api_key", when_used="always")
    def _keep_secret(self, secret: SecretStr | None) -> str | None:
        return "**********" if secret else None

    @property
    def llm_configured(self) -> bool:
        """Whether a language model can write minutes: DeepSeek needs a key, servers of one's own may need none."""
        return self.deepseek_api_key is not None or not is_deepseek(self.minutes.base_url)

    @property
    def first_model(self) -> str:
        """The model of jobs that name none."""
        return self.default_model or self.models[0].name

    @property
    def run_dir(self) -> Path:
        """Folder of a running cluster's state file and log."""
        return self.home / "run"

    @property
    def proxy_dir(self) -> Path:
        """Folder of HAProxy's configuration and state."""
        return self.run_dir / "haproxy"

    @property
    def private_link(self) -> Path:
        """The link to the folder of the cluster's sockets: see `cluster.settings.private_files.private_folder`."""
        return self.run_dir / "private"

    @property
    def targets_dir(self) -> Path:
        """Folder of the target lists for Prometheus."""
        return self.metrics.targets_dir or self.run_dir / "targets"

    @property
    def spool_dir(self) -> Path:
        """Folder of uploads on their way to the blob store."""
        return self.home / "spool"

    @property
    def url(self) -> str:
        """The endpoint's address for users of this machine."""
        host = "127.0.0.1" if self.http.host in ("0.0.0.0", "::") else self.http.host  # noqa: S104 - compared, not bound
        return f"http://{host}:{self.http.port}"


def load_settings(
    path: Path | None = None, env: Mapping[str, str] | None = None, flags: Mapping[str, Any] | None = None
) -> Settings:
    """Read the settings; see the module's docstring for the order. Raises `ConfigurationError`, all mistakes named.

    ``env`` defaults to the process environment, over what ``./.env`` sets. ``flags`` are nested like the settings.
    """
    try:
        return settings_of(path, process_environment() if env is None else env, flags)
    except ValidationError as error:
        found = faults(error.errors(include_url=False), called="setting")
        raise ConfigurationError(f"The settings are wrong. {told(found)}") from None
    except UnicodeEncodeError:  # from bytes of the environment
        raise ConfigurationError("The settings are wrong. One of them holds bytes that are not UTF-8.") from None


def settings_of(path: Path | None, env: Mapping[str, str], flags: Mapping[str, Any] | None = None) -> Settings:
    """Merge and validate the sources of settings. Raises ``pydantic.ValidationError`` and `ConfigurationError`."""
    values = read_yaml(path) if path is not None else {}
    merge(values, from_environment(env))
    key = read_key(env)
    if key is not None:
        values["deepseek_api_key"] = key
    merge(values, flags or {})
    return Settings.model_validate(values)


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches what listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
