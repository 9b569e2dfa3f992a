"""Signatures and errors of AWS services: what the official client sends is accepted, and so is what we send."""

from collections.abc import Iterator

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs import aws
from audience_core.outputs.aws import AwsSettings, raise_for_aws, signed
from audience_core.outputs.http import HttpRequest, HttpResponse, HttpSend
from tests.support.aws_partner import BUCKET, BUS, KEY_ID, REGION, SECRET, AwsPartner, client_settings

SEND = HttpSend(allow_private=True)
KEYS = AwsSettings(region=REGION, access_key_id=KEY_ID, secret_access_key=SECRET)


@pytest.fixture
def partner() -> Iterator[AwsPartner]:
    with AwsPartner().serving() as partner:
        yield partner


def test_the_official_client_is_understood(partner: AwsPartner) -> None:
    path_style = Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required")
    bucket = boto3.client("s3", config=path_style, **client_settings(partner.url))
    bus = boto3.client("events", **client_settings(partner.url))
    entry = {"Source": "s", "DetailType": "d", "Detail": "{}", "EventBusName": BUS}

    bucket.put_object(Bucket=BUCKET, Key="a/b=c d.csv", Body=b"x")
    bus.put_events(Entries=[entry])

    assert partner.objects["a/b=c d.csv"].content == b"x"
    assert partner.events == [entry]
    with pytest.raises(ClientError):
        bus.put_events(Entries=[entry] * 11)


@pytest.mark.parametrize("path", ["/drop/plain.csv", "/drop/account%3D7/x~y%20z.csv", "/drop/%C3%A9"])
def test_requests_are_signed_with_keys(partner: AwsPartner, path: str) -> None:
    request = HttpRequest("PUT", partner.url + path, {"Content-Type": "text/csv"}, b"some,thing")

    assert SEND(signed(request, "s3", KEYS)).status == 200


def test_a_changed_body_or_a_wrong_key_is_refused(partner: AwsPartner) -> None:
    request = signed(HttpRequest("PUT", f"{partner.url}/drop/x", {}, b"mine"), "s3", KEYS)
    forged = HttpRequest("PUT", request.url, request.headers, b"thine")
    wrong = KEYS.model_copy(update={"secret_access_key": "other"})

    answers = [SEND(forged), SEND(signed(HttpRequest("PUT", f"{partner.url}/drop/x", {}, b""), "s3", wrong))]

    assert [each.status for each in answers] == [403, 403]
    assert partner.objects == {}


def test_without_keys_the_stack_signs_as_itself(partner: AwsPartner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "t0ken")
    aws.own_session.cache_clear()

    request = signed(HttpRequest("PUT", f"{partner.url}/drop/x", {}, b""), "s3", AwsSettings(region=REGION))

    assert SEND(request).status == 200
    assert partner.heard[0].headers["x-amz-security-token"] == "t0ken"
    aws.own_session.cache_clear()


def test_without_any_credentials_somebody_must_act(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    aws.own_session.cache_clear()

    with pytest.raises(TerminalDeliveryError) as error:
        signed(HttpRequest("PUT", "https://example.com/x"), "s3", AwsSettings(region=REGION))

    assert error.value.fault_kind == "configuration"
    aws.own_session.cache_clear()


@pytest.mark.parametrize(
    "given", [{"access_key_id": "a"}, {"secret_access_key": "b"}, {"region": "mars"}, {"region": ""}]
)
def test_settings_that_cannot_work_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        AwsSettings(**{"region": REGION, **given})


@pytest.mark.parametrize("form", ['{{"__type":"a.b#{0}"}}', '{{"__type":"{0}"}}', "<Error><Code>{0}</Code></Error>"])
@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("SignatureDoesNotMatch", "authentication"),
        ("UnrecognizedClientException", "authentication"),
        ("AccessDenied", "permissions"),
        ("NoSuchBucket", "configuration"),
        ("PermanentRedirect", "configuration"),
    ],
)
@pytest.mark.parametrize("status", [301, 400, 403, 404])
def test_lasting_errors_go_by_their_code(form: str, code: str, fault: str, status: int) -> None:
    with pytest.raises(TerminalDeliveryError) as error:
        raise_for_aws(HttpResponse(status, {}, form.format(code).encode()))

    assert error.value.fault_kind == fault


@pytest.mark.parametrize(
    ("code", "fault"),
    [("SlowDown", "rate_limit"), ("ThrottlingException", "rate_limit"), ("InternalFailure", "partner_error")],
)
def test_passing_errors_go_by_their_code(code: str, fault: str) -> None:
    with pytest.raises(RetryableDeliveryError) as error:
        raise_for_aws(HttpResponse(400, {"retry-after": "4"}, f'{{"__type":"{code}"}}'.encode()))

    assert (error.value.fault_kind, error.value.retry_after_s) == (fault, 4)


@pytest.mark.parametrize(("status", "kind"), [(503, RetryableDeliveryError), (403, TerminalDeliveryError)])
@pytest.mark.parametrize("body", [b"", b"[]", b"<Code>ann@example.com</Code>", b'{"__type":"Ann"}', b'{"__type":5}'])
def test_other_errors_go_by_their_status_and_are_not_repeated(status: int, kind: type[Exception], body: bytes) -> None:
    with pytest.raises(kind, match=str(status)) as error:
        raise_for_aws(HttpResponse(status, {}, body))

    assert "nn" not in str(error.value).replace("the partner answered", "")


@pytest.mark.parametrize("status", [200, 204])
def test_success_is_success(status: int) -> None:
    raise_for_aws(HttpResponse(status))
