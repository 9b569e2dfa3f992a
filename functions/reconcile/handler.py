"""Every night: compares samples of what is stored with what it should be, and mends what differs."""

import random
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring
from audience_core.pipeline.left_behind import restart_left_behind
from audience_core.pipeline.programs import Programs
from audience_core.pipeline.reconcile import Reconciliation, reconcile

# What was written has reached member lists by then, or the alarm of fan-out is on.
PAUSE_S = 20
# And sizes by then, counted from the end of their window, or theirs is.
COUNTING_S = 60

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """`event`: `stretches` (of 100 profiles) and `audiences` to look at, else as many as the stack is set to.

    `seed`: looks at the same samples each time it is given.
    """
    of, settings = wiring.stores(), wiring.settings()
    stretches = int(event.get("stretches", settings["RECONCILE_STRETCHES"] or 50))
    audiences = int(event.get("audiences", settings["RECONCILE_AUDIENCES"] or 50))
    stores = (of.accounts, of.audiences, Programs(of.accounts, of.audiences), of.profiles)
    work = Reconciliation(*stores, of.history, of.memberships, of.marks, _pause, _pause_for_sizes, clock.now_ms)
    findings = reconcile(work, stretches, audiences, random.Random(event.get("seed")))
    now = datetime.now(UTC)
    findings.connections_restarted = restart_left_behind(of.accounts, of.outputs, of.workflows, now)
    metrics.add_metric("Repairs", MetricUnit.Count, findings.repairs)
    logger.info("reconciled", extra=asdict(findings))
    return asdict(findings)


def _pause() -> None:
    time.sleep(int(wiring.settings()["RECONCILE_PAUSE_S"] or PAUSE_S))


def _pause_for_sizes() -> None:
    """A record may just have missed one window, and wait for the end of the next."""
    windows_s = 2 * int(wiring.settings()["COUNTING_WINDOW_S"] or 0)
    time.sleep(int(wiring.settings()["RECONCILE_PAUSE_S"] or COUNTING_S + windows_s))
