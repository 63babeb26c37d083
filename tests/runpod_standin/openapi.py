"""RunPod's own OpenAPI document as a judge of requests and replies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

_DOCUMENT = "urn:runpod"


class OpenApiDocument:
    """Validates by method, path template and status. Raises jsonschema.ValidationError or AssertionError."""

    def __init__(self, path: Path) -> None:
        self._document = json.loads(path.read_text())
        resource = Resource.from_contents(self._document, default_specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource(_DOCUMENT, resource)

    def check_request(self, method: str, template: str, body: Any) -> None:
        """The JSON body of a request."""
        pointer = f"{self._operation(method, template)}/requestBody/content/application~1json/schema"
        self._validate(pointer, body)

    def check_query(self, method: str, template: str, names: set[str]) -> None:
        """Every query parameter that is sent is documented."""
        operation = self._document["paths"][template][method.lower()]
        known = {self._parameter(parameter)["name"] for parameter in operation.get("parameters", [])}
        assert names <= known, f"{method} {template} has no parameters {sorted(names - known)}"

    def check_reply(self, method: str, template: str, status: int, content_type: str, body: Any) -> None:
        """Status, media type and JSON body of a reply. 204 has no body to check."""
        responses = self._document["paths"][template][method.lower()]["responses"]
        key = str(status) if str(status) in responses else "default"
        response = responses[key]
        pointer = f"{self._operation(method, template)}/responses/{key}"
        if "$ref" in response:
            pointer = response["$ref"].removeprefix("#")
            response = self._document["components"]["responses"][pointer.rpartition("/")[2]]
        if "content" not in response:
            assert body is None, f"{status} has no body in the document"
            return
        media = content_type.partition(";")[0]
        assert media in response["content"], f"{media} is not documented for {status}"
        self._validate(f"{pointer}/content/{media.replace('/', '~1')}/schema", body)

    def _operation(self, method: str, template: str) -> str:
        return f"/paths/{template.replace('/', '~1')}/{method.lower()}"

    def _parameter(self, parameter: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in parameter:
            found: dict[str, Any] = self._document["components"]["parameters"][
                parameter["$ref"].rpartition("/")[2]
            ]
            return found
        return parameter

    def _validate(self, pointer: str, body: Any) -> None:
        # Braces of path templates are percent-encoded in a URI fragment.
        reference = f"{_DOCUMENT}#{pointer.replace('{', '%7B').replace('}', '%7D')}"
        Draft202012Validator({"$ref": reference}, registry=self._registry).validate(body)
