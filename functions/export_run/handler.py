"""The single steps of an export: its beginning, its end, and what is to be done when it fails."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring, wiring_exports
from audience_core.domain.ids import AccountId
from audience_core.pipeline import export

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`event`: step (plan, finish, send, unsent or fail), account_id, export_id, token, run; error and cause to fail.

    Or, from EventBridge, that a run was stopped or took too long, which it cannot tell itself.
    """
    order = _stopped(event["detail"]) if "detail" in event else event
    stores, now = wiring_exports.exporter(), datetime.now(UTC)
    job = AccountId(order["account_id"]), str(order["export_id"])
    match order["step"]:
        case "plan":
            settle = timedelta(seconds=int(wiring.settings()["EXPORT_SETTLE_SECONDS"] or 0))
            return export.plan(stores, *job, order["token"], order["run"], settle, now)
        case "finish":
            return {"state": export.finish(stores, *job, order["token"], order["run"], now)}
        case "send":
            return {"is_sent": export.send_link(stores, *job)}
        case "unsent":
            export.note_unsent(stores, *job, _reason(order))
            return {"is_sent": False}
        case "fail":
            export.fail(stores, *job, order["token"], order["run"], _reason(order), now)
            return {"state": "failed"}
        case step:
            raise ValueError(f"an export has no step {step}")


def _stopped(detail: dict[str, Any]) -> dict[str, Any]:
    status, cause = detail["status"], detail.get("cause") or "the run ended from outside"
    return {**json.loads(detail["input"]), "step": "fail", "run": detail["name"], "error": status, "cause": cause}


def _reason(order: dict[str, Any]) -> str:
    try:
        told = json.loads(order["cause"])
    except ValueError:
        told = None
    return export.reason(order["error"], order["cause"], told if isinstance(told, dict) else None)
