"""A Kahuna on loopback: its User Attribute API, with the limits that its help centre tells of."""

import base64
from http import HTTPStatus
from typing import Any

from tests.support.fake_servers import Answer, FakeServer, Heard, as_json

HOST = "tap-nexus.appspot.com"
KEYS = ("s3cret", "k3y")
MAX_USERS = 100


class FakeKahuna(FakeServer):
    """Args:
    users: those the app knows, by user id, each with its e-mail and its attributes.
    refusals: user id -> error code of what is said of that user.
    """

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, dict[str, Any]] = {}
        self.refusals: dict[str, int] = {}

    def know(self, user_id: str, email: str) -> dict[str, str]:
        """The attributes of a user, empty so far."""
        self.users[user_id] = {"email": email, "attributes": {}}
        attributes: dict[str, str] = self.users[user_id]["attributes"]
        return attributes

    def obey(self, heard: Heard) -> Answer:
        credential = base64.b64encode(":".join(KEYS).encode()).decode()
        if heard.headers.get("authorization") != f"Basic {credential}":
            return as_json({"error": "unauthorized"}, HTTPStatus.UNAUTHORIZED)
        if (heard.method, heard.path) != ("POST", "/api/userattributes") or heard.query.get("env") not in ("p", "s"):
            return as_json({"error": "not found"}, HTTPStatus.NOT_FOUND)
        entries = heard.json["user_attributes_array"]
        if len(entries) > MAX_USERS:
            return as_json({"error": "at most 100 users"}, HTTPStatus.BAD_REQUEST)
        return as_json([self._apply(each["target"], each["attributes"]) for each in entries])

    def _apply(self, target: dict[str, str], attributes: dict[str, str]) -> dict[str, Any]:
        if not target or not set(target) <= {"user_id", "email", "username", "fbid"}:
            return {"success": False, "error_code": 400, "error": "bad target"}
        user_id = target.get("user_id") or self._with_email(target.get("email", ""))
        if code := self.refusals.get(user_id):
            return {"success": False, "error_code": code, "error": f"{user_id} cannot be changed"}
        if user_id not in self.users:
            return {"success": False, "error_code": 404, "error": f"User not found: {user_id}"}
        self.users[user_id]["attributes"] |= attributes
        return {"success": True}

    def _with_email(self, email: str) -> str:
        return next((key for key, user in self.users.items() if user["email"] == email), email)
