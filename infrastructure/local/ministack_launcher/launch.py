"""Puts the corrections together in the order they depend on each other."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from typing import Any

from ministack_launcher import (
    bounded_logs,
    durable_executions,
    durable_objects,
    gateway_responses,
    idle_workers,
    interrupted_deployments,
    isolated_lambdas,
    kept_mail,
    openapi_import,
    repeated_start,
    spent_tokens,
    task_waits,
)
from ministack_launcher.code_folders import CodeFolders
from ministack_launcher.durable_items import DurableItems
from ministack_launcher.durable_services import DurableServices
from ministack_launcher.store import Store

WATCHED = (
    "apigateway_v1",
    "cloudformation",
    "cognito",
    "eventbridge",
    "iam",
    "lambda_svc",
    "s3",
    "scheduler",
    "secretsmanager",
    "ses",
    "ses_v2",
    "sns",
    "sqs",
    "ssm",
)
# Where the name of a service's state differs from its module's.
STATE_NAMES = {"lambda_svc": "lambda"}


def settings(port: int, state_dir: Path) -> dict[str, str]:
    """ministack's environment: local only, everything under one folder, no MQTT and SFTP listeners."""
    return {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state_dir / "services"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state_dir / "objects"),
        "TMPDIR": str(state_dir / "tmp"),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LAMBDA_EXECUTOR": "local",
        "LAMBDA_WARM_TTL_SECONDS": "60",
        "LOG_LEVEL": "WARNING",
        # A socket that does not exist: no search for a container engine at start and stop.
        "DOCKER_HOST": f"unix://{state_dir}/no-container-engine.sock",
    }


def _service(name: str) -> Any:
    return importlib.import_module(f"ministack.services.{name}")


def corrected_app(state_dir: Path) -> Any:
    """Import ministack, apply every correction, and return its `app` module, ready for `main()`.

    Raises UpstreamChangedError when the installed ministack is not the one the corrections were written for.
    """
    durable_objects.repair(state_dir / "objects")
    app: Any = importlib.import_module("ministack.app")
    persistence: Any = importlib.import_module("ministack.core.persistence")
    runtime: Any = importlib.import_module("ministack.core.lambda_runtime")
    sfn, lambdas = _service("stepfunctions"), _service("lambda_svc")
    folders = CodeFolders(state_dir / "lambda-code")
    store = Store(state_dir / "state.sqlite")

    isolated_lambdas.apply(runtime, lambdas, folders)
    idle_workers.apply(runtime, lambdas)
    bounded_logs.apply(lambdas, _service("cloudwatch_logs"))
    task_waits.apply(sfn)
    spent_tokens.apply(sfn)
    repeated_start.apply(sfn)
    openapi_import.apply(_service("apigateway_v1"))
    gateway_responses.apply(_service("apigateway_v1"))
    durable_objects.apply(_service("s3"))
    interrupted_deployments.apply(_service("cloudformation"))
    kept_mail.apply(_service("ses"))

    durable_executions.apply(sfn, store)
    services = DurableServices(app, persistence, store)
    services.apply()
    items = DurableItems(_service("dynamodb"), store, lambda: services.document("dynamodb"))
    items.apply()
    for name in WATCHED:
        services.watch(STATE_NAMES.get(name, name), _service(name))
    load_stock = app._load_persisted_state
    background: set[asyncio.Task[None]] = set()

    def load_persisted_state() -> None:
        load_stock()
        items.restore()
        durable_executions.restore(sfn, store)
        folders.keep_only(isolated_lambdas.deployed_packages(lambdas))
        background.add(asyncio.get_running_loop().create_task(services.save_for_ever()))

    app._load_persisted_state = load_persisted_state
    return app
