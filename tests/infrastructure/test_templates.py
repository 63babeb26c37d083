"""The CloudFormation fragments against the code that relies on them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chalicelib.adapters.dynamo.tables import TABLES
from chalicelib.settings import from_environment
from pynamodb.attributes import Attribute

from infrastructure.package_site import headers_config, rewrite_function, site_template
from infrastructure.package_templates import PackagingError, check, merge, merge_template

ROOT = Path(__file__).resolve().parents[2]
INFRASTRUCTURE = ROOT / "infrastructure"
SAMPLE_MACHINE = Path(__file__).with_name("sample_machine.asl.json")
CONFIG = json.loads((ROOT / "backend" / ".chalice" / "config.json").read_text())["stages"]["live"]
STATEFUL = {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::Cognito::UserPool"}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return merge_template(INFRASTRUCTURE, SAMPLE_MACHINE, "1.2.3")


def tables_of(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    resources = template["Resources"].values()
    found = [entry["Properties"] for entry in resources if entry.get("Type") == "AWS::DynamoDB::Table"]
    return {entry["TableName"]["Fn::Sub"].removeprefix("${DeploymentName}-"): entry for entry in found}


def keys_of_template(schema: list[dict[str, str]], properties: dict[str, Any]) -> list[tuple[str, str, str]]:
    types = {entry["AttributeName"]: entry["AttributeType"] for entry in properties["AttributeDefinitions"]}
    return [(entry["KeyType"], entry["AttributeName"], types[entry["AttributeName"]]) for entry in schema]


def keys_of_model(attributes: dict[str, Any]) -> list[tuple[str, str, str]]:
    hashes = [("HASH", a.attr_name, a.attr_type) for a in attributes.values() if a.is_hash_key]
    return hashes + [("RANGE", a.attr_name, a.attr_type) for a in attributes.values() if a.is_range_key]


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.Meta.table_name)
def test_each_table_has_the_keys_and_indexes_that_its_model_reads(
    model: Any, template: dict[str, Any]
) -> None:
    properties = tables_of(template)[model.Meta.table_name]
    attributes: dict[str, Attribute[Any]] = model.get_attributes()
    assert keys_of_template(properties["KeySchema"], properties) == keys_of_model(attributes)
    wanted = {
        index.Meta.index_name: keys_of_model(index.Meta.attributes) for index in model._indexes.values()
    }
    given = {
        index["IndexName"]: keys_of_template(index["KeySchema"], properties)
        for index in properties.get("GlobalSecondaryIndexes", [])
    }
    assert given == wanted
    assert all(
        index["Projection"] == {"ProjectionType": "ALL"}
        for index in properties.get("GlobalSecondaryIndexes", [])
    )


def test_the_template_has_no_table_without_a_model_but_the_idempotency_one(template: dict[str, Any]) -> None:
    names = {model.Meta.table_name for model in TABLES}
    assert set(tables_of(template)) == names | {"idempotency"}
    assert tables_of(template)["idempotency"]["TimeToLiveSpecification"]["AttributeName"] == "expiration"


def test_what_holds_users_data_outlives_the_stack_and_tables_can_be_restored(
    template: dict[str, Any],
) -> None:
    stateful = {name: entry for name, entry in template["Resources"].items() if entry.get("Type") in STATEFUL}
    assert len(stateful) == 19
    for name, entry in stateful.items():
        assert entry["DeletionPolicy"] == "RetainExceptOnCreate", name
        assert entry["UpdateReplacePolicy"] == "Retain", name
    for name, properties in tables_of(template).items():
        assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True, name
        assert properties["BillingMode"] == "PAY_PER_REQUEST", name


def test_the_environment_of_the_functions_fills_every_setting(template: dict[str, Any]) -> None:
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    given = {name: value if isinstance(value, str) else name for name, value in variables.items()}
    settings = from_environment({**given, "TIMINGS": "{}"})
    assert settings.version == "1.2.3"
    read = {value for value in vars_of(settings) if isinstance(value, str)}
    unread = {name for name in given if not name.startswith("POWERTOOLS")} - read
    assert unread == {"LOCAL_MODELS", "TIMINGS", "VERSION"}, "each variable reaches a setting"


def vars_of(settings: Any) -> list[Any]:
    return [getattr(settings, name) for name in settings.__slots__]


def test_the_state_machine_may_invoke_exactly_the_steps(template: dict[str, Any]) -> None:
    policies = template["Resources"]["TrainingJobRole"]["Properties"]["Policies"]
    statements = [s for policy in policies for s in policy["PolicyDocument"]["Statement"]]
    invoke = [s for s in statements if s["Action"] == "lambda:InvokeFunction"]
    allowed = {arn["Fn::GetAtt"][0] for statement in invoke for arn in statement["Resource"]}
    functions = CONFIG["lambda_functions"]
    steps = {name for name, entry in functions.items() if entry["iam_policy_file"] == "policy-steps.json"}
    assert allowed == steps


def test_chalice_and_the_templates_name_the_same_functions(template: dict[str, Any]) -> None:
    in_config = {"APIHandler" if name == "api_handler" else name for name in CONFIG["lambda_functions"]}
    in_template = {name for name, entry in template["Resources"].items() if "Type" not in entry} - {"RestAPI"}
    assert in_config == in_template
    for name in in_template:
        group = template["Resources"][f"{name}Logs"]["Properties"]["LogGroupName"]["Fn::Sub"]
        assert group == "/aws/lambda/" + template["Resources"][name]["Properties"]["FunctionName"]["Fn::Sub"]


def test_requests_that_come_every_few_seconds_are_neither_all_traced_nor_metrics_of_their_own(
    template: dict[str, Any],
) -> None:
    """Each metric of a method costs as much a month as a hundred thousand requests, a trace more than its request."""
    for setting in template["Resources"]["RestAPI"]["Properties"]["MethodSettings"]:
        assert not setting.get("MetricsEnabled")
    for name, path in (("WebhookSampling", "*/webhooks/*"), ("HealthSampling", "*/api/health")):
        rule = template["Resources"][name]
        sampling = rule["Properties"]["SamplingRule"]
        assert (sampling["ReservoirSize"], sampling["FixedRate"]) == (0, 0.01)
        assert sampling["URLPath"] == path
        # The stand-in has no X-Ray.
        assert template["Conditions"][rule["Condition"]]
    minutely = [
        entry["Properties"]["Targets"][0]["Id"]
        for entry in template["Resources"].values()
        if entry.get("Type") == "AWS::Events::Rule"
        and entry["Properties"]["ScheduleExpression"] == "rate(1 minute)"
    ]
    assert minutely
    for function in minutely:
        assert template["Resources"][function]["Properties"]["Tracing"] == "PassThrough", function


def test_answers_of_the_gateway_itself_have_the_error_envelope(template: dict[str, Any]) -> None:
    body = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    answers = body["x-amazon-apigateway-gateway-responses"]
    for name, answer in answers.items():
        text = answer["responseTemplates"]["application/json"]
        envelope = json.loads(text.replace("$context.requestId", "id"))
        assert set(envelope) == {"error", "details", "code", "request_id"}, name
        assert envelope["request_id"] == "id"
        assert envelope["error"].endswith((".", "$context.error.message")), name
    statuses = {name: answer.get("statusCode") for name, answer in answers.items()}
    assert statuses["MISSING_AUTHENTICATION_TOKEN"] == "404"
    assert statuses["REQUEST_TOO_LARGE"] == "413"
    assert statuses["THROTTLED"] == "429"
    assert statuses["INTEGRATION_TIMEOUT"] == "504"


def test_the_training_machine_gets_the_arn_of_each_step_it_names() -> None:
    machine = ROOT / "step_functions" / "training_job.asl.json"
    properties = merge_template(INFRASTRUCTURE, machine, "1")["Resources"]["TrainingJob"]["Properties"]
    substitutions = properties["DefinitionSubstitutions"]
    steps = {n for n, e in CONFIG["lambda_functions"].items() if e["iam_policy_file"] == "policy-steps.json"}
    assert set(substitutions) == steps
    assert all(value == {"Fn::GetAtt": [name, "Arn"]} for name, value in substitutions.items())
    assert json.loads(properties["DefinitionString"]) == json.loads(machine.read_text())


def test_an_unknown_name_in_the_state_machine_stops_packaging(tmp_path: Path) -> None:
    machine = tmp_path / "machine.json"
    machine.write_text(SAMPLE_MACHINE.read_text().replace("${TerminatePod}", "${TerminatePods}"))
    with pytest.raises(PackagingError, match=r"\$\{TerminatePods\}"):
        merge_template(INFRASTRUCTURE, machine, "1")


def test_two_fragments_cannot_silently_disagree() -> None:
    with pytest.raises(PackagingError, match=r"template\.a\.b"):
        merge({"a": {"b": 1}}, {"a": {"b": 2}})
    assert merge({"a": {"b": 1}}, {"a": {"c": 2}}) == {"a": {"b": 1, "c": 2}}


def test_a_function_that_only_one_side_knows_stops_packaging() -> None:
    function = {"Type": "AWS::Serverless::Function", "Properties": {"FunctionName": "x"}}
    check({"Resources": {"Known": function}})
    with pytest.raises(PackagingError, match="does not declare: Ghost"):
        check({"Resources": {"Known": function, "Ghost": {"Properties": {"FunctionName": "x"}}}})
    with pytest.raises(PackagingError, match=r"functions\.json lacks: New"):
        check({"Resources": {"New": {"Type": "AWS::Serverless::Function", "Properties": {}}}})


PAGES = [
    {"pattern": "/", "page": "jobs.html"},
    {"pattern": "/training-jobs/{job_id}", "page": "job.html"},
    {"pattern": "/training-jobs/new", "page": "new_job.html"},
]


def rewritten(uri: str) -> dict[str, Any]:
    script = rewrite_function(PAGES) + (
        f"\nconsole.log(JSON.stringify(handler({{request: {{uri: {json.dumps(uri)}}}}})));"
    )
    node = Path(sys.executable).with_name("node")
    result = subprocess.run([node, "-e", script], capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


@pytest.mark.parametrize(
    ("uri", "page"),
    [
        ("/", "/jobs.html"),
        ("/training-jobs/new", "/new_job.html"),
        ("/training-jobs/job_1", "/job.html"),
        ("/training-jobs/job_1/", "/job.html"),
        ("/static/app.js", "/static/app.js"),
    ],
)
def test_the_distribution_serves_the_page_of_an_address(uri: str, page: str) -> None:
    assert rewritten(uri) == {"uri": page}


@pytest.mark.parametrize("uri", ["/nothing", "/training-jobs", "/training-jobs/a/b", "/training-jobs//"])
def test_an_address_without_a_page_is_a_404_that_leads_home(uri: str) -> None:
    answer = rewritten(uri)
    assert answer["statusCode"] == 404
    assert 'href="/"' in answer["body"]


def test_every_header_of_the_site_reaches_the_distribution() -> None:
    headers = json.loads((ROOT / "frontend_static" / "security_headers.json").read_text())
    config = headers_config(headers)
    text = json.dumps(config)
    custom = {item["Header"] for item in config["CustomHeadersConfig"]["Items"]}
    assert len(config["SecurityHeadersConfig"]) + len(custom) == len(headers)
    assert "BUCKET_ORIGIN" not in text
    assert config["SecurityHeadersConfig"]["StrictTransportSecurity"]["AccessControlMaxAgeSec"] == 31536000
    with pytest.raises(PackagingError, match="max-age"):
        headers_config({"Strict-Transport-Security": "includeSubDomains"})


def test_a_rewrite_function_that_cloudfront_would_refuse_stops_packaging() -> None:
    with pytest.raises(PackagingError, match="10,240"):
        rewrite_function([{"pattern": f"/page-{number}", "page": "x.html"} for number in range(600)])


def test_the_site_sends_api_calls_to_the_api_and_never_caches_them() -> None:
    site = site_template(ROOT)["Resources"]["Distribution"]["Properties"]["DistributionConfig"]
    behaviours = {entry["PathPattern"]: entry for entry in site["CacheBehaviors"]}
    assert set(behaviours) == {"/api/*", "/webhooks/*"}
    for entry in behaviours.values():
        assert entry["TargetOriginId"] == "api"
        assert set(entry["AllowedMethods"]) >= {"GET", "POST", "PUT", "PATCH", "DELETE"}
    origins = {entry["Id"]: entry for entry in site["Origins"]}
    assert origins["api"]["OriginPath"] == "/" + CONFIG["api_gateway_stage"]
    # One error page for all origins would swallow the API's own errors.
    assert "CustomErrorResponses" not in site


@pytest.mark.parametrize("function", ["ProvisionPod", "SweepPods"])
def test_who_rents_pods_and_who_tries_their_door_know_the_address_of_the_api_itself(
    function: str, template: dict[str, Any]
) -> None:
    given = template["Resources"][function]["Properties"]["Environment"]["Variables"]["REPORT_URL"]
    condition, other, own = given["Fn::If"]
    assert template["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "ReportUrl"}, ""]}]}
    assert template["Parameters"]["ReportUrl"]["Default"] == ""
    assert other == {"Ref": "ReportUrl"}
    assert own == template["Outputs"]["ApiUrl"]["Value"]
