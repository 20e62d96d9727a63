"""The layout of a tenant's minutes unless a job chooses another: template, title, spelling of terms."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.errors import TemplateUnknown
from pipelines.export.templating.templates import SHIPPED, shipped

STANDARD = "standard"
"""MeetMemo's own layout, which is no template."""


@dataclass(frozen=True, kw_only=True)
class TenantStyle:
    """One tenant's wishes; ``template`` is a name, ``templates`` are texts by name. Empty: those of everybody."""

    template: str = ""
    title: str = ""
    glossary: tuple[str, ...] = ()
    templates: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TenantStyles:
    """Everybody's style, and what tenants have of their own."""

    everybody: TenantStyle = field(default=TenantStyle())
    tenants: Mapping[str, TenantStyle] = field(default_factory=dict)

    def names(self, tenant: str) -> tuple[str, ...]:
        """Return names of the templates that a tenant's jobs may ask for."""
        own = self._own(tenant).templates
        return tuple(dict.fromkeys((STANDARD, *SHIPPED, *self.everybody.templates, *own)))

    def template(self, tenant: str, wanted: str, language: str) -> str:
        """Return the text of the template for minutes in a language; "" for MeetMemo's own layout.

        ``wanted`` is a name, the text of a template, or "" for the tenant's usual one. Raises `TemplateUnknown`.
        """
        own = self._own(tenant)
        name = wanted or own.template or self.everybody.template or STANDARD
        if is_text(name):
            return name
        if name == STANDARD:
            return ""
        text = own.templates.get(name) or self.everybody.templates.get(name)
        if text:
            return text
        if name in SHIPPED:
            return shipped(name, language)
        raise TemplateUnknown(f"There is no template {name!r}; there are: {', '.join(self.names(tenant))}.")

    def check(self, tenant: str, wanted: str) -> None:
        """Raise `TemplateUnknown` or `TemplateInvalid` for a template that minutes cannot be laid out by.

        It is tried in this process: for the operator's templates, not for those that jobs bring.
        """
        text = self.template(tenant, wanted, "en")
        if text and text not in {shipped(name, "en") for name in SHIPPED}:  # our own are tried by our tests
            # Imported with the first template: every process reads the settings, and few of them set one.
            from pipelines.export.templating.run import check_template

            check_template(text)

    def title(self, tenant: str, wanted: str) -> str:
        """Return the title that minutes get; "" for the writer's own."""
        return wanted or self._own(tenant).title or self.everybody.title

    def glossary(self, tenant: str, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """Return all terms: the job's, the tenant's, everybody's."""
        return tuple(dict.fromkeys((*wanted, *self._own(tenant).glossary, *self.everybody.glossary)))

    def _own(self, tenant: str) -> TenantStyle:
        return self.tenants.get(tenant, _NONE)


_NONE = TenantStyle()


def is_text(template: str) -> bool:
    """Return whether this is a template itself, not the name of one."""
    return "{{" in template or "{%" in template
