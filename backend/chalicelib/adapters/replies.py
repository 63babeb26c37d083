"""First replies by idempotency key, in DynamoDB, through aws-lambda-powertools."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import Any

import boto3
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyInconsistentStateError,
    IdempotencyPersistenceLayerError,
    IdempotencyValidationError,
)

from chalicelib.domain.errors import StorageUnavailable, ValidationFailed, WrongStatus

KEPT_SECONDS = 24 * 3600
# API Gateway gives up on a request after 29 s; a first request older than this died on its way.
IN_PROGRESS_MILLISECONDS = 60_000
_logger = logging.getLogger(__name__)


class _RequestTime:
    """What powertools asks of a Lambda context: until when a first request may still be running."""

    def get_remaining_time_in_millis(self) -> int:
        return IN_PROGRESS_MILLISECONDS


class DynamoReplies:
    """Table with the key attribute `id` and the time-to-live attribute `expiration`."""

    def __init__(self, table_name: str, client: Any = None) -> None:
        self._layer = DynamoDBPersistenceLayer(
            table_name=table_name, boto3_client=client or boto3.client("dynamodb")
        )
        self._config = IdempotencyConfig(
            event_key_jmespath="key",
            payload_validation_jmespath="body",
            raise_on_no_idempotency_key=True,
            expires_after_seconds=KEPT_SECONDS,
            hash_function="sha256",
            lambda_context=_RequestTime(),  # type: ignore[arg-type]
        )

    def once(self, key: str, raw_body: bytes, produce: Callable[[], Any]) -> Any:
        """`produce()`'s JSON-ready value, or the stored one of the first request with this key.

        ValidationFailed: same key, other body. WrongStatus: the first request still runs.
        StorageUnavailable: the table does not answer and nothing was done.
        """
        done: list[Any] = []

        def run(*, request: dict[str, str]) -> Any:  # noqa: ARG001
            done.append(produce())
            return done[0]

        guarded = idempotent_function(
            run,
            data_keyword_argument="request",
            config=self._config,
            persistence_store=self._layer,
            key_prefix="api",
        )
        try:
            return guarded(request={"key": key, "body": hashlib.sha256(raw_body).hexdigest()})
        except IdempotencyValidationError as error:
            raise ValidationFailed(
                {"Idempotency-Key": ["Was used with another body before. Use a new key for a new request."]}
            ) from error
        except (IdempotencyAlreadyInProgressError, IdempotencyInconsistentStateError) as error:
            raise WrongStatus(
                "The first request with this Idempotency-Key is still running. Try again in a moment."
            ) from error
        except IdempotencyPersistenceLayerError as error:
            if done:
                # The work is done and only remembering it failed: the caller must not be told otherwise.
                _logger.warning("the reply could not be stored for replay: %s", error)
                return done[0]
            raise StorageUnavailable(
                "The request could not be registered, so nothing was done. Try again."
            ) from error
