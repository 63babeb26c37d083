"""The correction that keeps the gateway responses of an OpenAPI document in a template."""

from __future__ import annotations

import json
from typing import Any

from tests.local_stack.stand_in import StandIn, wait_until

TYPE = "MISSING_AUTHENTICATION_TOKEN"
TEMPLATES = {"application/json": '{"error":"nothing here"}'}
DOCUMENT = {
    "swagger": "2.0",
    "info": {"title": "gateway responses", "version": "1"},
    "paths": {},
    "x-amazon-apigateway-gateway-responses": {TYPE: {"statusCode": "404", "responseTemplates": TEMPLATES}},
}
TEMPLATE = {
    "Resources": {"Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Body": DOCUMENT}}},
    "Outputs": {"Id": {"Value": {"Ref": "Api"}}},
}


def _deployed(stand_in: StandIn) -> dict[str, Any]:
    cloudformation = stand_in.client("cloudformation")
    cloudformation.create_stack(StackName="gateway-responses", TemplateBody=json.dumps(TEMPLATE))

    def created() -> list[dict[str, str]] | None:
        stack = cloudformation.describe_stacks(StackName="gateway-responses")["Stacks"][0]
        assert "FAILED" not in stack["StackStatus"], stack
        return stack["Outputs"] if stack["StackStatus"] == "CREATE_COMPLETE" else None

    (output,) = wait_until(created, "the stack is created")
    found: dict[str, Any] = stand_in.client("apigateway").get_gateway_response(
        restApiId=output["OutputValue"], responseType=TYPE
    )
    return found


def test_a_gateway_response_of_a_document_is_kept(corrected: StandIn) -> None:
    kept = _deployed(corrected)
    assert (kept["statusCode"], kept["responseTemplates"]) == ("404", TEMPLATES)


def test_the_stock_stand_in_drops_it(stock: StandIn) -> None:
    assert _deployed(stock)["defaultResponse"] is True
