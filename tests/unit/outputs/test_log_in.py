"""What is known of a log-in, and where the partner's pages are."""

from urllib.parse import urlsplit

import pytest
from oauthlib.oauth2 import InsecureTransportError

from audience_core.domain.output import Grant
from audience_core.outputs import oauth
from audience_core.outputs.connectors.mailchimp import LOG_IN
from audience_core.outputs.log_in import grant_as_secret, grant_from_secret, registration_of

APP = {"client_id": "app", "client_secret": "s3cret"}


@pytest.mark.parametrize(
    "grant", [Grant("a"), Grant("a", "r", 1_795_430_000_000, {"api_endpoint": "https://x.example"})]
)
def test_a_grant_survives_its_way_through_the_secret_store(grant: Grant) -> None:
    secret = grant_as_secret(grant)

    assert grant_from_secret(secret) == grant
    assert all(isinstance(value, str) for value in secret.values())


@pytest.mark.parametrize(
    ("url", "host"),
    [
        (None, "login.mailchimp.com"),
        ("", "login.mailchimp.com"),
        ("https://stand-in.example/", "stand-in.example"),
    ],
)
def test_a_registration_may_say_that_the_pages_are_elsewhere(url: str | None, host: str) -> None:
    registration = registration_of(LOG_IN, APP if url is None else {**APP, "url": url})

    address = urlsplit(oauth.authorization_url(LOG_IN, registration, "https://api.example/", "state", "v" * 43))

    assert (address.netloc, address.path) == (host, "/oauth2/authorize")


def test_pages_without_https_are_for_a_stack_on_one_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    registration = registration_of(LOG_IN, {**APP, "url": "http://127.0.0.1:4000"})
    arguments = registration, "http://127.0.0.1:4566/", "state", "v" * 43
    with pytest.raises(InsecureTransportError):
        oauth.authorization_url(LOG_IN, *arguments)

    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "true")

    assert oauth.authorization_url(LOG_IN, *arguments).startswith("http://127.0.0.1:4000/oauth2/authorize?")
