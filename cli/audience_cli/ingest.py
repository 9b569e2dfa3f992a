"""Sends request bodies to the ingest API: a few at a time, in order, patiently."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_before_delay, wait_exponential_jitter

from audience_cli.errors import CredentialsError, RefusedError, UnreachableError

BULK = "/v2/bulkevents"
HISTORICAL = "/v2/bulkevents/historical"
PATIENCE_SECONDS = 300.0
TIMEOUT_SECONDS = 30.0


class Sendable(Protocol):
    """What has a body, and says whether the one after it must wait for its acknowledgement."""

    @property
    def body(self) -> bytes: ...

    @property
    def is_barrier(self) -> bool: ...


class BusyError(Exception):
    """Try again; not before `after_s` seconds if the server said so."""

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


@dataclass
class Tally:
    """What sending took; safe to change from several threads."""

    requests: int = 0
    retries: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, requests: int = 0, retries: int = 0) -> None:
        with self._lock:
            self.requests += requests
            self.retries += retries


class Waits:
    """As long as the server asked for, otherwise exponentially longer, with jitter so that clients part."""

    def __init__(self, initial_s: float) -> None:
        self._back_off = wait_exponential_jitter(multiplier=initial_s, max=30.0, jitter=initial_s)

    def __call__(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.after_s if isinstance(error, BusyError) else None
        return self._back_off(state) if asked is None else asked


class IngestClient:
    """One input's way into the product.

    Args:
        url: base of the API; `path` below it takes the bodies.
        patience_s: how long to go on when the server does not take a request.
        back_off_s: the first wait.
    """

    def __init__(
        self,
        url: str,
        key: str,
        secret: str,
        path: str = BULK,
        concurrency: int = 4,
        patience_s: float = PATIENCE_SECONDS,
        back_off_s: float = 0.25,
    ) -> None:
        self.tally = Tally()
        self._concurrency = concurrency
        self._path = path
        self._stop = threading.Event()
        self._http = httpx.Client(
            base_url=url,
            auth=(key, secret),
            timeout=TIMEOUT_SECONDS,
            headers={"Content-Type": "application/json"},
            limits=httpx.Limits(max_connections=concurrency),
        )
        self._retrying = Retrying(
            retry=retry_if_exception_type(BusyError),
            wait=Waits(back_off_s),
            stop=stop_before_delay(patience_s),
            before_sleep=lambda _: self.tally.count(retries=1),
            sleep=self._sleep,
            reraise=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # Whoever waits for the server's next chance must not hold up the end of the program.
        self._stop.set()
        self._http.close()

    def send_all[S: Sendable](self, items: Iterable[S]) -> Iterator[S]:
        """Send each; yield each once it and all before it are acknowledged.

        Raises:
            CredentialsError: the key or secret is wrong.
            RefusedError: the server will never take the request.
            UnreachableError: it did not take it within the patience.
        """
        waiting: deque[tuple[S, Future[None]]] = deque()
        after_barrier = False
        pool = ThreadPoolExecutor(self._concurrency)
        try:
            for item in items:
                # The item after a barrier is made while those before it are on their way.
                while waiting and (after_barrier or len(waiting) >= 2 * self._concurrency):
                    yield _acknowledged(waiting)
                waiting.append((item, pool.submit(self.send, item.body)))
                after_barrier = item.is_barrier
            while waiting:
                yield _acknowledged(waiting)
        finally:
            self._stop.set()
            pool.shutdown(cancel_futures=True)
            self._stop.clear()

    def send(self, body: bytes) -> None:
        """Send one request, as often as it takes."""
        try:
            self._retrying.copy()(self._post, body)
        except BusyError as error:
            raise UnreachableError(f"{self._http.base_url}: {error}") from error

    def _post(self, body: bytes) -> None:
        try:
            answer = self._http.post(self._path.lstrip("/"), content=body)
        except httpx.TransportError as error:
            raise BusyError(f"no answer ({type(error).__name__}: {error})") from error
        self.tally.count(requests=1)
        _raise_for(answer)

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise UnreachableError("sending was stopped")


def _acknowledged[S](waiting: deque[tuple[S, Future[None]]]) -> S:
    item, future = waiting[0]
    future.result()
    waiting.popleft()
    return item


def _raise_for(answer: httpx.Response) -> None:
    status = answer.status_code
    if answer.is_success:
        return
    if status == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
        raise BusyError(f"HTTP {status}", _retry_after(answer))
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise CredentialsError(f"the server does not accept this input key and secret (HTTP {status})")
    raise RefusedError(f"the server refused a request (HTTP {status}): {answer.text[:500]}")


def _retry_after(answer: httpx.Response) -> float | None:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None
