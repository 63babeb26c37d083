from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from chalicelib.adapters.notifications import AwsNotifier
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

REGION = "eu-west-1"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        ses = boto3.client("sesv2", region_name=REGION)
        ses.create_email_identity(EmailIdentity="news@lora.example")
        sns, sqs = boto3.client("sns", region_name=REGION), boto3.client("sqs", region_name=REGION)
        topic = sns.create_topic(Name="alerts")["TopicArn"]
        queue = sqs.create_queue(QueueName="alerts")["QueueUrl"]
        sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{DEFAULT_ACCOUNT_ID}:alerts"
        )
        yield {"topic": topic, "queue": queue, "sqs": sqs}


def _sent() -> list[Any]:
    return list(ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages)


def test_a_mail_goes_out_with_a_subject_of_one_line(aws: dict[str, Any]) -> None:
    notifier = AwsNotifier(mail_from="news@lora.example", alerts_topic_arn="")
    notifier.mail(to="sam@example.com", subject="Failed:\r\nBcc: eve@example.com \ud800", text="Why \ud800?")
    (message,) = _sent()
    assert message.subject == "Failed: Bcc: eve@example.com ?"
    assert message.destinations["ToAddresses"] == ["sam@example.com"]
    assert message.body == "Why ??"


def test_without_a_sender_no_mail_is_tried(aws: dict[str, Any]) -> None:
    AwsNotifier(mail_from="", alerts_topic_arn="").mail(to="sam@example.com", subject="s", text="t")
    assert _sent() == []


def test_a_refused_mail_is_logged_and_harms_nothing(
    aws: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    notifier = AwsNotifier(mail_from="stranger@elsewhere.example", alerts_topic_arn="")
    notifier.mail(to="sam@example.com", subject="s", text="t")
    assert _sent() == []
    assert "could not be sent" in caplog.text


def test_an_operations_alert_reaches_the_topic(aws: dict[str, Any]) -> None:
    notifier = AwsNotifier(mail_from="", alerts_topic_arn=aws["topic"])
    notifier.alert_operations(subject="Pod – still billing\n" + "x" * 200, text="job_1 ✓")
    (message,) = aws["sqs"].receive_message(QueueUrl=aws["queue"])["Messages"]
    published = json.loads(message["Body"])
    assert published["Message"] == "job_1 ✓"
    assert len(published["Subject"]) <= 100
    assert published["Subject"].isascii()


def test_an_alert_that_cannot_be_published_is_still_logged(
    aws: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    gone = f"arn:aws:sns:{REGION}:{DEFAULT_ACCOUNT_ID}:gone"
    AwsNotifier(mail_from="", alerts_topic_arn=gone).alert_operations(subject="Pod billing", text="job_1")
    assert "operations alert: Pod billing: job_1" in caplog.text
    assert "could not be published" in caplog.text
