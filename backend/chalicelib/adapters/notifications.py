"""Mail through SES and operations alerts through SNS: best effort, since no job may fail for a mail."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_sesv2.client import SESV2Client
    from mypy_boto3_sns.client import SNSClient

_SUBJECT_CHARACTERS = 120
# SNS refuses e-mail subjects that are longer or not ASCII.
_TOPIC_SUBJECT_CHARACTERS = 100
_TOPIC_TEXT_BYTES = 200_000
_QUICK = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "max_attempts": 2})
_logger = logging.getLogger(__name__)


class AwsNotifier:
    """ports.Notifier. An empty `mail_from` or topic turns that channel off."""

    def __init__(
        self,
        *,
        mail_from: str,
        alerts_topic_arn: str,
        ses: SESV2Client | None = None,
        sns: SNSClient | None = None,
    ) -> None:
        self._mail_from = mail_from
        self._topic = alerts_topic_arn
        self._ses = ses
        self._sns = sns

    def mail(self, *, to: str, subject: str, text: str) -> None:
        if not self._mail_from:
            return
        try:
            client = self._ses or boto3.client("sesv2", config=_QUICK)
            client.send_email(
                FromEmailAddress=self._mail_from,
                Destination={"ToAddresses": [to]},
                Content={
                    "Simple": {
                        "Subject": {"Data": _one_line(subject, _SUBJECT_CHARACTERS), "Charset": "UTF-8"},
                        "Body": {"Text": {"Data": _encodable(text), "Charset": "UTF-8"}},
                    }
                },
            )
        except (BotoCoreError, ClientError) as error:
            _logger.warning("a mail could not be sent: %s", error)

    def alert_operations(self, *, subject: str, text: str) -> None:
        # The log line stands even when the topic does not answer: alarms watch the log too.
        _logger.error("operations alert: %s: %s", subject, text)
        if not self._topic:
            return
        ascii_subject = subject.encode("ascii", "replace").decode("ascii")
        body = _encodable(text).encode()[:_TOPIC_TEXT_BYTES].decode("utf-8", "ignore")
        try:
            client = self._sns or boto3.client("sns", config=_QUICK)
            client.publish(
                TopicArn=self._topic,
                Subject=_one_line(ascii_subject, _TOPIC_SUBJECT_CHARACTERS) or "Alert",
                Message=body or subject or "Alert",
            )
        except (BotoCoreError, ClientError) as error:
            _logger.warning("an operations alert could not be published: %s", error)


def _one_line(text: str, characters: int) -> str:
    """No line break can smuggle a header into a mail."""
    line = " ".join("".join(c if c.isprintable() else " " for c in _encodable(text)).split())
    return line if len(line) <= characters else line[: characters - 3] + "..."


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
