"""Puts the pieces of an export together as one archive."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring_exports
from audience_core.domain.ids import AccountId
from audience_core.pipeline.export_archive import write_archive

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`event`: account_id, export_id, token."""
    write_archive(
        wiring_exports.exporter(), AccountId(event["account_id"]), event["export_id"], event["token"], clock.now_ms
    )
    return event
