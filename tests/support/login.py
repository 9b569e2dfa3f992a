"""A partner's log-in pages on loopback: OAuth 2 with codes good once, PKCE and rotating refresh tokens."""

import base64
import hashlib
import secrets
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.support.fake_servers import Answer, FakeServer, Heard, as_json

HOST = "login.mailchimp.com"
CLIENT_ID, CLIENT_SECRET = "app-1", "app-s3cret"
REGISTRATION = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "url": f"https://{HOST}"}


@dataclass(frozen=True)
class Code:
    redirect_uri: str
    challenge: str


class FakeLogIn(FakeServer):
    """Whoever comes is logged in at once, unless `is_denied`.

    Args:
        lifetime_s: of access tokens; 0, as Mailchimp says, for ever, and then without refresh tokens.
        tokens: valid access tokens; those of the partner's API, which is at `api_endpoint`.
    """

    def __init__(self, tokens: set[str], redirect_uri: str) -> None:
        super().__init__()
        self.tokens, self.redirect_uri = tokens, redirect_uri
        self.lifetime_s, self.api_endpoint = 0, "https://us19.api.mailchimp.com"
        self.is_denied = False
        self.codes: dict[str, Code] = {}
        self.refresh_tokens: set[str] = set()

    def obey(self, heard: Heard) -> Answer:
        match heard.method, heard.path:
            case "GET", "/oauth2/authorize":
                return self._authorize(dict(heard.query))
            case "POST", "/oauth2/token":
                return self._token(dict(parse_qsl(heard.body.decode())))
            case "GET", "/oauth2/metadata" if heard.headers.get("authorization", "")[6:] in self.tokens:
                return as_json({"dc": "us19", "api_endpoint": self.api_endpoint})
        return as_json({"error": "invalid_token"}, HTTPStatus.UNAUTHORIZED)

    def revoke(self) -> None:
        """What a user does who takes the app's access away."""
        self.tokens.clear()
        self.refresh_tokens.clear()

    def _authorize(self, query: dict[str, str]) -> Answer:
        expected = {"response_type": "code", "client_id": CLIENT_ID, "redirect_uri": self.redirect_uri}
        if not expected.items() <= query.items() or query.get("code_challenge_method") != "S256":
            return Answer(HTTPStatus.BAD_REQUEST, b"this app is not known here")
        if self.is_denied:
            answer = {"error": "access_denied", "state": query["state"]}
        else:
            code = secrets.token_urlsafe(16)
            self.codes[code] = Code(query["redirect_uri"], query["code_challenge"])
            answer = {"code": code, "state": query["state"]}
        return Answer(HTTPStatus.FOUND, b"", {"Location": f"{query['redirect_uri']}?{urlencode(answer)}"})

    def _token(self, form: dict[str, str]) -> Answer:
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return as_json({"error": "invalid_client"}, HTTPStatus.UNAUTHORIZED)
        if form["grant_type"] == "refresh_token":
            is_good = form["refresh_token"] in self.refresh_tokens
            self.refresh_tokens.discard(form["refresh_token"])
        else:
            code = self.codes.pop(form["code"], None)
            is_good = code == Code(form["redirect_uri"], challenge_of(form["code_verifier"]))
        if not is_good:
            problem = {"error": "invalid_grant", "error_description": "ann@example.com may not"}
            return as_json(problem, HTTPStatus.BAD_REQUEST)
        return as_json(self._issued())

    def _issued(self) -> dict[str, Any]:
        token, refresh_token = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        self.tokens.add(token)
        answer: dict[str, Any] = {"access_token": token, "expires_in": self.lifetime_s, "scope": None}
        if self.lifetime_s:
            self.refresh_tokens.add(refresh_token)
            answer["refresh_token"] = refresh_token
        return answer


def challenge_of(verifier: str) -> str:
    """RFC 7636, 4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


class _Staying(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """A test follows by itself: the address leads to a handler, not to a server."""


def browse(login: FakeLogIn, authorization_url: str) -> dict[str, str]:
    """Open an address as a browser does; the query with which the partner sends the browser back."""
    parts = urlsplit(authorization_url)
    assert (parts.scheme, parts.netloc) == ("https", HOST)
    try:
        urllib.request.build_opener(_Staying).open(f"{login.url}{parts.path}?{parts.query}")
    except urllib.error.HTTPError as answer:
        with answer:
            location = urlsplit(answer.headers["Location"])
            assert location._replace(query="").geturl() == login.redirect_uri
            return dict(parse_qsl(location.query))
    raise AssertionError("the partner did not send the browser back")
