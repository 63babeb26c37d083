"""Correction: each function keeps the log of its newest calls only.

Stock ministack opens a log stream per invocation and keeps all of them in memory; a stack whose page
polls every five seconds would grow without end.
"""

from __future__ import annotations

from typing import Any

from ministack_launcher.patching import require

PATCH = "bounded logs"
EXPECTED = {"_emit_lambda_logs": "111efbf06968bb20"}
KEPT_STREAMS = 500


def apply(lambda_service: Any, logs: Any, kept_streams: int = KEPT_STREAMS) -> None:
    """Correct `ministack.services.lambda_svc`, whose streams live in `cloudwatch_logs`."""
    require(PATCH, lambda_service, EXPECTED)
    stock = lambda_service._emit_lambda_logs

    def emit_lambda_logs(*call: Any, **options: Any) -> None:
        stock(*call, **options)
        for group in list(logs._log_groups.values()):
            streams = group["streams"]
            while len(streams) > kept_streams:
                streams.pop(next(iter(streams)), None)

    lambda_service._emit_lambda_logs = emit_lambda_logs
