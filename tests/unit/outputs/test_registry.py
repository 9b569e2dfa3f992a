"""The list of connectors, and what becomes of the settings people give."""

import pytest

from audience_core.errors import InvalidInputError
from audience_core.outputs.registry import acceptance_of, connection_settings, kind_named, split_settings
from tests.support.control import an_output

WEBHOOK = kind_named("webhook")


def test_an_unknown_connector_names_the_field() -> None:
    with pytest.raises(InvalidInputError) as error:
        kind_named("carrier-pigeon")

    assert error.value.problems == (("/connector", "unknown connector"),)


def test_confidential_settings_are_split_off() -> None:
    given = {"url": "https://partner.example/", "token": "t", "signing_secret": "s", "encoding": "sha256"}

    stored, secret = split_settings(WEBHOOK, given)

    assert WEBHOOK.confidential == {"token", "signing_secret"}
    assert secret == {"token": "t", "signing_secret": "s"}
    assert stored == {
        "url": "https://partner.example/",
        "encoding": "sha256",
        "accepted_identities": [],
        "required_identities": [],
    }


def test_a_missing_signing_secret_is_made_up() -> None:
    _, secret = split_settings(WEBHOOK, {"url": "https://partner.example/"})

    assert len(secret.pop("signing_secret")) >= 43
    assert secret == {}


def test_each_wrong_setting_is_named_and_no_secret_repeated() -> None:
    with pytest.raises(InvalidInputError) as error:
        split_settings(WEBHOOK, {"url": "nonsense", "token": "a secret", "colour": "red"})

    assert {field for field, _ in error.value.problems} == {"/settings/url", "/settings/token", "/settings/colour"}
    assert "a secret" not in str(error.value.problems)


def test_connection_settings_are_text_by_name() -> None:
    assert connection_settings(WEBHOOK, {"listId": "17"}) == {"listId": "17"}
    with pytest.raises(InvalidInputError):
        connection_settings(WEBHOOK, {"listId": 17})


def test_schemas_say_which_settings_are_confidential() -> None:
    properties = WEBHOOK.output_settings.model_json_schema()["properties"]

    assert {name for name, schema in properties.items() if schema.get("confidential")} == WEBHOOK.confidential


def test_who_is_accepted_can_be_asked_without_secrets() -> None:
    settings = {"url": "https://partner.example/", "accepted_identities": ["email"], "required_identities": ["email"]}

    acceptance = acceptance_of(an_output(settings=settings))

    assert acceptance.accepted_identities == acceptance.required_identities == {"email"}
    assert "customer_id" in acceptance_of(an_output()).accepted_identities


def test_a_list_stays_the_one_that_the_connection_was_made_with() -> None:
    mailchimp = kind_named("mailchimp")
    held = connection_settings(mailchimp, {"list_id": "a1"})

    assert connection_settings(mailchimp, {"list_id": "a1"}, held) == held
    with pytest.raises(InvalidInputError) as error:
        connection_settings(mailchimp, {"list_id": "b2"}, held)

    assert [field for field, _ in error.value.problems] == ["/settings/list_id"]
