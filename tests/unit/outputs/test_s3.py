"""Files dropped into a bucket on loopback whose owner checks every signature."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from audience_core.domain.event import Identity
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, Mpid
from audience_core.domain.output import Forward, Target
from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.connector import Subscription
from audience_core.outputs.connectors.s3 import S3Connector, S3Settings
from audience_core.outputs.http import HttpSend, TimeLimits
from tests.support.aws_partner import BUCKET, KEY_ID, OWNER, REGION, SECRET, AwsPartner, s3_error
from tests.support.fake_servers import losing_the_answer

SEND = HttpSend(allow_private=True, limits=TimeLimits(2, 2, 4))
NOW = 1_795_430_000_123
FANS = Subscription(AccountId(7), AudienceId(4411), "Fans", {}, "1.1", ConnectionId("c-1"))
ANN, BOB = Mpid(8), Mpid(-16)
EMAIL, CUSTOMER = Identity("email", 'Ann "A, B"@example.com'), Identity("customer_id", "=1+1\r\nx")


@pytest.fixture
def partner() -> Iterator[AwsPartner]:
    with AwsPartner().serving() as partner:
        yield partner


def settings(**given: Any) -> S3Settings:
    keys = {"access_key_id": KEY_ID, "secret_access_key": SECRET}
    return S3Settings(**{"region": REGION, "bucket": BUCKET, **keys} | given)


def connect(partner: AwsPartner, **given: Any) -> S3Connector:
    return S3Connector(settings(**{"endpoint_url": partner.url} | given), SEND)


def rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def test_a_batch_is_a_file_of_changes_removals_first(partner: AwsPartner) -> None:
    joined = Forward(ANN, None, Target((CUSTOMER, EMAIL)), 3)
    changed = Forward(BOB, Target((Identity("email", "b@old"),)), Target((Identity("email", "b@new"),)), 5)

    connect(partner).forward(FANS, [joined, changed], NOW)

    ((key, stored),) = partner.objects.items()
    assert key.startswith("account=7/audience=4411/")
    assert key.endswith(".csv")
    assert stored.content.startswith(b"action,mpid,identity_type,identity_value,at\r\n")
    at = "2026-11-23T10:33:20.123Z"
    assert rows(stored.content)[1:] == [
        ["remove", "-16", "email", "b@old", at],
        ["add", "8", "customer_id", "=1+1\r\nx", at],
        ["add", "8", "email", 'Ann "A, B"@example.com', at],
        ["add", "-16", "email", "b@new", at],
    ]


def test_a_repeat_takes_the_place_of_what_it_repeats(partner: AwsPartner) -> None:
    connector, change = connect(partner), Forward(ANN, None, Target((EMAIL,)), 3)
    partner.faults.append(losing_the_answer)
    with pytest.raises(RetryableDeliveryError):
        connector.forward(FANS, [change], NOW)

    connector.forward(FANS, [change], NOW + 60_000)

    assert len(partner.puts) == 2
    assert len(partner.objects) == 1


@pytest.mark.parametrize(
    ("subscription", "change"),
    [
        (FANS, Forward(ANN, None, Target((EMAIL,)), 4)),
        (FANS, Forward(ANN, Target((EMAIL,)), None, 3)),
        (FANS, Forward(BOB, None, Target((EMAIL,)), 3)),
        (replace(FANS, connection_id=ConnectionId("c-2")), Forward(ANN, None, Target((EMAIL,)), 3)),
        (replace(FANS, account_id=AccountId(8)), Forward(ANN, None, Target((EMAIL,)), 3)),
    ],
)
def test_anything_else_is_another_file(partner: AwsPartner, subscription: Subscription, change: Forward) -> None:
    connector = connect(partner)

    connector.forward(FANS, [Forward(ANN, None, Target((EMAIL,)), 3)], NOW)
    connector.forward(subscription, [change], NOW)

    assert len(partner.objects) == 2


def test_files_can_be_compressed_and_are_the_same_each_time(partner: AwsPartner) -> None:
    connector, changes = connect(partner, compress=True, prefix="drops/cdp/"), [Forward(ANN, None, Target((EMAIL,)))]

    connector.forward(FANS, changes, NOW)
    ((key, once),) = partner.objects.items()
    connector.forward(FANS, changes, NOW)

    assert key.startswith("drops/cdp/account=7/audience=4411/")
    assert key.endswith(".csv.gz")
    assert partner.objects[key].content == once.content
    # The time inside (RFC 1952, 2.3.1): none.
    assert once.content[4:8] == bytes(4)
    assert rows(gzip.decompress(once.content))[1][:3] == ["add", "8", "email"]


def test_the_audience_is_described_beside_its_files(partner: AwsPartner) -> None:
    connector = connect(partner)

    described = []
    connector.subscribe(FANS, NOW)
    described.append(json.loads(partner.objects["account=7/audience=4411/audience.json"].content))
    connector.update(replace(FANS, audience_name="Friends"), {}, NOW)
    described.append(json.loads(partner.objects["account=7/audience=4411/audience.json"].content))
    connector.unsubscribe(FANS, NOW)
    described.append(json.loads(partner.objects["account=7/audience=4411/audience.json"].content))

    assert [(each["audience_name"], each["is_active"]) for each in described] == [
        ("Fans", True), ("Friends", True), ("Fans", False)
    ]  # fmt: skip
    assert described[0]["connection_id"] == "c-1"


def test_a_check_writes_a_file_of_its_own(partner: AwsPartner) -> None:
    connect(partner).forward(replace(FANS, audience_id=AudienceId(0)), (), NOW)

    assert list(partner.objects) == ["account=7/test.txt"]


def test_only_the_named_owner_is_written_to(partner: AwsPartner) -> None:
    connect(partner, bucket_owner=OWNER).subscribe(FANS, NOW)

    with pytest.raises(TerminalDeliveryError) as error:
        connect(partner, bucket_owner="999999999999").subscribe(FANS, NOW)

    assert error.value.fault_kind == "permissions"


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"access_key_id": "AKIAWRONG"}, "authentication"),
        ({"secret_access_key": "wrong"}, "authentication"),
        ({"region": "us-east-1"}, "configuration"),
        ({"bucket": "elsewhere"}, "configuration"),
    ],
)
def test_what_somebody_must_mend(partner: AwsPartner, given: dict[str, str], fault: str) -> None:
    with pytest.raises(TerminalDeliveryError) as error:
        connect(partner, **given).forward(FANS, [Forward(ANN, None, Target((EMAIL,)))], NOW)

    assert error.value.fault_kind == fault
    assert "secret words" not in str(error.value)


def test_a_bucket_that_is_asked_too_much_is_asked_later(partner: AwsPartner) -> None:
    partner.faults.append(lambda heard, obey: s3_error("SlowDown", 503))

    with pytest.raises(RetryableDeliveryError) as error:
        connect(partner).forward(FANS, [Forward(ANN, None, Target((EMAIL,)))], NOW)

    assert error.value.fault_kind == "rate_limit"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "https://drop.s3.eu-central-1.amazonaws.com"),
        ({"bucket": "a.drop"}, "https://s3.eu-central-1.amazonaws.com/a.drop"),
        ({"region": "cn-north-1"}, "https://drop.s3.cn-north-1.amazonaws.com.cn"),
        ({"endpoint_url": "https://storage.example.com/"}, "https://storage.example.com/drop"),
    ],
)
def test_where_a_bucket_is(given: dict[str, str], url: str) -> None:
    assert settings(**given).bucket_url == url


@pytest.mark.parametrize(
    "given",
    [
        {"bucket": "Drop"},
        {"bucket": "d/rop"},
        {"prefix": "no-slash"},
        {"prefix": "../"},
        {"prefix": "é/"},
        {"bucket_owner": "12"},
        {"endpoint_url": "https://storage.example.com/path"},
        {"endpoint_url": "ftp://storage.example.com"},
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        settings(**given)


def test_the_stacks_own_credentials_never_go_to_another_service() -> None:
    with pytest.raises(ValueError, match="endpoint_url needs access_key_id"):
        S3Settings(region=REGION, bucket=BUCKET, endpoint_url="https://storage.example.com")


def test_private_endpoints_are_refused_where_they_are_not_allowed(partner: AwsPartner) -> None:
    connector = S3Connector(settings(endpoint_url=partner.url), HttpSend())

    with pytest.raises(TerminalDeliveryError) as error:
        connector.subscribe(FANS, NOW)

    assert error.value.fault_kind == "configuration"
    assert partner.heard == []
