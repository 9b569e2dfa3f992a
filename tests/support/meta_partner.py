"""A Graph API on loopback that keeps custom audiences by Meta's documented rules."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.fake_servers import Answer, FakeServer, HangUp, Heard

TOKEN = "EAAB-t0k3n"
ACCOUNT = "1234567890"
MAX_ROWS = 10_000
# Longer URLs have been seen to be hung up on.
MAX_URL_BYTES = 16_000
LOOKALIKE_MINIMUM = 100
SOURCES = {"USER_PROVIDED_ONLY", "PARTNER_PROVIDED_ONLY", "BOTH_USER_AND_PARTNER_PROVIDED"}

_HEX = re.compile(r"[0-9a-f]{64}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SINGLE = {"EMAIL_SHA256": "EMAIL", "PHONE_SHA256": "PHONE", "MOBILE_ADVERTISER_ID": "MADID", "UID": "UID"}
_COLUMNS = {
    "EXTERN_ID", "EMAIL", "PHONE", "GEN", "DOBY", "DOBM", "DOBD", "LN", "FN", "FI", "CT", "ST", "ZIP", "MADID",
    "COUNTRY", "UID", "LOOKALIKE_VALUE",
}  # fmt: skip
_SAMPLES = 3

# (column, value) of every column that is not blank.
type Entry = frozenset[tuple[str, str]]


@dataclass
class RemoteAudience:
    name: str
    description: str
    subtype: str
    fields: Mapping[str, str]
    entries: dict[Entry, float | None] = field(default_factory=dict)

    def values(self, column: str) -> set[str]:
        return {value for entry in self.entries for name, value in entry if name == column}


class Refused(Exception):
    """A Graph API error."""

    def __init__(self, code: int, subcode: int | None = None, status: int = 400) -> None:
        super().__init__(code)
        self.answer = graph_error(code, subcode, status)


def graph_error(code: int, subcode: int | None = None, status: int = 400, **headers: str) -> Answer:
    error = {"message": f"secret words about ann@example.com ({code})", "type": "OAuthException", "code": code}
    content = {"error": {**error, **({"error_subcode": subcode} if subcode else {}), "fbtrace_id": "A1"}}
    return Answer(status, content, {name.replace("_", "-"): value for name, value in headers.items()})


class MetaPartner(FakeServer):
    """One ad account; `audiences` by id."""

    def __init__(self) -> None:
        super().__init__()
        self.audiences: dict[str, RemoteAudience] = {}
        self._next_id = 23_850_000_000_000_000

    def named(self, name: str) -> RemoteAudience:
        (found,) = [each for each in self.audiences.values() if each.name == name]
        return found

    @property
    def names(self) -> list[str]:
        return sorted(each.name for each in self.audiences.values())

    def obey(self, heard: Heard) -> Answer:
        if len(heard.target) > MAX_URL_BYTES:
            raise HangUp
        try:
            return Answer(200, self._obey(heard))
        except Refused as error:
            return error.answer

    def _obey(self, heard: Heard) -> Any:
        if heard.query.get("access_token") != TOKEN:
            raise Refused(190, 463)
        version, *path = heard.path.strip("/").split("/")
        if version != "v26.0":
            raise Refused(2635)
        if path[0] == f"act_{ACCOUNT}":
            return self._ask_account(heard, path[1:])
        if path[0] not in self.audiences:
            raise Refused(100, 33)
        return self._ask_users(heard, path[0]) if path[1:] == ["users"] else self._ask_audience(heard, path[0])

    def _ask_account(self, heard: Heard, path: list[str]) -> Any:
        match heard.method, path:
            case "GET", []:
                return {"id": f"act_{ACCOUNT}"}
            case "GET", ["customaudiences"]:
                return self._page(int(heard.query.get("limit", "25")), int(heard.query.get("after", "0")))
            case "POST", ["customaudiences"]:
                return self._create(heard.form)
        raise Refused(100)

    def _ask_audience(self, heard: Heard, remote_id: str) -> Any:
        if heard.method == "GET":
            return {"id": remote_id, "name": self.audiences[remote_id].name}
        if heard.method == "POST":
            self.audiences[remote_id].name = heard.form["name"]
        elif heard.method == "DELETE":
            del self.audiences[remote_id]
        return {"success": True}

    def _ask_users(self, heard: Heard, remote_id: str) -> Any:
        is_added = heard.method == "POST"
        return self._users(remote_id, json.loads((heard.form if is_added else heard.query)["payload"]), is_added)

    def _page(self, limit: int, after: int) -> dict[str, Any]:
        found = [{"id": k, "name": a.name, "description": a.description} for k, a in self.audiences.items()]
        paging = {"cursors": {"after": str(after + limit)}}
        if after + limit < len(found):
            paging["next"] = "https://graph.facebook.com/next"  # type: ignore[assignment]  # any JSON
        return {"data": found[after : after + limit], "paging": paging}

    def _create(self, form: Mapping[str, str]) -> dict[str, Any]:
        subtype = form.get("subtype", "")
        if not form.get("name"):
            raise Refused(100)
        if subtype == "CUSTOM" and form.get("customer_file_source") not in SOURCES:
            raise Refused(100, 1870053)
        if subtype == "LOOKALIKE":
            self._check_lookalike(form)
        elif subtype != "CUSTOM":
            raise Refused(100)
        self._next_id += 1
        made = RemoteAudience(form["name"], form.get("description", ""), subtype, dict(form))
        self.audiences[str(self._next_id)] = made
        return {"id": str(self._next_id)}

    def _check_lookalike(self, form: Mapping[str, str]) -> None:
        origin, spec = self.audiences.get(form.get("origin_audience_id", "")), json.loads(form["lookalike_spec"])
        if origin is None or len(origin.entries) < LOOKALIKE_MINIMUM:
            raise Refused(100, 1713007)
        hundredths = spec.get("ratio", 0.01) * 100
        if not 1 <= hundredths <= 20 or abs(hundredths - round(hundredths)) > 1e-9 or len(spec["country"]) != 2:
            raise Refused(100)

    def _users(self, remote_id: str, payload: Mapping[str, Any], is_added: bool) -> dict[str, Any]:
        audience, schema, data = self.audiences[remote_id], payload["schema"], payload["data"]
        if not data or len(data) > MAX_ROWS:
            raise Refused(100)
        if "UID" in (schema, *schema) and not payload.get("app_ids"):
            raise Refused(100)
        columns = schema if isinstance(schema, list) else [_SINGLE.get(schema, schema)]
        is_value_based = audience.fields.get("is_value_based") == "true"
        if not set(columns) <= _COLUMNS or ("LOOKALIKE_VALUE" in columns and not is_value_based):
            raise Refused(100)
        rows = [each if isinstance(each, list) else [each] for each in data]
        if any(len(row) != len(columns) for row in rows) or isinstance(schema, list) is not payload["is_raw"]:
            raise Refused(100)
        invalid = [row for row in rows if not all(map(_is_valid, columns, row, [isinstance(schema, list)] * len(row)))]
        for row in rows:
            if row not in invalid:
                self._apply(audience, dict(zip(columns, row, strict=True)), is_added=is_added)
        samples = {str(row[0]): "invalid hash" for row in invalid[:_SAMPLES]}
        answer = {"audience_id": remote_id, "session_id": "1", "num_received": len(rows)}
        return {**answer, "num_invalid_entries": len(invalid), "invalid_entry_samples": samples}

    def _apply(self, audience: RemoteAudience, row: dict[str, Any], *, is_added: bool) -> None:
        value = row.pop("LOOKALIKE_VALUE", None)
        # An advertising id that came as it is was hashed here.
        row = {k: sha(v) if k == "MADID" and _UUID.fullmatch(v) else v for k, v in row.items()}
        entry = frozenset((column, cell) for column, cell in row.items() if cell)
        if is_added:
            audience.entries[entry] = value
        else:
            audience.entries = {e: v for e, v in audience.entries.items() if not entry <= e}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _is_valid(column: str, cell: Any, is_listed: bool) -> bool:
    if column == "LOOKALIKE_VALUE":
        return isinstance(cell, int | float) and cell >= 0
    if column == "UID":
        return str(cell).isdigit()
    if cell == "":
        return is_listed
    if column == "MADID" and not is_listed:
        return _UUID.fullmatch(cell) is not None
    return _HEX.fullmatch(cell) is not None
