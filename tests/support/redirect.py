"""Requests to partners' real addresses, made at their stand-ins on loopback."""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from audience_core.outputs.http import HttpRequest, HttpResponse, HttpSend


class Redirected:
    """The real `HttpSend`; of each request, only where it goes is changed. Unknown hosts are an error of the test.

    Args:
        hosts: host -> address of its stand-in, such as `http://127.0.0.1:4000`.
    """

    def __init__(self, hosts: Mapping[str, str]) -> None:
        self._hosts, self._send = hosts, HttpSend(allow_private=True)
        self.requests: list[HttpRequest] = []

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        parts = urlsplit(request.url)
        assert parts.scheme == "https"
        assert parts.netloc in self._hosts, f"nobody stands in for {parts.netloc}"
        query = f"?{parts.query}" if parts.query else ""
        return self._send(replace(request, url=self._hosts[parts.netloc] + parts.path + query))
