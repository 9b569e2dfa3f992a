"""E-mail through Amazon SES."""

from functools import cached_property
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from audience_core.errors import DeliveryError


class SesMail:
    """Args:
    sender: an address that SES has verified; "" where the stack sends no mail.
    """

    def __init__(self, sender: str, region: str | None = None) -> None:
        self._sender, self._region = sender, region

    @cached_property
    def _client(self) -> Any:
        return boto3.client("sesv2", region_name=self._region)

    def send(self, to: str, subject: str, text: str) -> None:
        if not self._sender:
            raise DeliveryError("this installation sends no e-mail: set the template's ExportSender")
        content = {
            "Simple": {
                "Subject": {"Data": subject, "Charset": "UTF-8"},
                "Body": {"Text": {"Data": text, "Charset": "UTF-8"}},
            }
        }
        try:
            self._client.send_email(FromEmailAddress=self._sender, Destination={"ToAddresses": [to]}, Content=content)
        except ClientError as error:
            # Its message may name the address.
            raise DeliveryError(f"Amazon SES refused the e-mail: {error.response['Error']['Code']}") from error
        except BotoCoreError as error:
            raise DeliveryError("Amazon SES does not answer") from error
