"""The site's template: pages from a bucket and the API behind one CloudFront origin.

Rewrites come from frontend_static/routes.json and headers from frontend_static/security_headers.json, which
the one-machine stack serves by too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infrastructure.package_templates import PackagingError, read_json

# Takes the place of BUCKET_ORIGIN in the headers: where presigned links of the data bucket point to.
BUCKET_ORIGIN = "https://${DataBucketName}.s3.${AWS::Region}.${AWS::URLSuffix} https://${DataBucketName}.s3.${AWS::URLSuffix}"
MAX_FUNCTION_BYTES = 10_240

# A viewer-request function. A last path part with a dot is a file; all else must match a page's pattern.
REWRITE = """var pages = %s;

function matches(pattern, parts) {
  if (pattern.length !== parts.length) return false;
  return pattern.every(function (part, index) {
    return part.charAt(0) === '{' ? parts[index] !== '' : part === parts[index];
  });
}

function handler(event) {
  var request = event.request;
  var path = request.uri.length > 1 ? request.uri.replace(/\\/+$/, '') : request.uri;
  var parts = path.split('/').slice(1);
  if (parts[parts.length - 1].indexOf('.') !== -1) return request;
  for (var index = 0; index < pages.length; index++) {
    if (matches(pages[index][0], parts)) {
      request.uri = '/' + pages[index][1];
      return request;
    }
  }
  return {
    statusCode: 404,
    statusDescription: 'Not Found',
    headers: {'content-type': {value: 'text/html; charset=utf-8'}},
    body: '<!doctype html><html lang="en"><title>Page not found</title><h1>Page not found</h1>' +
      '<p>There is no page at this address. <a href="/">Go to your training jobs</a>.</p></html>'
  };
}
"""


def rewrite_function(routes: list[dict[str, str]]) -> str:
    """JavaScript for CloudFront that maps page addresses to files. PackagingError when it is too long."""
    # Literal addresses first, so that /training-jobs/new is not taken for a job's id.
    ordered = sorted(routes, key=lambda route: [part.startswith("{") for part in route["pattern"].split("/")])
    pages = [[route["pattern"].split("/")[1:], route["page"]] for route in ordered]
    code = REWRITE % json.dumps(pages, separators=(",", ":"))
    if len(code.encode()) > MAX_FUNCTION_BYTES:
        raise PackagingError(
            f"The rewrite function has {len(code.encode()):,} bytes; CloudFront takes {MAX_FUNCTION_BYTES:,}."
        )
    return code


def headers_config(headers: Mapping[str, str]) -> dict[str, Any]:
    """CloudFront's form of our response headers: some have properties of their own, the rest are custom."""
    custom = []
    security: dict[str, Any] = {}
    for name, value in headers.items():
        text = (
            {"Fn::Sub": value.replace("BUCKET_ORIGIN", BUCKET_ORIGIN)} if "BUCKET_ORIGIN" in value else value
        )
        match name.lower():
            case "content-security-policy":
                security["ContentSecurityPolicy"] = {"ContentSecurityPolicy": text, "Override": True}
            case "strict-transport-security":
                security["StrictTransportSecurity"] = _transport_security(value)
            case "x-content-type-options":
                security["ContentTypeOptions"] = {"Override": True}
            case "x-frame-options":
                security["FrameOptions"] = {"FrameOption": value, "Override": True}
            case "referrer-policy":
                security["ReferrerPolicy"] = {"ReferrerPolicy": value, "Override": True}
            case _:
                custom.append({"Header": name, "Value": text, "Override": True})
    config: dict[str, Any] = {"SecurityHeadersConfig": security}
    if custom:
        config["CustomHeadersConfig"] = {"Items": custom}
    return config


def _transport_security(value: str) -> dict[str, Any]:
    words = [word.strip().lower() for word in value.split(";")]
    ages = [word.removeprefix("max-age=") for word in words if word.startswith("max-age=")]
    if len(ages) != 1 or not ages[0].isdigit():
        raise PackagingError(f"Strict-Transport-Security needs one max-age in seconds, not {value!r}.")
    return {
        "AccessControlMaxAgeSec": int(ages[0]),
        "IncludeSubdomains": "includesubdomains" in words,
        "Preload": "preload" in words,
        "Override": True,
    }


def site_template(root: Path) -> dict[str, Any]:
    """The hand-written part with the generated function and headers filled in."""
    template: dict[str, Any] = read_json(root / "infrastructure" / "site" / "site.json")
    routes = read_json(root / "frontend_static" / "routes.json")
    headers = read_json(root / "frontend_static" / "security_headers.json")
    resources = template["Resources"]
    resources["Rewrites"]["Properties"]["FunctionCode"] = rewrite_function(routes)
    resources["Headers"]["Properties"]["ResponseHeadersPolicyConfig"].update(headers_config(headers))
    return template
