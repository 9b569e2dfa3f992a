"""Bearer tokens by OAuth2 client credentials, kept until shortly before they end."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Generator
from pathlib import Path

import httpx

from audience_cli.errors import CredentialsError
from audience_cli.settings import Settings, write_private

# A token that ends while its request is on the way is of no use.
MARGIN_SECONDS = 60.0


class ClientCredentials(httpx.Auth):
    """Adds a token to each request; asks for a new one when the server no longer accepts it.

    Args:
        cache: folder of the kept tokens; each file is readable by its owner alone.
        now: seconds since the epoch.
    """

    requires_response_body = True

    def __init__(self, settings: Settings, cache: Path, now: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._now = now
        known = "\0".join([settings.token_url, settings.client_id, settings.client_secret])
        self._path = cache / f"token-{hashlib.sha256(known.encode()).hexdigest()[:16]}.json"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        kept = self._kept()
        request.headers["Authorization"] = f"Bearer {kept or (yield from self._new())}"
        answer = yield request
        if kept and answer.status_code == httpx.codes.UNAUTHORIZED:
            request.headers["Authorization"] = f"Bearer {yield from self._new()}"
            yield request

    def sync_token(self, http: httpx.Client) -> str:
        """A token that can be used now."""
        if kept := self._kept():
            return kept
        flow = self._new()
        request = next(flow)
        try:
            flow.send(http.send(request))
        except StopIteration as done:
            return str(done.value)
        raise AssertionError("one answer is all that a token takes")

    def _kept(self) -> str | None:
        try:
            kept = json.loads(self._path.read_text())
            return str(kept["token"]) if kept["until"] > self._now() else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _new(self) -> Generator[httpx.Request, httpx.Response, str]:
        settings = self._settings
        request = httpx.Request("POST", settings.token_url, data={"grant_type": "client_credentials"})
        basic = httpx.BasicAuth(settings.client_id, settings.client_secret)
        answer = yield next(basic.auth_flow(request))
        if not answer.is_success:
            raise CredentialsError(f"{settings.token_url} gives no token for this client (HTTP {answer.status_code})")
        found = answer.json()
        until = self._now() + float(found.get("expires_in", 3600)) - MARGIN_SECONDS
        write_private(self._path, json.dumps({"token": found["access_token"], "until": until}))
        return str(found["access_token"])


def cache_path() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "audiences"
