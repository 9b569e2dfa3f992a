"""Starts ministack without two waits that dominate a warm invocation; runs in `.tools/aws`, as a script.

Both touch what ministack does not promise to keep, so each first looks whether it is still what it was
in the pinned version, and refuses to start otherwise.
"""

import http.server
from importlib.metadata import version

from ministack.app import main
from ministack.core import lambda_runtime

KNOWN_VERSION = "1.5.33"
KNOWN_LOG_WAITS = (0.050, 0.005, 0.250)
# Seconds: for the first log line of an invocation, between two lines, and at most. Handlers log before they answer.
LOG_WAITS = (0.003, 0.003, 0.250)


def require(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(
            f"local/patched_ministack.py does not fit ministack {version('ministack')}: {what}. "
            f"It was written for {KNOWN_VERSION}: pin that in requirements/aws.in, or adapt the patches."
        )


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


if __name__ == "__main__":
    require(version("ministack") == KNOWN_VERSION, "it is another version")
    answer_without_delay()
    do_not_wait_for_silent_functions()
    main()
