"""The OpenAPI document: complete, consistent, and true to what the routes do."""

import json
import re
from urllib.parse import urljoin, urlsplit

import pytest

from deployments.http.errors.dialects import dialect_of
from deployments.schemas.options import Options
from deployments.schemas.references import ReferenceFields
from pipelines.errors import Reason


@pytest.fixture
async def document(api):
    answer = await api.client.get("/openapi.json")
    assert answer.status_code == 200
    return answer.json()


def operations(document):
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


async def test_references_resolve(document):
    """Every reference leads to a schema that is there, and FastAPI's own error schema is gone."""
    schemas = document["components"]["schemas"]
    used = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert used <= set(schemas)
    assert {"Problem", "JobBody", "Options", "Reason"} <= set(schemas)
    assert "HTTPValidationError" not in json.dumps(document)


async def test_every_operation_is_described(document):
    """Every operation has a tag that exists, a summary, and documented errors where it can fail."""
    tags = {tag["name"] for tag in document["tags"]}
    for method, path, operation in operations(document):
        assert operation["summary"], (method, path)
        assert set(operation["tags"]) <= tags
        if dialect := dialect_of(path):
            assert dialect.form.__name__ in json.dumps(operation["responses"]["500"]), path
            assert "422" not in operation["responses"], path
            continue
        if path.startswith("/v1"):
            assert "application/problem+json" in operation["responses"]["500"]["content"]
        for status, response in operation["responses"].items():
            if int(status) >= 400 and path.startswith("/v1"):
                examples = response["content"]["application/problem+json"]["examples"]
                assert {example["value"]["status"] for example in examples.values()} == {int(status)}
                assert set(examples) <= set(Reason)


async def test_submit_is_documented(document):
    """All three forms of body and every option are documented, in the query and in the form."""
    submit = document["paths"]["/v1/jobs"]["post"]
    content = submit["requestBody"]["content"]
    assert {"multipart/form-data", "application/json", "application/octet-stream"} <= set(content)
    query = {parameter["name"] for parameter in submit["parameters"] if parameter["in"] == "query"}
    assert query == {*Options.model_fields, *ReferenceFields.model_fields, "filename"}
    assert set(content["multipart/form-data"]["schema"]["properties"]) == {*query, "file", "options"}
    assert {"200", "202", "400", "408", "413", "415", "422", "429", "503"} <= set(submit["responses"])
    assert {p["name"] for p in submit["parameters"] if p["in"] == "header"} == {"Idempotency-Key", "X-Filename"}


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("get", "/v1/jobs/{job_id}", {"200", "404", "503"}),
        ("delete", "/v1/jobs/{job_id}", {"200", "202", "404", "409", "422", "503"}),
        ("get", "/v1/jobs/{job_id}/events", {"200", "204", "400", "404", "429", "503"}),
        ("get", "/v1/jobs/{job_id}/results/{name}", {"200", "304", "404", "409", "503"}),
        ("get", "/readyz", {"200", "503"}),
    ],
)
async def test_statuses(document, method, path, statuses):
    """Every status a route can answer is documented."""
    assert statuses <= set(document["paths"][path][method]["responses"])


async def test_docs_page(api):
    """The interactive page is served."""
    assert (await api.client.get("/docs")).status_code == 200


async def test_docs_need_no_other_server(api):
    """The documentation page loads nothing from elsewhere, so that it works on a closed network."""
    page = (await api.client.get("/docs")).text
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources
    assert not any(urlsplit(source).netloc or source.startswith("/") for source in sources), "a prefix would be lost"
    for source in sources:
        assert (await api.client.get(urljoin("/docs", source))).status_code == 200
