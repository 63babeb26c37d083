"""The only place that picks adapters: one cached function per port, built on first use.

Imports stand inside the functions on purpose: a cold start loads only what its Lambda touches.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from chalicelib.settings import settings

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

    from chalicelib import ports, ports_queue
    from chalicelib.adapters.jobs_index import JobsIndex


def clock() -> ports.Clock:
    return lambda: datetime.now(UTC)


@cache
def logger() -> Logger:
    from chalicelib.observed import make_logger

    return make_logger()


@cache
def jobs() -> ports.JobStore:
    from chalicelib.adapters.dynamo.jobs import DynamoJobs

    return DynamoJobs(settings().table_prefix)


@cache
def progress() -> ports.ProgressStore:
    from chalicelib.adapters.dynamo.progress import DynamoProgress

    return DynamoProgress(settings().table_prefix)


@cache
def attempts() -> ports.AttemptStore:
    from chalicelib.adapters.dynamo.attempts import DynamoAttempts

    return DynamoAttempts(settings().table_prefix)


@cache
def datasets() -> ports.DatasetStore:
    from chalicelib.adapters.dynamo.listed import DynamoDatasets

    return DynamoDatasets(settings().table_prefix)


@cache
def models() -> ports.ModelStore:
    from chalicelib.adapters.dynamo.listed import DynamoModels

    return DynamoModels(settings().table_prefix)


@cache
def users() -> ports.UserStore:
    from chalicelib.adapters.dynamo.people import DynamoUsers

    return DynamoUsers(settings().table_prefix)


@cache
def tokens() -> ports.TokenStore:
    from chalicelib.adapters.dynamo.people import DynamoTokens

    return DynamoTokens(settings().table_prefix)


@cache
def notifications() -> ports.NotificationStore:
    from chalicelib.adapters.dynamo.notifications import DynamoNotifications

    return DynamoNotifications(settings().table_prefix)


@cache
def terminations() -> ports.TerminationStore:
    from chalicelib.adapters.dynamo.records import DynamoTerminations

    return DynamoTerminations(settings().table_prefix)


@cache
def costs() -> ports.CostStore:
    from chalicelib.adapters.dynamo.records import DynamoCosts

    return DynamoCosts(settings().table_prefix)


@cache
def budgets() -> ports.BudgetStore:
    from chalicelib.adapters.dynamo.records import DynamoBudgets

    return DynamoBudgets(settings().table_prefix)


@cache
def audit() -> ports.AuditLog:
    from chalicelib.adapters.dynamo.records import DynamoAuditLog

    return DynamoAuditLog(settings().table_prefix)


@cache
def queue_events() -> ports_queue.QueueEventStore:
    from chalicelib.adapters.dynamo.queue import DynamoQueueEvents

    return DynamoQueueEvents(settings().table_prefix)


@cache
def approvals() -> ports_queue.ApprovalStore:
    from chalicelib.adapters.dynamo.queue import DynamoApprovals

    return DynamoApprovals(settings().table_prefix)


@cache
def documents() -> ports.SettingsStore:
    from chalicelib.adapters.dynamo.records import DynamoSettings

    return DynamoSettings(settings().table_prefix)


@cache
def files() -> ports.Files:
    from chalicelib.adapters.s3_files import S3Files

    return S3Files(settings().bucket)


@cache
def cloud() -> ports.GpuCloud:
    from chalicelib.adapters.runpod import RunpodCloud
    from chalicelib.adapters.runpod_transport import Patience

    # Two short tries: a hanging provider must be told apart within a step's time limit; steps are tried again anyway.
    return RunpodCloud(
        base_url=settings().runpod_api_base_url,
        api_key=secret(settings().runpod_key_parameter),
        user_agent=f"lora-pipeline/{settings().version}",
        patience=Patience(attempts=2, longest_retry_after_seconds=5.0),
        read_seconds=8.0,
    )


@cache
def workflow() -> ports.Workflow:
    from chalicelib.adapters.step_functions import StepFunctions

    return StepFunctions(settings().state_machine_arn)


@cache
def notifier() -> ports.Notifier:
    from chalicelib.adapters.notifications import AwsNotifier

    return AwsNotifier(mail_from=settings().mail_from, alerts_topic_arn=settings().alerts_topic_arn)


@cache
def sign_in() -> ports.SignIn:
    from chalicelib.adapters.cognito import CognitoSignIn

    return CognitoSignIn(settings().user_pool_id, settings().user_pool_client_id)


@cache
def replies() -> ports.Replies:
    from chalicelib.adapters.replies import DynamoReplies

    return DynamoReplies(f"{settings().table_prefix}-idempotency")


@cache
def jobs_index() -> JobsIndex:
    from chalicelib.adapters.jobs_index import JobsIndex
    from chalicelib.views import job_row

    return JobsIndex(jobs(), files(), row_of=lambda job: job_row(job, progress().get(job.id)))


@cache
def secret(parameter: str) -> str:
    """A SecureString of SSM, decrypted; kept for the life of the Lambda."""
    import boto3

    reply: Any = boto3.client("ssm").get_parameter(Name=parameter, WithDecryption=True)
    return str(reply["Parameter"]["Value"])
