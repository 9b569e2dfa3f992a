"""Streams that are read side by side."""

import threading
import time
from collections.abc import Callable
from types import FunctionType, SimpleNamespace
from typing import Any

from ministack.services import dynamodb, lambda_svc

from local.emulated_aws.known import require

# A reader that failed looks again after so long, though nobody wakes it.
LONGEST_SLEEP_S = 0.5


def read_streams_side_by_side() -> None:
    """As on AWS, each reader of a stream has a poller of its own, and lets a window pass between two batches."""
    for name in ("_iter_all_esms", "_poll_dynamodb_streams"):
        require(isinstance(getattr(lambda_svc, name, None), FunctionType), f"lambda_svc.{name} is no function any more")
    require(dynamodb.esm_wake is lambda_svc._esm_wake, "tables wake mappings in another way")
    readers = StreamReaders(lambda_svc._iter_all_esms, lambda_svc._poll_dynamodb_streams)
    lambda_svc._iter_all_esms = readers.mappings
    lambda_svc._poll_dynamodb_streams = readers.start_new
    # All others wake whoever hands out queues.
    dynamodb.esm_wake = SimpleNamespace(set=readers.wake)


class StreamReaders:
    """Args:
    every: lists the mappings of functions to queues and streams; `poll`: reads the streams among them, each once.
    """

    def __init__(self, every: Callable[[], Any], poll: Callable[[], bool]) -> None:
        self._every, self._poll, self._own = every, poll, threading.local()
        self._readers: dict[str, threading.Event] = {}

    def mappings(self) -> list[Any]:
        """A reader's own one, or all."""
        mine = getattr(self._own, "mapping", None)
        return [each for each in self._every() if mine is None or each[2]["UUID"] == mine]

    def start_new(self) -> bool:
        for _, _, mapping in self._every():
            known = mapping["UUID"]
            if ":dynamodb:" in mapping.get("EventSourceArn", "") and known not in self._readers:
                self._readers[known] = threading.Event()
                window_s = mapping.get("MaximumBatchingWindowInSeconds") or 0
                threading.Thread(target=self._read, args=(known, window_s), daemon=True).start()
        return False

    def wake(self) -> None:
        for each in list(self._readers.values()):
            each.set()

    def _read(self, mapping: str, window_s: float) -> None:
        self._own.mapping, news = mapping, self._readers[mapping]
        while self.mappings():
            news.clear()
            try:
                is_moving = self._poll()
            except Exception as error:
                lambda_svc.logger.error("reader of %s: %s", mapping, error)
                is_moving = False
            if is_moving:
                time.sleep(window_s)
            else:
                news.wait(LONGEST_SLEEP_S)
        del self._readers[mapping]
