"""Braze's `POST /users/track` on loopback, by its documented rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.fake_servers import Answer, FakeServer, Heard

KEY = "braze-k3y"
MAX_OBJECTS = 75
ARRAY_LIMIT = 25

# ("external_id", id) or (alias label, alias name)
type Who = tuple[str, str]


@dataclass
class BrazeUser:
    email: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)


class BrazePartner(FakeServer):
    """A workspace; users whose id is in `blocked` are refused. `remaining` requests are left until `reset`, if set."""

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[Who, BrazeUser] = {}
        self.blocked: set[str] = set()
        self.remaining: int | None = None
        self.reset = 0

    def obey(self, heard: Heard) -> Answer:
        if heard.headers.get("authorization") != f"Bearer {KEY}":
            return Answer(401, {"message": "Invalid API Key"})
        if (heard.method, heard.path) != ("POST", "/users/track"):
            return Answer(404)
        if self.remaining == 0:
            return Answer(429, {"message": "Over rate limit"}, self._limits())
        if self.remaining is not None:
            self.remaining -= 1
        return self._track(heard.json.get("attributes", []))

    def _track(self, objects: list[dict[str, Any]]) -> Answer:
        if len(objects) > MAX_OBJECTS:
            return Answer(400, {"message": "Max input length exceeded"}, self._limits())
        errors = [
            {"type": f"{reason} {each}", "input_array": "attributes", "index": index}
            for index, each in enumerate(objects)
            if (reason := self._refusal(each))
        ]
        refused = {each["index"] for each in errors}
        for index, each in enumerate(objects):
            if index not in refused:
                self._update(each)
        if len(refused) == len(objects):
            return Answer(400, {"message": "Valid data must be provided", "errors": errors}, self._limits())
        answer = {"message": "success", "attributes_processed": len(objects) - len(refused)}
        return Answer(201, {**answer, **({"errors": errors} if errors else {})}, self._limits())

    def _refusal(self, told: Mapping[str, Any]) -> str:
        who = _who(told)
        if who is None:
            return "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required"
        return "provided external_id is blacklisted and disallowed" if who[1] in self.blocked else ""

    def _update(self, told: Mapping[str, Any]) -> None:
        who = _who(told)
        # "Update only" is the default of aliases alone.
        if who not in self.users and told.get("_update_existing_only", "user_alias" in told):
            return
        user = self.users.setdefault(who or ("", ""), BrazeUser())
        for name, value in told.items():
            if name == "email":
                user.email = value
            elif isinstance(value, dict) and name != "user_alias":
                held = [each for each in user.attributes.get(name, []) if each not in value.get("remove", [])]
                held = [each for each in held if each not in value.get("add", [])] + value.get("add", [])
                user.attributes[name] = held[:ARRAY_LIMIT]
            elif name not in ("external_id", "user_alias", "_update_existing_only"):
                user.attributes[name] = value

    def _limits(self) -> dict[str, str]:
        if self.remaining is None:
            return {}
        return {
            "x-ratelimit-limit": "3000",
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-reset": str(self.reset),
        }


def _who(told: Mapping[str, Any]) -> Who | None:
    if told.get("external_id"):
        return "external_id", told["external_id"]
    alias = told.get("user_alias", {})
    return (alias["alias_label"], alias["alias_name"]) if alias.get("alias_name") else None
