"""Correction: importing an OpenAPI document keeps what makes CORS preflights and binary bodies work.

Stock ministack drops integration responses, request templates and method responses, so a preflight has no
headers, and drops `x-amazon-apigateway-binary-media-types`, so a binary body arrives corrupted.
"""

from __future__ import annotations

from typing import Any

from ministack_launcher.patching import require

PATCH = "OpenAPI import"
EXPECTED = {
    "_import_operation": "ca6b0dd9dcf2c8f1",
    "_import_rest_api": "ef72f9312702dbb3",
    "_put_integration_response": "128fe607f6c482fb",
    "_put_method_response": "52b6151d8b0bc030",
}
KEPT_OF_INTEGRATION = (
    "requestTemplates",
    "requestParameters",
    "contentHandling",
    "timeoutInMillis",
    "credentials",
    "passthroughBehavior",
)
BINARY_TYPES = "x-amazon-apigateway-binary-media-types"


def _keep_responses(
    gateway: Any, api_id: str, resource_id: str, method: str, operation: dict[str, Any]
) -> None:
    integration = operation.get("x-amazon-apigateway-integration") or {}
    for pattern, response in (integration.get("responses") or {}).items():
        selection = "" if pattern == "default" else pattern
        status = str(response.get("statusCode", "200"))
        gateway._put_integration_response(
            api_id, resource_id, method, status, {**response, "selectionPattern": selection}
        )
    for status, response in (operation.get("responses") or {}).items():
        headers = {f"method.response.header.{name}": False for name in response.get("headers") or {}}
        gateway._put_method_response(
            api_id, resource_id, method, str(status), {"responseParameters": headers}
        )


def apply(gateway: Any) -> None:
    """Correct `ministack.services.apigateway_v1`."""
    require(PATCH, gateway, EXPECTED)
    import_operation_stock, import_api_stock = gateway._import_operation, gateway._import_rest_api

    def import_operation(
        api_id: str, resource_id: str, method: str, operation: dict[str, Any], *security: Any
    ) -> None:
        import_operation_stock(api_id, resource_id, method, operation, *security)
        imported = gateway._resources[api_id][resource_id]["resourceMethods"][method].get("methodIntegration")
        if imported:
            document = operation["x-amazon-apigateway-integration"]
            imported.update({k: document[k] for k in KEPT_OF_INTEGRATION if document.get(k) is not None})
            _keep_responses(gateway, api_id, resource_id, method, operation)

    def import_rest_api(document: dict[str, Any], base: dict[str, Any] | None = None) -> Any:
        given = dict(base or {})
        if not given.get("binaryMediaTypes"):
            given["binaryMediaTypes"] = document.get(BINARY_TYPES) or []
        return import_api_stock(document, given)

    gateway._import_operation = import_operation
    gateway._import_rest_api = import_rest_api
