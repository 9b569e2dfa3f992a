"""How owners of accounts hear of what happened: a bus with somebody listening, and a mailbox."""

import json
import uuid
from typing import Any

import boto3
from moto.ses.models import ses_backends

SENDER = "audiences@example.com"
_PATTERN = {"source": ["audience-manager"]}


class Owners:
    """Args:
    bus: the name of the event bus.
    """

    def __init__(self, region: str) -> None:
        self._region, self.bus = region, f"bus-{uuid.uuid4()}"
        events, self._sqs = (boto3.client(name, region_name=region) for name in ("events", "sqs"))
        self._heard = self._sqs.create_queue(QueueName=f"heard-{uuid.uuid4()}")["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._heard, AttributeNames=["QueueArn"])["Attributes"]
        events.create_event_bus(Name=self.bus)
        events.put_rule(Name="everything", EventBusName=self.bus, EventPattern=json.dumps(_PATTERN))
        events.put_targets(
            Rule="everything", EventBusName=self.bus, Targets=[{"Id": "1", "Arn": attributes["QueueArn"]}]
        )
        boto3.client("sesv2", region_name=region).create_email_identity(EmailIdentity=SENDER)
        # Tests share the AWS in memory.
        self._before = len(self._mailbox())

    def events(self) -> list[dict[str, Any]]:
        """Those that came since this was asked the last time."""
        found = []
        while messages := self._sqs.receive_message(QueueUrl=self._heard, MaxNumberOfMessages=10).get("Messages"):
            found += [json.loads(message["Body"]) for message in messages]
        return found

    def mails(self) -> list[Any]:
        """All that came, as the AWS in memory keeps them."""
        return self._mailbox()[self._before :]

    def _mailbox(self) -> list[Any]:
        return list(ses_backends["123456789012"][self._region].sent_messages)
