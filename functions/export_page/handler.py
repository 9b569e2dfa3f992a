"""Goes on with one part of an export: as many pieces as fit into one invocation."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring_exports
from audience_core.domain.ids import AccountId
from audience_core.pipeline.export_parts import Order, note_error, work

# A page begins only with this much time left to finish it and to write the piece.
RESERVE_MS = 30_000

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`event`: account_id, export_id, token, the place of the file, and the part's first and last bucket."""
    order = Order(
        account_id=AccountId(event["account_id"]),
        export_id=event["export_id"],
        token=event["token"],
        file=event["file"],
        first=event["first"],
        last=event["last"],
    )
    until_ms = clock.until_ms(context, RESERVE_MS)
    try:
        part = work(wiring_exports.exporter(), order, clock.now_ms, until_ms)
    except Exception as error:
        note_error(wiring_exports.exporter(), order, f"{type(error).__name__}: {error}")
        raise
    return {**event, "is_done": part.is_done, "waits": not part.is_done and clock.now_ms() < until_ms}
