"""Correction: importing an OpenAPI document keeps `x-amazon-apigateway-gateway-responses`.

Stock ministack renders customised gateway responses, but takes them through their own API only; what a
document says is dropped, so an unknown address answers in the gateway's own shape.
"""

from __future__ import annotations

from typing import Any

from ministack_launcher.patching import require

PATCH = "gateway responses"
# `_import_rest_api` itself is held by `openapi_import`, which is applied before.
EXPECTED = {
    "_put_gateway_response": "93e727fc3806527a",
    "_create_deployment": "cf248c888e1fa3d7",
}
RESPONSES = "x-amazon-apigateway-gateway-responses"


class RefusedGatewayResponseError(ValueError):
    """A document states a gateway response that API Gateway does not know."""


def apply(gateway: Any) -> None:
    """Correct `ministack.services.apigateway_v1`."""
    require(PATCH, gateway, EXPECTED)
    import_stock = gateway._import_rest_api

    def import_rest_api(document: dict[str, Any], base: dict[str, Any] | None = None) -> Any:
        api_id = import_stock(document, base)
        for response_type, response in (document.get(RESPONSES) or {}).items():
            status, _, body = gateway._put_gateway_response(api_id, response_type, response)
            if status >= 400:
                raise RefusedGatewayResponseError(f"{RESPONSES}.{response_type}: {body.decode()}")
        return api_id

    gateway._import_rest_api = import_rest_api
