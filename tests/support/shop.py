"""A customer of the running product: everything through its public HTTP API, as a person with curl would do it."""

import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import httpx

from audience_core.domain.ids import AccountId
from local.emulator import Emulator, running_pid
from local.stack import Stack
from tests.support.partners import SECRET, FaultyPartner

PATIENCE_S = 60.0

type Json = dict[str, Any]


class Shop:
    """One account with a workspace, an input and a webhook output."""

    def __init__(self, stack: Stack, partner: FaultyPartner, **limits: Any) -> None:
        self.stack, self.partner = stack, partner
        command = {"action": "create_account", "name": f"Shop {secrets.token_hex(4)}", "limits": limits}
        client = invoke(stack, stack.outputs["AccountsAdminFunction"], command)
        self.account_id = AccountId(client["account_id"])
        form = {"grant_type": "client_credentials", "scope": client["scope"]}
        token = httpx.post(
            stack.outputs["TokenUrl"], data=form, auth=(client["client_id"], client["client_secret"]), timeout=30
        )
        self.api = httpx.Client(
            base_url=stack.outputs["ApiUrl"],
            headers={"Authorization": f"Bearer {token.json()['access_token']}"},
            timeout=60,
        )
        self.workspace = self.post("/v1/workspaces", {"name": "App"})["id"]
        self.input = self.post(f"/v1/workspaces/{self.workspace}/inputs", {"name": "Server", "kind": "feed"})
        settings = {"url": partner.url, "signing_secret": SECRET}
        self.output = self.post("/v1/outputs", {"connector": "webhook", "name": "Partner", "settings": settings})

    @property
    def credential(self) -> tuple[str, str]:
        """Ingest key and secret."""
        return self.input["key"], self.input["secret"]

    def close(self) -> None:
        self.api.close()

    def post(self, path: str, body: Json | None = None) -> Json:
        answer = self.api.post(path, json=body if body is not None else {})
        assert answer.is_success, (path, answer.status_code, answer.text)
        found: Json = answer.json()
        return found

    def get(self, path: str) -> Json:
        answer = self.api.get(path)
        assert answer.is_success, (path, answer.status_code, answer.text)
        found: Json = answer.json()
        return found

    def audience(self, name: str, root: Json) -> int:
        """An active audience over the shop's only input."""
        body = {
            "name": name,
            "workspaces": [self.workspace],
            "inputs": [self.input["id"]],
            "definition": {"version": 1, "root": root},
            "activate": True,
        }
        return int(self.post("/v1/audiences", body)["id"])

    def connect(self, audience: int) -> str:
        """Forward an audience to the partner; on return the partner knows of it."""
        created = self.post(f"/v1/audiences/{audience}/connections", {"output_id": self.output["id"]})
        self.wait_until(lambda: audience in self.partner.book.audiences)
        return str(created["id"])

    def send(self, *batches: Json, path: str = "/v2/bulkevents") -> None:
        """As real clients do: what is too much for the account's rate is sent again when it may be."""
        url = f"{self.stack.outputs['ApiUrl']}{path}"
        while (answer := httpx.post(url, json=batches, auth=self.credential, timeout=60)).status_code == 429:
            time.sleep(float(answer.headers["Retry-After"]))
        assert answer.status_code == 202, answer.text

    def members(self, audience: int) -> set[str]:
        """Mpids, from all pages."""
        return self._members(f"/v1/audiences/{audience}/members?limit=100")

    def members_at(self, audience: int, at: int) -> set[str]:
        """Mpids of an instant (UTC ms)."""
        text = datetime.fromtimestamp(at / 1000, UTC).isoformat().replace("+00:00", "Z")
        return self._members(f"/v1/audiences/{audience}/members?limit=100&at={text}")

    def _members(self, path: str) -> set[str]:
        found: set[str] = set()
        after = ""
        while True:
            page = self.get(f"{path}{after}")
            found |= {each["mpid"] for each in page["items"]}
            if not page.get("next"):
                return found
            after = f"&next={page['next']}"

    def size(self, audience: int) -> int:
        return int(self.get(f"/v1/audiences/{audience}")["size"] or 0)

    def told(self, audience: int) -> set[str]:
        """Mpids of the members the partner knows."""
        return set(self.partner.members(audience))

    @staticmethod
    def wait_until(holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        end = time.monotonic() + patience_s
        while not holds():
            assert time.monotonic() < end, "it did not come about in time"
            time.sleep(0.2)


def invoke(stack: Stack, function: str, payload: Json) -> Json:
    answer = stack.client("lambda").invoke(FunctionName=function, Payload=json.dumps(payload))
    found: Json = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, found
    return found


def kill_workers(stack: Stack, name: str) -> int:
    """Kill the processes in which the emulator of this stack runs a function; how many there were."""
    mine = [pid for pid in _descendants(stack.emulator) if _runs(pid, name)]
    for pid in mine:
        os.kill(pid, signal.SIGKILL)
    return len(mine)


def cpu_seconds(stack: Stack) -> float:
    """Processor time that the emulator of this stack and the functions in it have taken so far."""
    root, ticks = running_pid(stack.emulator), 0
    for pid in [root, *_descendants(stack.emulator)] if root else []:
        with suppress(OSError), open(f"/proc/{pid}/stat") as file:
            # Its own time and that of its ended children, in user space and in the kernel.
            ticks += sum(map(int, file.read().rpartition(")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _descendants(emulator: Emulator) -> list[int]:
    root = running_pid(emulator)
    assert root, "the emulator is not running"
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(pid): int(parent) for pid, parent in (line.split() for line in listed.splitlines())}
    found, level = [], {root}
    while level := {pid for pid, parent in parents.items() if parent in level}:
        found += sorted(level)
    return found


def _runs(pid: int, name: str) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return f"AWS_LAMBDA_FUNCTION_NAME={name}".encode() in file.read()
    except OSError:
        return False
