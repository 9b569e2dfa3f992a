"""Addresses a developer can open."""

import pytest

from local.deploy import reachable

HERE = "http://127.0.0.1:4566"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://ab12cd34.execute-api.us-east-1.amazonaws.com", f"{HERE}/_aws/execute-api/ab12cd34"),
        ("https://ab12cd34.execute-api.us-east-1.amazonaws.com/console", f"{HERE}/_aws/execute-api/ab12cd34/console"),
        ("https://people.auth.us-east-1.amazoncognito.com/oauth2/token", f"{HERE}/oauth2/token"),
        ("arn:aws:execute-api:us-east-1:0:ab12cd34", "arn:aws:execute-api:us-east-1:0:ab12cd34"),
        ("audiences-Table", "audiences-Table"),
    ],
)
def test_outputs_lead_to_this_machine(value, expected):
    assert reachable(value, HERE) == expected
