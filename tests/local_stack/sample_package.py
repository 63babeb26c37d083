"""Packages the sample application the way the real one is packaged: `sam.json` and `deployment.zip`."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

HANDLER = Path(__file__).with_name("sample_handler.py")
PREFLIGHT_HEADERS = {
    "method.response.header.Access-Control-Allow-Origin": "'https://example.com'",
    "method.response.header.Access-Control-Allow-Methods": "'GET,POST,OPTIONS'",
}


def _integration() -> dict[str, Any]:
    functions = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions"
    uri = f"{functions}/${{ApiFunction.Arn}}/invocations"
    return {
        "type": "aws_proxy",
        "httpMethod": "POST",
        "uri": {"Fn::Sub": uri},
        "passthroughBehavior": "when_no_match",
        "contentHandling": "CONVERT_TO_TEXT",
    }


def _preflight() -> dict[str, Any]:
    return {
        "responses": {
            "200": {"headers": {name.rpartition(".")[2]: {"type": "string"} for name in PREFLIGHT_HEADERS}}
        },
        "x-amazon-apigateway-integration": {
            "type": "mock",
            "requestTemplates": {"application/json": '{"statusCode": 200}'},
            "responses": {"default": {"statusCode": "200", "responseParameters": PREFLIGHT_HEADERS}},
        },
    }


def _operation() -> dict[str, Any]:
    return {"x-amazon-apigateway-integration": _integration(), "responses": {"200": {}}}


def _paths() -> dict[str, Any]:
    return {
        "/api/health": {"get": _operation()},
        "/api/environment": {"get": _operation()},
        "/api/session": {"post": _operation()},
        "/api/tokens": {"post": _operation()},
        "/api/me": {"get": _operation()},
        "/api/echo": {"post": _operation(), "options": _preflight()},
        "/api/files/{name}": {"get": _operation()},
        "/webhooks/{proxy+}": {"post": _operation()},
    }


def _function(handler: str) -> dict[str, Any]:
    return {
        "Type": "AWS::Serverless::Function",
        "Properties": {
            "Runtime": "python3.11",
            "Handler": handler,
            "CodeUri": "./deployment.zip",
            "MemorySize": 128,
            "Timeout": 10,
            "Environment": {"Variables": {"OWNER_EMAIL": {"Ref": "OwnerEmail"}}},
        },
    }


def _resources() -> dict[str, Any]:
    table = {
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    }
    return {
        "ApiFunction": _function("sample_handler.api"),
        "StepFunction": _function("sample_handler.step"),
        "RestAPI": {
            "Type": "AWS::Serverless::Api",
            "Properties": {
                "StageName": "api",
                "EndpointConfiguration": "EDGE",
                "DefinitionBody": {
                    "swagger": "2.0",
                    "info": {"version": "1.0", "title": "sample"},
                    "x-amazon-apigateway-binary-media-types": ["application/octet-stream"],
                    "paths": _paths(),
                },
            },
        },
        "InvokePermission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": {"Ref": "ApiFunction"},
                "Action": "lambda:InvokeFunction",
                "Principal": "apigateway.amazonaws.com",
            },
        },
        "Jobs": {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": "sample-jobs", **table}},
        "Files": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "sample-files"}},
        "Users": {"Type": "AWS::Cognito::UserPool", "Properties": {"UserPoolName": "sample"}},
        "UserClient": {
            "Type": "AWS::Cognito::UserPoolClient",
            "Properties": {"UserPoolId": {"Ref": "Users"}, "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH"]},
        },
    }


def template(title: str = "sample") -> dict[str, Any]:
    """The template; another title is another template."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Description": title,
        "Parameters": {"OwnerEmail": {"Type": "String"}, "PublicUrl": {"Type": "String"}},
        "Resources": _resources(),
        "Outputs": {
            "ApiUrl": {
                "Value": {"Fn::Sub": "https://${RestAPI}.execute-api.${AWS::Region}.${AWS::URLSuffix}/api/"}
            },
            "BucketName": {"Value": {"Ref": "Files"}},
            "StepFunctionName": {"Value": {"Ref": "StepFunction"}},
            "UserPoolId": {"Value": {"Ref": "Users"}},
            "UserPoolClientId": {"Value": {"Ref": "UserClient"}},
        },
    }


def write_package(folder: Path, title: str = "sample") -> Path:
    """Write the package into `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sam.json").write_text(json.dumps(template(title)))
    with zipfile.ZipFile(folder / "deployment.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(HANDLER, HANDLER.name)
    return folder
