"""The control API as the commands use it: resources as JSON, problems as exceptions, pages as one list."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from audience_cli.errors import CliError, CredentialsError, MissingError, RefusedError, UnreachableError
from audience_cli.settings import Settings
from audience_cli.tokens import ClientCredentials, cache_path

type Json = dict[str, Any]
TIMEOUT_SECONDS = 30.0
ERRORS: dict[int, type[CliError]] = {401: CredentialsError, 403: CredentialsError, 404: MissingError}


class Api:
    """A client of `/v1`.

    Args:
        cache: folder of kept tokens; by default the user's own.

    Raises:
        CredentialsError: a setting is missing, or the credential is not accepted.
        MissingError: 404. RefusedError: any other refusal, with the server's reasons.
        UnreachableError: no answer, or an answer that is none of this API.
    """

    def __init__(self, settings: Settings, cache: Path | None = None) -> None:
        settings.require("url", "token_url", "client_id", "client_secret")
        self._http = httpx.Client(
            base_url=settings.url.rstrip("/") + "/v1/",
            auth=ClientCredentials(settings, cache or cache_path()),
            timeout=TIMEOUT_SECONDS,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int | Sequence[str]) -> Json:
        return self._call("GET", path, params=query)

    def post(self, path: str, body: Json | None = None) -> Json:
        return self._call("POST", path, json=body or {})

    def patch(self, path: str, body: Json) -> Json:
        """Change whatever version there is."""
        return self._call("PATCH", path, json=body, headers={"If-Match": "*"})

    def pages(self, path: str, **query: str | int | Sequence[str]) -> Iterator[Json]:
        """Every item of a list, page after page."""
        while True:
            page = self.get(path, **query)
            yield from page["items"]
            if not page.get("next"):
                return
            query["next"] = page["next"]

    def _call(self, method: str, path: str, **parts: Any) -> Json:
        try:
            answer = self._http.request(method, path, **parts)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise UnreachableError(f"{self._http.base_url} does not answer: {error}") from error
        if not answer.is_success:
            raise _problem(answer)
        return _body(answer)


def _body(answer: httpx.Response) -> Json:
    if not answer.content:
        return {}
    try:
        found: Json = answer.json()
    except ValueError as error:
        raise UnreachableError(f"{answer.url} is not the API: it answered {answer.text[:200]!r}") from error
    return found


def _problem(answer: httpx.Response) -> CliError:
    """RFC 9457 problem details as one message."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        body = {}
    status = answer.status_code
    what = body.get("detail") or body.get("title") or body.get("message") or answer.reason_phrase
    fields = [_field(each) for each in body.get("errors", [])]
    kind = ERRORS.get(status, UnreachableError if status >= httpx.codes.INTERNAL_SERVER_ERROR else RefusedError)
    return kind("\n".join([f"{what} (HTTP {status})", *fields]))


def _field(error: Any) -> str:
    if not isinstance(error, dict):
        return f"  {error}"
    place = error.get("pointer") or error.get("field") or error.get("name") or ""
    return f"  {place}: {error.get('detail') or error.get('message') or error}"
