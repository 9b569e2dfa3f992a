"""A Mailchimp on loopback: what its Marketing API documents of lists, members, tags and batches, limits included."""

import base64
import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from tests.support.fake_servers import Answer, FakeServer, Heard, as_json

KEY = "0123456789abcdef0123456789abcdef-us19"
HOST = "us19.api.mailchimp.com"
RESULTS_HOST = "mailchimp-api-batch.s3.amazonaws.com"
LIST = "a1b2c3d4e5"
MAX_MEMBERS = 500
MAX_OPERATIONS = 1000
MAX_CONNECTIONS = 10
_PROBLEMS = "https://mailchimp.com/developer/marketing/docs/errors/"
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
# Real answers carry about as much with each member.
_LINKS = [{"rel": f"r{n}", "href": "https://us19.api.mailchimp.com/3.0/" + "x" * 100} for n in range(10)]


@dataclass
class Contact:
    """Args:
    opted_out: unsubscribed by the person, or bounced: nobody else may subscribe it again, archived or not.
    """

    email: str
    status: str
    email_type: str = "html"
    merge_fields: dict[str, Any] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    opted_out: bool = False

    @property
    def view(self) -> dict[str, Any]:
        shown = {"email_address": self.email, "status": self.status, "email_type": self.email_type}
        return {"id": member_hash(self.email), **shown, "merge_fields": self.merge_fields, "_links": _LINKS}


@dataclass
class Audience:
    """A list; contacts by hash, tags (static segments) by id."""

    merge_fields: dict[str, str] = field(default_factory=lambda: {"FNAME": "text", "ADDRESS": "address"})
    required: frozenset[str] = frozenset()
    contacts: dict[str, Contact] = field(default_factory=dict)
    tags: dict[int, str] = field(default_factory=dict)

    def contact(self, email: str) -> Contact:
        return self.contacts[member_hash(email)]

    def in_status(self, status: str) -> set[str]:
        return {each.email for each in self.contacts.values() if each.status == status}

    def tag(self, name: str) -> None:
        if name not in self.tags.values():
            self.tags[1000 + len(self.tags)] = name


@dataclass
class Batch:
    operations: list[dict[str, Any]]
    status: str = "pending"
    results: list[dict[str, Any]] = field(default_factory=list)

    @property
    def errored(self) -> int:
        return sum(each["status_code"] >= HTTPStatus.BAD_REQUEST for each in self.results)


