"""Functions that are called without waits and new threads, and no more of them at once than processors can serve."""

import asyncio
import http.server
import os
import queue
import socketserver
import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from inspect import iscoroutinefunction
from types import SimpleNamespace
from typing import Any

from ministack.core import concurrency, lambda_runtime
from ministack.services import apigateway, lambda_svc

from local.emulated_aws.known import require

KNOWN_LOG_WAITS = (0.050, 0.005, 0.250)
# Seconds: for the first log line of an invocation, between two lines, and at most. Handlers log before they answer.
LOG_WAITS = (0.003, 0.003, 0.250)
# An environment that was told to end looks after so long, at the latest; its process has been ended by then.
IDLE_LOOK_S = 5.0
# Whoever ends an environment waits for its server so long.
SERVER_LOOK_S = 1.0
# More invocations at once would wait for one another, and could wait for ever for one that they caused themselves.
MOST_INVOCATIONS = 1000
PROCESSORS = os.cpu_count() or 1
CALLS_BY_PROCESSOR = 2


def answer_without_delay() -> None:
    """Send the small packets of the Lambda Runtime API at once (Nagle's algorithm holds them for 40 ms)."""
    handler = http.server.BaseHTTPRequestHandler
    require(hasattr(handler, "disable_nagle_algorithm"), "the Runtime API is not served by http.server")
    handler.disable_nagle_algorithm = True


def do_not_wait_for_silent_functions() -> None:
    """Wait 3 ms instead of 50 for the log lines of a function that logged nothing."""
    drain = getattr(lambda_runtime.Worker, "_drain_stderr_bounded", None)
    require(getattr(drain, "__defaults__", None) == KNOWN_LOG_WAITS, "Worker._drain_stderr_bounded has changed")
    drain.__defaults__ = LOG_WAITS  # type: ignore[union-attr]  # `require` has seen that it has defaults


def reuse_threads() -> None:
    """Give an invocation a thread that has ended another one: to begin one costs as much as a small request."""
    require(getattr(concurrency, "threading", None) is threading, "invocations do not begin threads any more")
    concurrency.threading = SimpleNamespace(**vars(threading) | {"Thread": ReusedThread})


class ReusedThread:
    """What `concurrency` asks of a thread."""

    _threads = ThreadPoolExecutor(MOST_INVOCATIONS, "invocation")

    def __init__(self, target: Callable[[], Any], daemon: bool, name: str) -> None:
        self._target = target
        self._work: Future[Any] | None = None

    def start(self) -> None:
        self._work = self._threads.submit(self._target)

    def join(self, timeout: float | None = None) -> None:
        wait([self._work] if self._work else [], timeout)

    def is_alive(self) -> bool:
        return self._work is not None and not self._work.done()


def let_calls_wait_for_processors() -> None:
    """Run a few calls of a function at once: many share the processors, and all of them are answered late."""
    name = "_invoke_lambda_proxy"
    require(iscoroutinefunction(getattr(apigateway, name, None)), f"apigateway.{name} is no coroutine any more")
    invoke = apigateway._invoke_lambda_proxy
    turns: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(CALLS_BY_PROCESSOR * PROCESSORS))

    async def in_turn(integration: Any, *rest: Any, **named: Any) -> Any:
        async with turns[integration.get("integrationUri", "")]:
            return await invoke(integration, *rest, **named)

    apigateway._invoke_lambda_proxy = in_turn


def give_queues_workers_by_processors() -> None:
    """More would take fewer messages each, and do for each of them what could have been done for several."""
    known = getattr(lambda_svc, "_ESM_SQS_DEFAULT_CONCURRENCY", None)
    require(isinstance(known, int), "queues have no number of workers")
    lambda_svc._ESM_SQS_DEFAULT_CONCURRENCY = min(known or 1, PROCESSORS)


def let_idle_environments_sleep() -> None:
    """Each looks twenty times a second whether it is to end: sixty of them are 1,200 times."""
    require(getattr(lambda_runtime, "queue", None) is queue, "environments do not wait at queues any more")
    lambda_runtime.queue = SimpleNamespace(**vars(queue) | {"Queue": PatientQueue})
    serve = socketserver.BaseServer.serve_forever
    setattr(socketserver.BaseServer, "serve_forever", lambda self, poll_interval: serve(self, SERVER_LOOK_S))  # noqa: B010


class PatientQueue(queue.Queue[Any]):
    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        return super().get(block, timeout and IDLE_LOOK_S)
