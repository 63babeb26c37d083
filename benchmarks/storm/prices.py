"""What AWS charges in us-east-1, in dollars, without free tiers.

Read on 2026-11-26 from stored copies of AWS's own pricing pages and, for DynamoDB's request units, of a summary of
them; not checked against a live account. Whoever deploys elsewhere, or later, changes this file alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

READ_ON = "2026-11-26"
REGION = "us-east-1"
SOURCES = "aws.amazon.com/{lambda,api-gateway,step-functions,dynamodb,s3,cloudfront,cloudwatch,xray}/pricing as stored copies"

MILLION = Decimal(1_000_000)
GB = Decimal(1_000_000_000)

# One unit of each -> dollars.
PRICES_USD: Mapping[str, Decimal] = {
    "api_requests": Decimal("3.50") / MILLION,
    # The site's origin forwards webhooks and the API, so each request passes it too.
    "cloudfront_requests": Decimal("1.00") / MILLION,
    "lambda_requests": Decimal("0.20") / MILLION,
    "lambda_gb_seconds": Decimal("0.0000166667"),
    "write_units": Decimal("0.625") / MILLION,
    "read_units": Decimal("0.125") / MILLION,
    "state_transitions": Decimal("25.00") / MILLION,
    "s3_puts": Decimal("5.00") / MILLION,
    "s3_gets": Decimal("0.40") / MILLION,
    "log_bytes": Decimal("0.50") / GB,
    "traces": Decimal("5.00") / MILLION,
    "notices": Decimal("0.50") / MILLION,
    "mails": Decimal("100.00") / MILLION,
    "events_rule_invocations": Decimal(0),
}
# A month of each -> dollars.
MONTHLY_USD: Mapping[str, Decimal] = {
    "alarms": Decimal("0.10"),
    "custom_metrics": Decimal("0.30"),
    "s3_gb": Decimal("0.023"),
    "dynamodb_gb": Decimal("0.25"),
    "dynamodb_backup_gb": Decimal("0.20"),
    "log_gb": Decimal("0.03"),
}
# What AWS gives away every month for ever, to all an account does together.
FREE_A_MONTH: Mapping[str, Decimal] = {
    "lambda_requests": MILLION,
    "lambda_gb_seconds": Decimal(400_000),
    "cloudfront_requests": Decimal(10_000_000),
    "state_transitions": Decimal(4_000),
    "log_bytes": 5 * GB,
    "traces": Decimal(100_000),
    "alarms": Decimal(10),
    "custom_metrics": Decimal(10),
}


def cost_usd(units: Mapping[str, float]) -> dict[str, Decimal]:
    """Dollars of each kind of unit. KeyError for a kind that has no price."""
    return {kind: PRICES_USD[kind] * Decimal(str(amount)) for kind, amount in units.items()}


def after_free_tier_usd(units: Mapping[str, float]) -> Decimal:
    """Dollars of a month's units when nothing else in the account uses what AWS gives away."""
    total = Decimal(0)
    for kind, amount in units.items():
        price = PRICES_USD[kind] if kind in PRICES_USD else MONTHLY_USD[kind]
        total += price * max(Decimal(0), Decimal(str(amount)) - FREE_A_MONTH.get(kind, Decimal(0)))
    return total
