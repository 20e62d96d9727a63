"""The service on the wire: its models, and how it is."""

from typing import Literal

from deployments.schemas.options import ApiModel


class ModelBody(ApiModel):
    """A configured model; ``ready`` is null while the Coordinator does not answer."""

    name: str
    default: bool
    ready: bool | None
    detail: str


class ModelCard(ApiModel):
    """A model as OpenAI's clients expect it; ``created`` is unknown and therefore 0."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "meetmemo"


class ModelList(ApiModel):
    """The models a job may name; ``object`` and ``data`` are what OpenAI's clients read."""

    models: list[ModelBody]
    object: Literal["list"] = "list"
    data: list[ModelCard]


Status = Literal["ok", "degraded", "down"]


class ComponentBody(ApiModel):
    """State of one component."""

    status: Status
    detail: str = ""


class ReadyBody(ApiModel):
    """Readiness of the whole and of each component."""

    status: Status
    version: str
    components: dict[str, ComponentBody]


class AliveBody(ApiModel):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str
