"""`JobPolicy`: what a tenant's job may ask for, and whose wishes cannot be fulfilled."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from deployments.artifacts.template_queue import TemplateQueue
from deployments.notifications.webhooks import WebhookLimits, target_complaint
from deployments.schemas.options import MinutesOverrides, Options, field_schemas
from pipelines.errors import ConfigurationError, ModelUnknown, refused_option
from pipelines.export.templating.tenant_styles import TenantStyles
from pipelines.jobs.options import MAX_PRIORITY, JobOptions
from pipelines.jobs.stages import Work
from pipelines.models.profile import ModelProfile
from pipelines.text.language_names import same_language
from pipelines.text.languages import LANGUAGES


@dataclass(frozen=True, kw_only=True)
class JobPolicy:
    """The options that a tenant's job may have: models and their features, minutes, templates, notifications.

    ``profiles`` tells by model what it can, ``styles`` how tenants' minutes look, ``vocabularies`` the words that each
    tenant's decoder is given, ``reuse`` whether earlier transcripts are taken, ``diarize`` what holds for recordings
    of one channel (see `pipelines.jobs.options.JobOptions`). ``webhooks`` None: no webhooks, nor while ``can_sign``
    says that there is no secret for them; ``mail_domains`` None: no e-mails, empty: to every domain. Raises
    `ConfigurationError` when the default model is not among ``models``.
    """

    models: tuple[str, ...]
    default_model: str
    llm_configured: bool = False
    profiles: Mapping[str, ModelProfile] = field(default_factory=dict)
    keeps_audio: bool = True
    styles: TenantStyles = field(default=TenantStyles())
    tenant: str = "default"
    vocabularies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reuse: bool = True
    diarize: str | None = None
    webhooks: WebhookLimits | None = None
    can_sign: Callable[[], bool] = lambda: True
    mail_domains: frozenset[str] | None = None
    templates: TemplateQueue = field(default_factory=TemplateQueue)

    def __post_init__(self) -> None:
        if self.default_model not in self.models:
            known = ", ".join(self.models) or "no models"
            raise ConfigurationError(f"the default model {self.default_model!r} is not among {known}")

    async def check(self, options: Options) -> JobOptions:
        """Fill in the default model.

        What cannot be done is refused here, not found out when every chunk has failed. Raises `ModelUnknown` with the
        names there are, `InvalidOptions`, `TemplateUnknown`, `TemplateInvalid`, and `Overloaded` for too many templates
        at once.
        """
        chosen = self._chosen(options)
        if template := self._template(chosen):
            await self.templates.check(self.tenant, template)
        return chosen

    def check_blocking(self, options: Options) -> JobOptions:
        """Check options as `check` does, from a thread."""
        chosen = self._chosen(options)
        if template := self._template(chosen):
            self.templates.check_blocking(self.tenant, template)
        return chosen

    def _template(self, options: JobOptions) -> str:
        """Return the text of the template a job asks for, "" for none of its own; raises `TemplateUnknown`."""
        wanted = options.minutes_template
        return self.styles.template(self.tenant, wanted, "en") if wanted else ""

    def _chosen(self, options: Options) -> JobOptions:
        chosen = options.to_domain(self.default_model, reuse=self.reuse, diarize=self.diarize)
        if chosen.keep_audio and not self.keeps_audio:
            raise refused_option("keep_audio", "recordings are not kept here")
        _check_speakers(chosen)
        self._check_minutes(chosen)
        self._check_minutes_language(chosen)
        if complaint := self._about_webhook(chosen.webhook_url):
            raise refused_option("webhook_url", complaint)
        if complaint := self._about_recipients(chosen.recipients):
            raise refused_option("recipients", complaint)
        return self._for_decoder(chosen)

    def _for_decoder(self, chosen: JobOptions) -> JobOptions:
        """Add the tenant's vocabulary, and refuse what the model cannot do."""
        usual = self.vocabularies.get(self.tenant, ())
        chosen = replace(chosen, vocabulary=tuple(dict.fromkeys((*chosen.vocabulary, *usual))))
        self.check_model(chosen.model)
        profile = self.profiles.get(chosen.model, ModelProfile())
        self._check_languages(chosen, profile)
        if chosen.task == "translate" and not profile.can_translate:
            raise refused_option("task", f"the model {chosen.model} cannot translate")
        return chosen

    def schemas(self) -> dict[str, dict[str, Any]]:
        """Return the JSON Schema of each option that can be had here, with the names there are to choose from."""
        schemas = field_schemas(Options)
        schemas["model"] |= {"enum": list(self.models), "default": self.default_model}
        schemas["language"]["enum"] = schemas["minutes_language"]["examples"] = sorted(LANGUAGES)
        schemas["languages"]["items"] |= {"enum": sorted(LANGUAGES)}
        schemas["minutes_template"]["examples"] = list(self.styles.names(self.tenant))
        if not self.llm_configured:
            schemas["minutes"]["enum"] = [name for name in schemas["minutes"]["enum"] if name != "llm"]
        offered = {
            "keep_audio": self.keeps_audio,
            "webhook_url": self.webhooks is not None and self.can_sign(),
            "recipients": self.mail_domains is not None,
            "translate": self.llm_configured,
        }
        return {name: schema for name, schema in schemas.items() if offered.get(name, True)}

    async def rewritten(self, options: JobOptions, overrides: MinutesOverrides) -> JobOptions:
        """Return the options of a job that writes minutes anew; it goes before recordings that wait. See `check`."""
        given = overrides.model_dump(exclude_none=True, exclude={"version"})
        if options.minutes == "none":
            given = {"minutes": "auto", **given}
        if given.get("minutes_language") == "":
            given["minutes_language"] = None
        chosen = replace(options, priority=MAX_PRIORITY, keep_audio=False, **given)
        self._check_minutes(chosen)
        self._check_minutes_language(chosen)
        if template := self._template(chosen):
            await self.templates.check(self.tenant, template)
        return chosen

    async def redone(self, options: JobOptions, work: Work) -> JobOptions:
        """Return the options of a job that does a stage again, checked as far as they count for its ``work``.

        It keeps no recording of its own and tells nobody by e-mail; one that needs no recording goes before those that
        wait. See `check`.
        """
        chosen = replace(options, keep_audio=False, recipients=(), deadline=None)
        if work is Work.NONE:
            chosen = replace(chosen, priority=MAX_PRIORITY)
        else:
            _check_speakers(chosen)
            self._check_minutes(chosen)
            self._check_minutes_language(chosen)
        if work is Work.DECODE:
            chosen = self._for_decoder(chosen)
        if template := self._template(chosen):
            await self.templates.check(self.tenant, template)
        return chosen

    def _check_languages(self, options: JobOptions, profile: ModelProfile) -> None:
        if profile.languages is None:
            return
        asked = {"language": (options.language,) if options.language else (), "languages": options.languages}
        for name, codes in asked.items():
            if unknown := [code for code in codes if code not in profile.languages]:
                speaks = f"the model {options.model} speaks only {', '.join(profile.languages)}"
                raise refused_option(name, speaks if name == "language" else f"{speaks}, not {', '.join(unknown)}")

    def _check_minutes_language(self, options: JobOptions) -> None:
        """Raise `InvalidOptions` for minutes in a language that nobody speaks and no language model can write."""
        wanted, by_rules = options.minutes_language, options.minutes == "extractive" or not self.llm_configured
        if not wanted or options.minutes == "none" or not by_rules:
            return
        if options.task == "translate":
            spoken: Sequence[str] = ("en",)
        elif options.language:
            spoken = (options.language,)
        else:
            spoken = options.languages or self.profiles.get(options.model, ModelProfile()).languages or ()
        if any(same_language(wanted, code) for code in spoken or LANGUAGES):
            return
        told = f" ({', '.join(spoken)})" if spoken else ""
        raise refused_option(
            "minutes_language",
            f"minutes in {wanted} need a language model: without one they are in the language of the transcript{told}",
        )

    def _check_minutes(self, options: JobOptions) -> None:
        if options.minutes == "llm" and not self.llm_configured:
            raise refused_option("minutes", "no language model is configured; auto and extractive work without one")
        if options.translate and not self.llm_configured:
            raise refused_option("translate", "no language model is configured; task=translate needs none")

    def _about_webhook(self, url: str | None) -> str:
        if url is None:
            return ""
        if self.webhooks is None or not self.can_sign():
            return "this server has no secret to sign webhooks with"
        return target_complaint(url, self.webhooks)

    def _about_recipients(self, addresses: Sequence[str]) -> str:
        if not addresses:
            return ""
        if self.mail_domains is None:
            return "no mail server is configured"
        domains = {address.rpartition("@")[2].lower() for address in addresses}
        foreign = domains - self.mail_domains if self.mail_domains else set()
        return f"no mail is sent to {', '.join(sorted(foreign))}" if foreign else ""

    def check_model(self, name: str) -> None:
        """Raise `ModelUnknown`, with the names there are, for one that is not among them."""
        if name not in self.models:
            raise ModelUnknown(f"There is no model {name!r}; there are: {', '.join(self.models)}.")


def _check_speakers(options: JobOptions) -> None:
    if options.diarize and options.channels == "mix" and options.track != "all" and options.is_named(0):
        raise refused_option("diarize", "speakers names the only channel, so that its voices are one speaker's")
