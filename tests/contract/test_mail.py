"""What every way to send mail promises."""

import boto3
import pytest
from moto.ses.models import ses_backends

from audience_core.domain.control_stores import Mail
from audience_core.errors import InvalidInputError
from audience_core.persistence.memory.exports import MemoryMail
from audience_core.persistence.notices import SesMail

SENDER = "exports@example.com"


@pytest.fixture(params=["ses", "memory"])
def mail(request: pytest.FixtureRequest) -> Mail:
    if request.param == "memory":
        return MemoryMail()
    region: str = request.getfixturevalue("aws")
    boto3.client("sesv2", region_name=region).create_email_identity(EmailIdentity=SENDER)
    return SesMail(SENDER, region)


def test_mail_is_sent_to_one_address(mail: Mail) -> None:
    mail.send("ann@example.com", "Your export is ready: Cäfé", "https://api.example.com/v1/downloads/t\n")

    # The AWS in memory keeps what other tests have sent, too.
    assert sent(mail)[-1] == ("ann@example.com", "Your export is ready: Cäfé")


def test_without_a_sender_it_says_what_to_do(aws: str) -> None:
    with pytest.raises(InvalidInputError, match="SenderEmail"):
        SesMail("", aws).send("ann@example.com", "s", "t")


def test_a_refusal_does_not_tell_the_address(aws: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        SesMail("unknown@example.net", aws).send("ann@example.com", "s", "t")

    assert "@" not in str(caught.value)


def sent(mail: Mail) -> list[tuple[str, str]]:
    if isinstance(mail, MemoryMail):
        return [(to, subject) for to, subject, _ in mail.sent]
    found = ses_backends["123456789012"]["us-east-1"].sent_messages
    return [(each.destinations["ToAddresses"][0], each.subject) for each in found]
