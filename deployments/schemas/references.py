"""A submitter's references to a recording: ``external_id`` and ``metadata``, given wherever options are."""

import json
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, field_validator

from deployments.schemas.option_values import given
from deployments.schemas.options import ApiModel, parsed
from pipelines.jobs.options import NO_CONTROLS
from pipelines.jobs.reference import Reference

MAX_EXTERNAL_ID_CHARS = 255
MAX_METADATA = 16

ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_EXTERNAL_ID_CHARS, pattern=NO_CONTROLS)]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_CONTROLS)]
_Value = Annotated[str, StringConstraints(max_length=256, pattern=NO_CONTROLS)]


class ReferenceFields(ApiModel):
    """The origin of a recording; given beside the options, in any of their places."""

    external_id: ExternalId | None = Field(
        None,
        description="The submitter's own id of the recording, such as that of the call. One job of a tenant has it: "
        "the same recording under it again is answered with that job, another one is refused.",
    )
    metadata: dict[_Name, _Value] = Field(
        default_factory=dict,
        max_length=MAX_METADATA,
        description="Names and values to keep with the job and to tell in its answers; as JSON in a form or a query.",
    )

    @field_validator("metadata", mode="before")
    @classmethod
    def _from_json(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError('must be a JSON object such as {"queue": "sales"}') from None

    @classmethod
    def taken_from(cls, values: dict[str, Any]) -> Reference:
        """Take these fields out of what was given beside the options; raises `InvalidOptions`."""
        return parsed(cls, given({name: values.pop(name) for name in cls.model_fields if name in values})).to_domain()

    def to_domain(self) -> Reference:
        return Reference(external_id=self.external_id or "", metadata=tuple(sorted(self.metadata.items())))

    @classmethod
    def from_domain(cls, reference: Reference) -> Self:
        return cls(external_id=reference.external_id or None, metadata=dict(reference.metadata))
