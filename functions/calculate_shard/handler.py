"""Finds the members of all audiences of a calculation among the users of one shard of the archive."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring_archive
from audience_core.domain.ids import AccountId
from audience_core.pipeline.lifetime import Snapshot
from audience_core.pipeline.lifetime_shard import ShardOrder, note_error, scan

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
# Builds the snapshot's validator while the function starts, not while it works on its first shard.
Snapshot.model_rebuild()


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`event`: account_id, job_id, token, and the number of the shard."""
    order = ShardOrder(AccountId(event["account_id"]), event["job_id"], event["token"], event["number"])
    try:
        part = scan(wiring_archive.calculation(), order, clock.now_ms())
    except Exception as error:
        note_error(wiring_archive.calculation(), order, f"{type(error).__name__}: {error}")
        raise
    return {"number": order.number, "looked_at": part.looked_at}
