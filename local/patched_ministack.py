"""Starts ministack without what dominates its time; runs in `.tools/aws`, as a script.

That is two waits in a warm invocation, and reading a query's condition again for each item. All patches
touch what ministack does not promise to keep, so each first looks whether it is still what it was in the pinned
version, and refuses to start otherwise.
"""

import copy
import http.server
from functools import lru_cache
from importlib.metadata import version
from types import FunctionType, SimpleNamespace
from typing import Any

from ministack.app import main
from ministack.core import lambda_runtime
from ministack.services import dynamodb

KNOWN_VERSION = "1.5.33"
KNOWN_LOG_WAITS = (0.050, 0.005, 0.250)
# Seconds: for the first log line of an invocation, between two lines, and at most. Handlers log before they answer.
LOG_WAITS = (0.003, 0.003, 0.250)
EXPRESSIONS_KEPT = 4096


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


def read_each_expression_once() -> None:
    """Keep what is found in the text of an expression: a query reads its condition again for each item."""
    of_text = "_tokenize", "_condition_syntax_error"
    of_tokens = "_check_redundant_parens", "_check_reserved_keyword_usage"
    for name in of_text + of_tokens:
        require(isinstance(getattr(dynamodb, name, None), FunctionType), f"dynamodb.{name} is no function any more")
    tokens_of = lru_cache(EXPRESSIONS_KEPT)(dynamodb._tokenize)
    dynamodb._tokenize = lambda text: list(tokens_of(text))
    dynamodb._condition_syntax_error = lru_cache(EXPRESSIONS_KEPT)(dynamodb._condition_syntax_error)
    for name in of_tokens:
        setattr(dynamodb, name, _by_tokens(getattr(dynamodb, name)))


def _by_tokens(check: Any) -> Any:
    kept = lru_cache(EXPRESSIONS_KEPT)(check)
    return lambda tokens, *rest: kept(tuple(tokens), *rest)


def copy_items_plainly() -> None:
    """Copy items, which are JSON, without the books that `deepcopy` keeps of objects that refer to each other."""
    require(getattr(dynamodb, "copy", None) is copy, "dynamodb does not use the copy module")
    dynamodb.copy = SimpleNamespace(deepcopy=_copied)


def _copied(value: Any) -> Any:
    if type(value) is dict:
        return {name: _copied(each) for name, each in value.items()}
    if type(value) is list:
        return [_copied(each) for each in value]
    return value if type(value) is str else copy.deepcopy(value)


if __name__ == "__main__":
    require(version("ministack") == KNOWN_VERSION, "it is another version")
    answer_without_delay()
    do_not_wait_for_silent_functions()
    read_each_expression_once()
    copy_items_plainly()
    main()
