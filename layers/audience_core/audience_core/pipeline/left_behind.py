"""Connections that nobody works on: whoever saved them died before asking for their run, or was refused it."""

import logging
from datetime import datetime, timedelta

from audience_core.domain.control_stores import AccountStore, OutputStore, Workflows
from audience_core.domain.output import Connection, ConnectionStatus, SubscriptionState

logger = logging.getLogger(__name__)

# Longer than a run takes to announce a connection, or to fault it.
OLDER_THAN = timedelta(hours=1)


def restart_left_behind(accounts: AccountStore, outputs: OutputStore, workflows: Workflows, now: datetime) -> int:
    """Ask for the runs of connections of which partners should have heard by now; how many.

    Each day has a run of its own, as the first may have failed; two at once announce the same and do no harm.
    """
    everything = (each for account in accounts.all() for each in outputs.list_connections(account.account_id))
    left_behind = [each for each in everything if _is_left_behind(each, now)]
    for each in left_behind:
        workflows.start_connection_fill(each.account_id, each.connection_id, each.version, now.toordinal())
        logger.error("connection restarted", extra={"account_id": each.account_id, "connection_id": each.connection_id})
    return len(left_behind)


def _is_left_behind(connection: Connection, now: datetime) -> bool:
    if connection.fault is not None or connection.status is not ConnectionStatus.ACTIVE:
        return False
    is_announced = connection.subscription is SubscriptionState.ACTIVE
    return not is_announced and (connection.active_since or connection.created_at) < now - OLDER_THAN