class FakeMailchimp(FakeServer):
    """Args:
    polls: how often a batch must be asked for until it is finished; it works through its operations meanwhile.
    """

    def __init__(self) -> None:
        super().__init__()
        self.keys, self.tokens = {KEY}, set[str]()
        self.lists = {LIST: Audience()}
        self.batches: dict[str, Batch] = {}
        self.polls = 2
        self.gate: threading.Event | None = None
        self.most_at_once = 0
        self._connections, self._counter = 0, threading.Lock()

    @property
    def audience(self) -> Audience:
        return self.lists[LIST]

    def hear(self, heard: Heard) -> Answer:
        """More than 10 connections at once get a bare 429; `gate` holds all back until it is set."""
        with self._counter:
            self._connections += 1
            self.most_at_once = max(self.most_at_once, self._connections)
            too_many = self._connections > MAX_CONNECTIONS
        try:
            if too_many:
                return Answer(HTTPStatus.TOO_MANY_REQUESTS, b"<html>Too Many Requests</html>")
            if self.gate is not None:
                self.gate.wait(5)
            return super().hear(heard)
        finally:
            with self._counter:
                self._connections -= 1

    def obey(self, heard: Heard) -> Answer:
        if heard.path.startswith("/results/"):
            return self._results(heard)
        if not self._is_known(heard.headers.get("authorization", "")):
            return problem(401, "API Key Invalid", "Your API key may be invalid, or you've attempted the wrong one.")
        return self._route(heard.method, heard.path.removeprefix("/3.0"), heard.query, heard.body)

    def _is_known(self, authorization: str) -> bool:
        scheme, _, credential = authorization.partition(" ")
        if scheme in ("Bearer", "OAuth"):
            return credential in self.tokens
        return scheme == "Basic" and base64.b64decode(credential).decode().partition(":")[2] in self.keys

    def _route(self, method: str, path: str, query: Any, body: bytes) -> Answer:
        parts = path.strip("/").split("/")
        match method, parts:
            case "GET", ["ping"]:
                return as_json({"health_status": "Everything's Chimpy!"})
            case _, ["lists", list_id, *rest]:
                if list_id not in self.lists:
                    return problem(404, "Resource Not Found", "The requested resource could not be found.")
                return _on_list(self.lists[list_id], method, rest, query, body)
            case "POST", ["batches"]:
                return self._start_batch(json.loads(body)["operations"])
            case _, ["batches", batch_id] if batch_id in self.batches:
                return self._batch(method, batch_id)
        return problem(404, "Resource Not Found", "The requested resource could not be found.")

    def _start_batch(self, operations: list[dict[str, Any]]) -> Answer:
        if not 0 < len(operations) <= MAX_OPERATIONS:
            return problem(400, "Invalid Resource", "A batch has 1 to 1000 operations.")
        batch_id = f"b{len(self.batches)}"
        self.batches[batch_id] = Batch(operations)
        return self._shown(batch_id)

    def _batch(self, method: str, batch_id: str) -> Answer:
        batch = self.batches[batch_id]
        if method == "DELETE":
            del self.batches[batch_id]
            return Answer(HTTPStatus.NO_CONTENT)
        share = -(-len(batch.operations) // self.polls)
        for each in batch.operations[len(batch.results) : len(batch.results) + share]:
            done = self._route(each["method"], each["path"], {}, each.get("body", "").encode())
            batch.results.append({"status_code": done.status, "response": done.body.decode()})
        batch.status = "finished" if len(batch.results) == len(batch.operations) else "started"
        return self._shown(batch_id)

    def _shown(self, batch_id: str) -> Answer:
        batch = self.batches[batch_id]
        url = f"https://{RESULTS_HOST}/results/{batch_id}.tar.gz?Signature=x" if batch.status == "finished" else ""
        counts = {"total_operations": len(batch.operations), "finished_operations": len(batch.results)}
        shown = {"id": batch_id, "status": batch.status, **counts, "errored_operations": batch.errored}
        return as_json({**shown, "response_body_url": url})

    def _results(self, heard: Heard) -> Answer:
        """As S3 does, it refuses a signed address together with a credential."""
        if "authorization" in heard.headers:
            return Answer(HTTPStatus.BAD_REQUEST, b"<Error>Only one auth mechanism allowed</Error>")
        batch = self.batches[heard.path.removeprefix("/results/").removesuffix(".tar.gz")]
        return Answer(HTTPStatus.OK, packed(batch.results), {"Content-Type": "application/gzip"})


def member_hash(email: str) -> str:
    return hashlib.md5(email.lower().encode()).hexdigest()


def problem(status: int, title: str, detail: str) -> Answer:
    content = {"type": _PROBLEMS, "title": title, "status": status, "detail": detail, "instance": "0-0"}
    return as_json(content, status, "application/problem+json")


def _on_list(audience: Audience, method: str, rest: list[str], query: Any, body: bytes) -> Answer:
    match method, rest:
        case "GET", []:
            return as_json({"id": LIST, "name": "Newsletter"})
        case "POST", []:
            return _add(audience, json.loads(body), query)
        case "GET", ["merge-fields"]:
            shown = [{"tag": tag, "type": kind} for tag, kind in audience.merge_fields.items()]
            return as_json({"merge_fields": shown[: int(query.get("count", 10))], "total_items": len(shown)})
        case "GET", ["tag-search"]:
            found = [{"id": key, "name": name} for key, name in audience.tags.items() if query["name"] in name]
            return as_json({"tags": found, "total_items": len(found)})
        case "POST", ["segments", segment] if int(segment) in audience.tags:
            return _change_segment(audience, audience.tags[int(segment)], json.loads(body))
        case _, ["members", key] if key in audience.contacts:
            return _on_member(audience.contacts[key], method)
    return problem(404, "Resource Not Found", "The requested resource could not be found.")


def _on_member(contact: Contact, method: str) -> Answer:
    if method == "GET":
        return as_json(contact.view)
    if contact.status in ("archived", "pending", "cleaned"):
        detail = "This list member cannot be removed. Can not archive a contact that is bounced, pending or archived"
        return problem(405, "Method Not Allowed", detail)
    contact.status = "archived"
    return Answer(HTTPStatus.NO_CONTENT)


def _add(audience: Audience, body: dict[str, Any], query: Any) -> Answer:
    if len(body["members"]) > MAX_MEMBERS:
        return problem(400, "Invalid Resource", f"You may add or update up to {MAX_MEMBERS} members.")
    new, updated, errors, seen = list[Contact](), list[Contact](), list[dict[str, Any]](), set[str]()
    for member in body["members"]:
        key = member_hash(str(member["email_address"]))
        existing = audience.contacts.get(key)
        if refusal := _refusal(audience, member, existing, body, query, key in seen):
            errors.append({"email_address": member["email_address"], **refusal})
            continue
        seen.add(key)
        if existing is None:
            contact = Contact(member["email_address"], member.get("status") or member["status_if_new"])
            audience.contacts[key] = contact
        else:
            contact, existing.status = existing, member.get("status", existing.status)
        _apply(audience, contact, member)
        (new if existing is None else updated).append(contact)
    totals = {"total_created": len(new), "total_updated": len(updated), "error_count": len(errors)}
    members = {"new_members": [c.view for c in new], "updated_members": [c.view for c in updated]}
    return as_json({**members, "errors": errors, **totals})


def _refusal(
    audience: Audience, member: Any, existing: Contact | None, body: Any, query: Any, is_repeat: bool
) -> dict[str, str]:
    email, fields = member["email_address"], member.get("merge_fields", {})
    unknown = [tag for tag in fields if tag not in audience.merge_fields]
    missing = (
        [] if query.get("skip_merge_validation", "").lower() == "true" else sorted(audience.required - fields.keys())
    )
    checks: list[tuple[bool, Callable[[], dict[str, str]]]] = [
        (not _EMAIL.fullmatch(email), lambda: _error("ERROR_GENERIC", f"{email} looks fake or invalid")),
        (is_repeat, lambda: _error("ERROR_GENERIC", f"Duplicate items found: {email}")),
        (bool(unknown), lambda: _error("ERROR_GENERIC", "no such merge field", unknown[0])),
        (bool(missing), lambda: _error("ERROR_GENERIC", "please enter a value", missing[0])),
        (fields.get("FNAME") == "!", lambda: _error("ERROR_GENERIC", f"{email}: a name please", "FNAME")),
        (
            existing is None and not (member.get("status") or member.get("status_if_new")),
            lambda: _error("ERROR_GENERIC", "no status"),
        ),
        (
            existing is not None and not body.get("update_existing"),
            lambda: _error("ERROR_CONTACT_EXISTS", f"{email} exists"),
        ),
        (
            existing is not None and existing.opted_out and member.get("status") in ("subscribed", "pending"),
            lambda: _error("ERROR_GENERIC", f"{email} is in a compliance state due to unsubscribe, bounce"),
        ),
    ]
    return next((make() for applies, make in checks if applies), {})


def _error(code: str, message: str, tag: str = "") -> dict[str, str]:
    return {"error": message, "error_code": code, "field": tag, "field_message": message if tag else ""}


def _apply(audience: Audience, contact: Contact, member: Any) -> None:
    contact.email_type = member.get("email_type", contact.email_type)
    contact.merge_fields |= member.get("merge_fields", {})
    for name in member.get("tags", ()):
        audience.tag(name)
        contact.tags.add(name)


def _change_segment(audience: Audience, tag: str, body: dict[str, list[str]]) -> Answer:
    if any(len(emails) > MAX_MEMBERS for emails in body.values()):
        return problem(400, "Invalid Resource", f"You may change up to {MAX_MEMBERS} members.")
    removed, unknown = [], []
    for email in body.get("members_to_remove", ()):
        contact = audience.contacts.get(member_hash(email))
        if contact is not None and tag in contact.tags:
            contact.tags.remove(tag)
            removed.append(contact.view)
        else:
            unknown.append(email)
    errors = [{"email_addresses": unknown, "error": "no such members"}] if unknown else []
    return as_json({"members_added": [], "members_removed": removed, "errors": errors, "error_count": len(errors)})


def packed(results: list[dict[str, Any]]) -> bytes:
    target = io.BytesIO()
    content = json.dumps(results).encode()
    with tarfile.open(fileobj=target, mode="w:gz") as files:
        folder = tarfile.TarInfo("b0/")
        folder.type = tarfile.DIRTYPE
        files.addfile(folder)
        entry = tarfile.TarInfo("b0/1.json")
        entry.size = len(content)
        files.addfile(entry, io.BytesIO(content))
    return target.getvalue()
