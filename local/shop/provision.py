"""Sets the sample shop up through the real control API; what is there already, by its name, is used again."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audience_cli.api import Api, Json
from audience_cli.errors import CliError
from audience_cli.settings import Settings, write_private
from local import aws
from local.app import LocalError
from local.deploy import STACK, Outputs
from local.sample_shop import BACK_OFFICE, INPUTS
from local.shop.audiences import AUDIENCES

ACCOUNT = "Sample shop"
# What `audiences import` fills: apart from the shop, so that its audiences stay as they are.
IMPORTS, HISTORY = "Imports", "History"
OUTPUT = "Local partner"
# The shop's sixty days come in at once.
BATCHES_PER_SECOND = 5000


@dataclass(frozen=True)
class Credentials:
    """The file that the CLI reads with `--local`; it belongs to one stack and is readable by its owner alone."""

    path: Path

    def read(self) -> Json:
        try:
            found: Json = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        return found

    def write(self, content: Json) -> None:
        write_private(self.path, json.dumps(content, indent=2) + "\n")


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What was set up.

    Args:
        inputs: name in the shop -> (key, secret).
        audiences: ids in the order of `AUDIENCES`.
    """

    inputs: dict[str, tuple[str, str]]
    audiences: tuple[int, ...]


def account(outputs: Outputs, endpoint: str, known: Json, cache: Path) -> tuple[Json, bool]:
    """Credentials of the sample account, and whether it was there already."""
    if known.get("url") == outputs["ApiUrl"] and _works(known, cache):
        return known, True
    created = _invoke(outputs["AccountsAdminFunction"], endpoint)
    fresh = {
        "url": outputs["ApiUrl"],
        "token_url": outputs["TokenUrl"],
        "client_id": created["client_id"],
        "client_secret": created["client_secret"],
        "aws_endpoint": endpoint,
        "stack": STACK,
        "account_id": created["account_id"],
        "partner_secret": secrets.token_urlsafe(32),
        "inputs": {},
    }
    return fresh, False


def settings_of(credentials: Json) -> Settings:
    return Settings(**{name: str(credentials[name]) for name in ("url", "token_url", "client_id", "client_secret")})


def provision(api: Api, credentials: Json, partner_url: str) -> Provisioned:
    """Create what is missing; the credentials learn the keys and secrets of inputs."""
    shop = _ensure(api, "workspaces", "Trailhead")["id"]
    imports = _ensure(api, "workspaces", IMPORTS)["id"]
    kinds = {name: "feed" if name == BACK_OFFICE else "platform" for name in INPUTS}
    inputs = {name: _input(api, credentials, shop, INPUTS[name], kind) for name, kind in kinds.items()}
    history = _input(api, credentials, imports, HISTORY, "feed")
    credentials |= {"input_key": history["key"], "input_secret": history["secret"]}
    output = _output(api, partner_url, credentials["partner_secret"])
    used = [each["id"] for each in inputs.values()]
    audiences = tuple(_audience(api, shop, used, output, number) for number in range(len(AUDIENCES)))
    return Provisioned({name: (each["key"], each["secret"]) for name, each in inputs.items()}, audiences)


def _works(known: Json, cache: Path) -> bool:
    try:
        with Api(settings_of(known), cache) as api:
            api.get("workspaces")
    except (CliError, KeyError):
        return False
    return True


def _invoke(function: str, endpoint: str) -> Json:
    limits = {"batches_per_second": BATCHES_PER_SECOND, "has_lifetime_audiences": True}
    command = {"action": "create_account", "name": ACCOUNT, "limits": limits}
    answer = aws.client("lambda", endpoint).invoke(FunctionName=function, Payload=json.dumps(command))
    created: Json = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise LocalError(f"the sample account cannot be created: {created.get('errorMessage', created)}")
    return created


def _ensure(api: Api, path: str, name: str, **rest: Any) -> Json:
    return _named(api, path, name) or api.post(path, {"name": name, **rest})


def _named(api: Api, path: str, name: str) -> Json | None:
    return next((each for each in api.pages(path) if each["name"] == name), None)


def _input(api: Api, credentials: Json, workspace: str, name: str, kind: str) -> Json:
    """With its secret: the one remembered, or a new one if nobody knows it any more."""
    path = f"workspaces/{workspace}/inputs"
    found = _ensure(api, path, name, kind=kind)
    remembered = credentials["inputs"].get(found["id"], {})
    if not found.get("secret") and remembered.get("key") == found["key"]:
        found["secret"] = remembered["secret"]
    if not found.get("secret"):
        found = api.post(f"{path}/{found['id']}/rotate")
    credentials["inputs"][found["id"]] = {"name": name, "key": found["key"], "secret": found["secret"]}
    return found


def _output(api: Api, url: str, secret: str) -> str:
    settings = {"url": url, "signing_secret": secret}
    found = _named(api, "outputs", OUTPUT)
    if found is None:
        found = api.post("outputs", {"connector": "webhook", "name": OUTPUT, "settings": settings})
    elif found["settings"]["url"] != url:
        api.patch(f"outputs/{found['id']}", {"settings": settings})
    return str(found["id"])


def _audience(api: Api, workspace: str, inputs: list[str], output: str, number: int) -> int:
    sample = AUDIENCES[number]
    definition = sample.definition.model_dump(mode="json")
    found = _ensure(api, "audiences", sample.name, workspaces=[workspace], inputs=inputs, definition=definition)
    path = f"audiences/{found['id']}"
    if found["status"] == "draft":
        api.post(f"{path}/activate")
    if all(each["output_id"] != output for each in api.pages(f"{path}/connections")):
        api.post(f"{path}/connections", {"output_id": output})
    return int(found["id"])
