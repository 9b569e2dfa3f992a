"""How owners hear of what happened: mail by SES, and events on the stack's own EventBridge bus."""

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from audience_core.errors import InvalidInputError, UnavailableError
from audience_core.persistence.clients import client

_SOURCE = "audience-manager"
# What SES answers when a repeat would be refused, too.
_REFUSALS = frozenset(
    {"MessageRejected", "BadRequestException", "NotFoundException", "MailFromDomainNotVerifiedException"}
)


class SesMail:
    """Mail from one verified address; "" where the stack sends none."""

    def __init__(self, sender: str, region: str | None = None) -> None:
        self._sender, self._region = sender, region

    @cached_property
    def _client(self) -> Any:
        return client("sesv2", self._region)

    def send(self, recipient: str, subject: str, text: str) -> None:
        if not self._sender:
            raise InvalidInputError("this installation sends no e-mail: set the template's SenderEmail")
        content = {"Subject": {"Data": subject}, "Body": {"Text": {"Data": text}}}
        try:
            self._client.send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [recipient]},
                Content={"Simple": content},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _REFUSALS:
                raise InvalidInputError("the mail is refused: is the sender's address verified?") from error
            raise UnavailableError("no mail can be sent now") from error
        except BotoCoreError as error:
            raise UnavailableError("no mail can be sent now") from error


class EventBridgeBus:
    def __init__(self, bus_name: str, region: str | None = None) -> None:
        self._bus_name = bus_name
        self._client = client("events", region)

    def put(self, kind: str, detail: Mapping[str, Any]) -> None:
        entry = {
            "EventBusName": self._bus_name,
            "Source": _SOURCE,
            "DetailType": kind,
            "Detail": json.dumps(detail, sort_keys=True),
        }
        try:
            answer = self._client.put_events(Entries=[entry])
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("the event bus does not answer") from error
        if answer["FailedEntryCount"]:
            raise UnavailableError("the event bus did not take the event")
