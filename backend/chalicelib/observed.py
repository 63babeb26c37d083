"""The one decorator of step and schedule Lambdas: job id on every log line, counted outcomes.

The logging library is imported on first use: most API requests log nothing, and should not pay for it at a cold start.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from chalicelib import bootstrap
from chalicelib.domain.errors import AppError

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

Handler = Callable[[dict[str, Any], Any], Any]


def make_logger() -> Logger:
    from aws_lambda_powertools import Logger

    # A name of its own: Chalice's logger has the application's, and would print every line a second time.
    return Logger(service="lora-pipeline", name="lora-pipeline-functions")


def count(name: str, value: float = 1, **dimensions: str) -> None:
    """One EMF line; CloudWatch makes a metric of it."""
    from aws_lambda_powertools import Metrics
    from aws_lambda_powertools.metrics import MetricUnit

    single = Metrics(namespace="LoraPipeline", service="lora-pipeline")
    for key, text in dimensions.items():
        single.add_dimension(name=key, value=text)
    single.add_metric(name=name, unit=MetricUnit.Count, value=value)
    line = json.dumps(single.serialize_metric_set())
    single.clear_metrics()
    print(line)  # noqa: T201  (EMF is read from standard output)


def observed(name: str) -> Callable[[Handler], Handler]:
    """Errors fly on: the class name is what the state machine matches."""

    def wrap(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def run(event: dict[str, Any], context: Any) -> Any:
            logger = bootstrap.logger()
            logger.append_keys(step=name, job_id=job_id_of(event))
            try:
                result = handler(event, context)
            except AppError as error:
                logger.warning("step ended with %s", type(error).__name__, extra={"detail": error.message})
                count("StepEnded", step=name, outcome=type(error).__name__)
                raise
            except Exception:
                logger.exception("step failed")
                count("StepFailed", step=name)
                raise
            logger.info("step done", extra={"result": result})
            return result

        return run

    return wrap


def job_id_of(event: Mapping[str, Any]) -> str | None:
    job = event.get("job", event)
    found = job.get("job_id") if isinstance(job, Mapping) else None
    return str(found) if found else None
