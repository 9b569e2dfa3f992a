"""What the status codes of partners mean."""

import pytest

from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.connector import raise_for_status
from audience_core.outputs.http import HttpResponse


@pytest.mark.parametrize("status", [200, 202])
def test_these_are_success(status: int) -> None:
    raise_for_status(HttpResponse(status))


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (408, "partner_error"),
        (429, "rate_limit"),
        (500, "partner_error"),
        (502, "partner_error"),
        (503, "partner_error"),
        (504, "partner_error"),
    ],
)
def test_these_are_tried_again(status: int, fault: str) -> None:
    with pytest.raises(RetryableDeliveryError, match=str(status)) as error:
        raise_for_status(HttpResponse(status))

    assert error.value.fault_kind == fault


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (201, "partner_error"),
        (204, "partner_error"),
        (301, "configuration"),
        (307, "configuration"),
        (400, "partner_error"),
        (401, "authentication"),
        (403, "permissions"),
        (404, "configuration"),
        (405, "configuration"),
        (410, "configuration"),
        (413, "partner_error"),
        (422, "partner_error"),
        (501, "partner_error"),
        (505, "partner_error"),
        (599, "partner_error"),
    ],
)
def test_no_other_is_tried_again(status: int, fault: str) -> None:
    with pytest.raises(TerminalDeliveryError, match=str(status)) as error:
        raise_for_status(HttpResponse(status))

    assert error.value.fault_kind == fault


def test_the_partners_own_words_are_not_repeated() -> None:
    with pytest.raises(TerminalDeliveryError) as error:
        raise_for_status(HttpResponse(400, {}, b"ann@example.com is not valid"))

    assert str(error.value) == "the partner answered 400 Bad Request"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"retry-after": "Wed, 25 Nov 2026 10:00:30 GMT", "date": "Wed, 25 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 25 Nov 2026 09:00:00 GMT", "date": "Wed, 25 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 25 Nov 2026 10:00:30 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "²"}, None),
        ({}, None),
    ],
)
def test_a_partner_may_say_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    with pytest.raises(RetryableDeliveryError) as error:
        raise_for_status(HttpResponse(429, headers))

    assert error.value.retry_after_s == seconds
