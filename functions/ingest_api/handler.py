"""The ingest endpoints: takes event batches from clients and answers in the protocol that they speak."""

import json
from base64 import b64decode
from functools import lru_cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring
from audience_core.domain.account import Account
from audience_core.domain.event import Source
from audience_core.domain.ids import AccountId, InputId, WorkspaceId
from audience_core.errors import MalformedBatchError, QuotaExceededError, RequestTooLargeError
from audience_core.pipeline.ingest import Acceptance, RequestKind, accept_batches
from audience_core.tracing import traced

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
metrics = Metrics()
app = APIGatewayHttpResolver()

_MINUTE_MS = 60_000


@app.post("/v2/events")
def accept_one() -> Response[str]:
    return _accept(RequestKind.SINGLE)


@app.post("/v2/bulkevents")
def accept_many() -> Response[str]:
    return _accept(RequestKind.BULK)


@app.post("/v2/bulkevents/historical")
def accept_history() -> Response[str]:
    return _accept(RequestKind.HISTORICAL)


@app.not_found
def refuse_path(error: Exception) -> Response[str]:
    return _refused(404, "NOT_FOUND", "There is no such endpoint.")


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)


def _accept(kind: RequestKind) -> Response[str]:
    try:
        acceptance = _acceptance(kind)
    except Exception as error:
        return _refusal(error)
    metrics.add_metric("BatchesQueued", MetricUnit.Count, acceptance.queued)
    metrics.add_metric("BatchesRepeated", MetricUnit.Count, acceptance.duplicates)
    metrics.add_metric("BatchesDropped", MetricUnit.Count, sum(acceptance.dropped.values()))
    headers = {"X-mp-rate-limit-percentage-used": str(acceptance.rate_percentage)}
    return Response(status_code=202, body="", headers=headers)


def _acceptance(kind: RequestKind) -> Acceptance:
    stores, source, now_ms = wiring.stores(), _source(), clock.now_ms()
    account = account_of(source.account_id, now_ms // _MINUTE_MS)
    request = stores.requests, stores.rates, stores.events, account, source, kind, _body(), now_ms
    correlation_id = str(app.current_event["requestContext"].get("requestId", ""))
    with traced("accept", [correlation_id]):
        return accept_batches(*request, correlation_id)


def _refusal(error: Exception) -> Response[str]:
    match error:
        case RequestTooLargeError():
            return _refused(413, "REQUEST_TOO_LARGE", str(error))
        case MalformedBatchError():
            return _refused(400, "BAD_REQUEST", str(error))
        case QuotaExceededError(retry_after_s=seconds):
            headers = {"Retry-After": str(seconds), "X-mp-rate-limit-exceeded": "account"}
            return _refused(429, "TOO_MANY_REQUESTS", str(error), headers)
        case _:
            # Whatever went wrong, not all is queued: the client still has the data, and sending it again is harmless.
            logger.exception("request not accepted", exc_info=error)
            return _refused(503, "SERVICE_UNAVAILABLE", "Nothing is lost if you send it again.", {"Retry-After": "1"})


def _body() -> bytes:
    body: str = app.current_event.get("body") or ""
    return b64decode(body) if app.current_event.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass")


def _source() -> Source:
    context = app.current_event["requestContext"]["authorizer"]["lambda"]
    return Source(
        AccountId(int(context["account_id"])), WorkspaceId(context["workspace_id"]), InputId(context["input_id"])
    )


@lru_cache(maxsize=128)
def account_of(account_id: AccountId, minute: int) -> Account:
    """Read once a minute: its only use here is the rate limit, which need not change at once."""
    return wiring.stores().accounts.get(account_id)


def _refused(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response[str]:
    metrics.add_metric("RequestsRefused", MetricUnit.Count, 1)
    body = json.dumps({"errors": [{"code": code, "message": message}]})
    return Response(status_code=status, content_type="application/json", body=body, headers=headers or {})
