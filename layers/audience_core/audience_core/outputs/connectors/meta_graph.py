"""Speaks to Meta's Graph API: requests as the official client sends them, and what its errors mean."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError

from audience_core.domain.output import FaultKind
from audience_core.errors import DeliveryError, RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.connector import raise_for_status, retry_after_s
from audience_core.outputs.http import HttpRequest, HttpResponse, Send

API_VERSION = "v26.0"
_PAGE = 50

_TOKEN = frozenset({102, 190})
_PERMISSIONS = frozenset({3, 10, *range(200, 300)})
# Of the application, the user, one call, and the business use cases (80003 is custom audiences).
_THROTTLED = frozenset({4, 17, 613, *range(80000, 80015)})
_PASSING = frozenset({1, 2})
_INVALID = 100
_MISSING = 33  # subcode: no such object, or none that this token may see
_SERVER_ERROR = 500


class MissingObjectError(TerminalDeliveryError):
    """There is no such object at Meta (any more)."""


class RemoteAudience(BaseModel):
    """As Meta lists it."""

    id: str
    name: str = ""
    description: str | None = None


class _Cursors(BaseModel):
    after: str = ""


class _Paging(BaseModel):
    next: str | None = None
    cursors: _Cursors = _Cursors()


class _Page(BaseModel):
    data: list[RemoteAudience] = []
    paging: _Paging | None = None


class Graph:
    """One access token at one Graph API.

    Every call answers the JSON object of a success, and raises as `Connector` says; errors come in the body, whatever
    the status. See Meta's guides to error handling and to rate limiting of the Marketing API.
    """

    def __init__(self, base_url: str, access_token: str, send: Send) -> None:
        self._base, self._token, self._send = f"{base_url}/{API_VERSION}", access_token, send

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        return self._ask("GET", path, parameters)

    def delete(self, path: str, **parameters: Any) -> dict[str, Any]:
        return self._ask("DELETE", path, parameters)

    def delete_target(self, path: str, **parameters: Any) -> str:
        """The URL of a `delete`, whose parameters all go into it."""
        return self._url(path, parameters)

    def post(self, path: str, **parameters: Any) -> dict[str, Any]:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return _read(self._send(HttpRequest("POST", self._url(path, {}), headers, _form(parameters).encode())))

    def listed(self, path: str) -> Iterable[RemoteAudience]:
        """All of a list, page by page."""
        after: dict[str, str] = {}
        while True:
            answer = self.get(path, fields="id,name,description", limit=_PAGE, **after)
            try:
                page = _Page.model_validate(answer)
            except ValidationError as error:
                raise RetryableDeliveryError("the partner's answer is no list of audiences") from error
            yield from page.data
            if page.paging is None or page.paging.next is None:
                return
            after = {"after": page.paging.cursors.after}

    def _ask(self, method: str, path: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return _read(self._send(HttpRequest(method, self._url(path, parameters))))

    def _url(self, path: str, parameters: Mapping[str, Any]) -> str:
        return f"{self._base}/{path}?{_form({'access_token': self._token, **parameters})}"


def _form(parameters: Mapping[str, Any]) -> str:
    """Everything but text travels as JSON."""
    return urlencode({name: value if isinstance(value, str) else _json(value) for name, value in parameters.items()})


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _read(response: HttpResponse) -> dict[str, Any]:
    try:
        answer = json.loads(response.body)
    except ValueError:
        answer = None
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict) and isinstance(error.get("code"), int):
        raise _meaning(error["code"], error, response)
    raise_for_status(response)
    if not isinstance(answer, dict) or error or answer.get("success") is False:
        # Meta is known to answer 200 with a page of HTML when the service is unavailable.
        raise RetryableDeliveryError("the partner's answer is not that of a success")
    return answer


def _meaning(code: int, error: Mapping[str, Any], response: HttpResponse) -> DeliveryError:
    """What an error asks for. The message never holds the partner's own words, which may repeat identities."""
    subcode = error.get("error_subcode")
    suffix = f"/{subcode}" if isinstance(subcode, int) else ""
    message = f"the partner answered with error {code}{suffix}"
    if code in _THROTTLED:
        return RetryableDeliveryError(f"{message}: too many calls", _wait_s(response), FaultKind.RATE_LIMIT)
    if code in _TOKEN:
        return TerminalDeliveryError(f"{message}: the access token is not valid", FaultKind.AUTHENTICATION)
    if code in _PERMISSIONS:
        return TerminalDeliveryError(f"{message}: the access token may not do this", FaultKind.PERMISSIONS)
    if code == _INVALID:
        kind = MissingObjectError if subcode == _MISSING else TerminalDeliveryError
        return kind(f"{message}: a setting or an audience is not as it should be", FaultKind.CONFIGURATION)
    if code in _PASSING or response.status >= _SERVER_ERROR or error.get("is_transient") is True:
        return RetryableDeliveryError(message, _wait_s(response))
    return TerminalDeliveryError(message, FaultKind.PARTNER_ERROR)


def _wait_s(response: HttpResponse) -> float | None:
    """Seconds, by `X-Business-Use-Case-Usage`: its entries say in how many minutes each business may call again."""
    try:
        businesses = json.loads(response.headers.get("x-business-use-case-usage", ""))
        minutes = [use["estimated_time_to_regain_access"] for uses in businesses.values() for use in uses]
        longest = max(float(each) for each in minutes)
    except (ValueError, TypeError, KeyError, AttributeError):
        longest = 0.0
    return longest * 60 if longest > 0 else retry_after_s(response)
