"""Pieces of work in X-Ray's traces, found by the id that goes with a request from the gateway to the partner.

Streams and FIFO queues end a trace: `annotation.correlation_id = "<id>"` finds the traces on both sides of one.
"""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache

from aws_lambda_powertools import Tracer

# A trace has room for so many annotations, and a batch may have been caused by more requests.
_MOST = 40
_MARK = "correlation_id"


@contextmanager
def traced(name: str, correlation_ids: Collection[str]) -> Iterator[None]:
    """Show a piece of work, and for which requests it is done, where the trace is kept at all."""
    if not _is_sampled():
        yield
        return
    provider = _tracer().provider
    with provider.in_subsegment(name=name):
        for each in sorted(correlation_ids)[:_MOST]:
            # A subsegment has one value of an annotation.
            with provider.in_subsegment(name="request") as request:
                request.put_annotation(_MARK, each)
        yield


def _is_sampled() -> bool:
    """The runtime says so of every invocation. X-Ray keeps few, and its library takes long to import."""
    return "Sampled=1" in os.environ.get("_X_AMZN_TRACE_ID", "")


@cache
def _tracer() -> Tracer:
    return Tracer(auto_patch=False)
