"""The calls of Mailchimp's Marketing API 3.0 that the connector makes, and what its answers mean.

Facts are from mailchimp.com/developer/marketing and the official client, `mailchimp-marketing`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from audience_core.domain.output import FaultKind
from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.connector import raise_for_status
from audience_core.outputs.connectors.mailchimp_batches import failures
from audience_core.outputs.http import HttpRequest, HttpResponse, Send

# An answer about 500 members describes each of them, with some kilobytes of links.
_MAX_ANSWER_BYTES = 8_388_608
_MAX_FIELDS = 1000
# Of a contact to archive: it is not there, or it is archived already, or cleaned, or never confirmed.
_NOTHING_TO_ARCHIVE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
# A batch waits its turn at Mailchimp: this long, and then it is called off.
_BATCH_POLLS, _BATCH_POLL_S = 8, 2.0
_BATCH_RETRY_S = 60.0

type Pause = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Added:
    """What became of members that were to be added.

    Args:
        errors: those refused, each with email_address, error_code and, if a merge field is the reason, field.
        archived: e-mails of those who were archived before, and still are.
    """

    errors: Sequence[Mapping[str, Any]]
    archived: Sequence[str]


class MailchimpApi:
    """Args:
    base: address of the account's data centre, with the version; "" when nobody has given a credential.
    headers: the credential.
    pause: sleeps for so many seconds.
    """

    def __init__(self, base: str, headers: Mapping[str, str], send: Send, pause: Pause) -> None:
        self._base, self._headers, self._send, self._pause = base, headers, send, pause

    def ping(self) -> None:
        self._call("GET", "/ping")

    def check_list(self, list_id: str) -> None:
        """Raise `TerminalDeliveryError` when there is no such list."""
        self._call("GET", _list_path(list_id), {"fields": "id"})

    def merge_tags(self, list_id: str) -> frozenset[str]:
        """Tags that a text can fill; an address is a form of its own."""
        fields = "merge_fields.tag,merge_fields.type"
        answer = self._call("GET", f"{_list_path(list_id)}/merge-fields", {"count": str(_MAX_FIELDS), "fields": fields})
        return frozenset(each["tag"] for each in _items(answer, "merge_fields") if each.get("type") != "address")

    def add(self, list_id: str, members: Sequence[Mapping[str, Any]]) -> Added:
        """Add or update up to 500 members; a success may hide that some, or all, were refused."""
        body = {"members": list(members), "update_existing": True, "sync_tags": False}
        # Users share what they like: a list's required fields must not keep everybody out.
        answer = self._call("POST", _list_path(list_id), {"skip_merge_validation": "True"}, body)
        updated = _items(answer, "updated_members")
        archived = [str(each.get("email_address")) for each in updated if each.get("status") == "archived"]
        return Added(_items(answer, "errors"), archived)

    def untag(self, list_id: str, tag: str, emails: Sequence[str]) -> None:
        """Take a tag off up to 500 contacts in one request: a tag is a static segment of the list."""
        found = self._call("GET", f"{_list_path(list_id)}/tag-search", {"name": tag})
        for each in _items(found, "tags"):
            if each.get("name") == tag:
                path = f"{_list_path(list_id)}/segments/{quote(str(each.get('id')), safe='')}"
                # Errors in the answer are of contacts that are not there, or do not have the tag.
                self._call("POST", path, body={"members_to_add": [], "members_to_remove": list(emails)})

    def archive(self, list_id: str, member_hash: str) -> None:
        """Archive one contact, at once; harmless if there is nothing to archive."""
        response = self._answer("DELETE", f"{_list_path(list_id)}/members/{member_hash}")
        if response.status not in _NOTHING_TO_ARCHIVE:
            _raise_for(response)

    def archive_many(self, list_id: str, member_hashes: Sequence[str]) -> None:
        """Archive up to 1000 contacts as one batch, and wait for it.

        Raises:
            RetryableDeliveryError: Mailchimp did not come to it; then it is called off, so that it cannot archive
                somebody later who is wanted again by then.
        """
        path = _list_path(list_id)
        operations = [{"method": "DELETE", "path": f"{path}/members/{each}"} for each in member_hashes]
        batch = self._call("POST", "/batches", body={"operations": operations})
        where = f"/batches/{quote(str(batch.get('id')), safe='')}"
        for _ in range(_BATCH_POLLS):
            self._pause(_BATCH_POLL_S)
            batch = self._call("GET", where)
            if batch.get("status") == "finished":
                return self._check_batch(batch)
        self._call("DELETE", where)
        raise RetryableDeliveryError("the partner is busy with other batches", _BATCH_RETRY_S)

    def _check_batch(self, batch: Mapping[str, Any]) -> None:
        if not batch.get("errored_operations"):
            return
        # The results lie elsewhere, at an address that needs no credential and must get none.
        results = self._send(
            HttpRequest("GET", str(batch.get("response_body_url")), max_answer_bytes=_MAX_ANSWER_BYTES)
        )
        raise_for_status(results)
        for each in failures(results.body):
            if each.status not in _NOTHING_TO_ARCHIVE:
                _raise_for(each)

    def _call(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        response = self._answer(method, path, query, body)
        if response.status == HTTPStatus.NOT_FOUND and path.startswith("/lists/"):
            raise TerminalDeliveryError("the partner has no such audience: check list_id", FaultKind.CONFIGURATION)
        _raise_for(response)
        if response.status == HTTPStatus.NO_CONTENT:
            return {}
        answer = _object(response.body)
        if answer is None:
            raise RetryableDeliveryError("the partner's answer cannot be read")
        return answer

    def _answer(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> HttpResponse:
        if not self._base:
            raise TerminalDeliveryError("the output has no API key: enter one, or log in", FaultKind.AUTHENTICATION)
        url = self._base + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Content-Type": "application/json", **self._headers}
        content = b"" if body is None else json.dumps(body).encode()
        return self._send(HttpRequest(method, url, headers, content, _MAX_ANSWER_BYTES))


def account_facts(url: str, access_token: str, send: Send) -> Mapping[str, str]:
    """The address of the API for the account that a token is for; `url` is of Mailchimp's log-in pages."""
    response = send(HttpRequest("GET", f"{url}/oauth2/metadata", {"Authorization": f"OAuth {access_token}"}))
    _raise_for(response)
    endpoint = (_object(response.body) or {}).get("api_endpoint")
    if not isinstance(endpoint, str):
        raise RetryableDeliveryError("the partner did not say where the account's API is")
    return {"api_endpoint": endpoint}


def _raise_for(response: HttpResponse) -> None:
    """As `raise_for_status`, but that a 403 without JSON is Mailchimp's other way to say "too many requests"."""
    if HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
        return
    if response.status == HTTPStatus.FORBIDDEN and _object(response.body) is None:
        reason = "the partner answered 403 without a reason, as it does to too many requests"
        raise RetryableDeliveryError(reason, None, FaultKind.RATE_LIMIT)
    raise_for_status(response)


def _list_path(list_id: str) -> str:
    return f"/lists/{quote(list_id, safe='')}"


def _items(answer: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    items = answer.get(name)
    return [each for each in items if isinstance(each, dict)] if isinstance(items, list) else []


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
