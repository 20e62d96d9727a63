"""Manifests compared with the published forms of what they are: Kubernetes, KubeRay, the Prometheus operator."""

import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

from tests.support.kuberay import RAY_SERVICE

VERSIONS = ("1.34", "1.35", "1.36", "1.37")
"""Versions of Kubernetes that the chart is checked against."""

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def faults(manifest: dict[str, Any], version: str) -> list[str]:
    """Return each respect in which a manifest has not the form of its kind, unknown fields among them."""
    if manifest["apiVersion"].startswith("monitoring.coreos.com/"):
        return _monitoring_faults(manifest)
    if manifest["apiVersion"].startswith("ray.io/"):
        schema = {"$schema": _DRAFT, "$id": "https://kubernetes.io/api/rayservice.json", **RAY_SERVICE}
    else:
        schema = _schema(manifest["kind"], manifest["apiVersion"], version)
    validator = Draft202012Validator(schema, registry=_definitions(version))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(manifest)]


@cache
def _definitions(version: str) -> "Registry[Any]":
    return Resource.from_contents(_contents("_definitions", version)) @ Registry()


@cache
def _schema(kind: str, api_version: str, version: str) -> dict[str, Any]:
    """Return the strict schema of a kind: ``policy/v1`` stays, ``networking.k8s.io/v1`` is called ``networking-v1``."""
    called = re.sub(r"^([^./]*)[^/]*/", r"\1-", api_version)
    return _contents(f"{kind.lower()}-{called}", version)


def _contents(name: str, version: str) -> dict[str, Any]:
    contents: dict[str, Any] = schema_contents(f"kubernetes-json-schema/v{version}.0-local-strict/{name}.json", version)
    return contents


def _monitoring_faults(manifest: dict[str, Any]) -> list[str]:
    """Read the manifest with the operator's models, which drop what they do not know, and compare what is left."""
    from cloudcoil.models.prometheus_operator import v1  # takes seconds
    from pydantic import ValidationError

    try:
        read = getattr(v1, manifest["kind"]).model_validate(manifest)
    except ValidationError as error:
        return [str(error)]
    return list(_dropped("$", manifest, read.model_dump(mode="json", by_alias=True, exclude_none=True)))


def _dropped(path: str, given: Any, read: Any) -> "list[str]":
    if isinstance(given, dict) and isinstance(read, dict):
        parts = [(f"{path}.{key}", value, read.get(key)) for key, value in given.items()]
    elif isinstance(given, list) and isinstance(read, list):
        parts = [(f"{path}[{i}]", *pair) for i, pair in enumerate(zip(given, read, strict=True))]
    else:
        return [] if given == read else [f"{path}: {given!r} was read as {read!r}"]
    return [fault for part in parts for fault in _dropped(*part)]
