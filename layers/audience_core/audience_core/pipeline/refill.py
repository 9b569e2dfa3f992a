"""Fills connections anew when what they share of members depends on workspaces that their audience no longer has."""

from collections.abc import Collection
from contextlib import suppress

from audience_core.domain.control_stores import OutputStore, Workflows
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.output import ConnectionStatus
from audience_core.errors import StaleVersionError


def refill_shared_attributes(
    outputs: OutputStore, workflows: Workflows, account_id: AccountId, audience_ids: Collection[AudienceId]
) -> None:
    """Fill those active connections of the audiences that share workspace-level attributes; a repeat is harmless."""
    for connection in outputs.connections_of(account_id, audience_ids):
        if connection.status is ConnectionStatus.ACTIVE and connection.attributes.workspace:
            # Somebody who changes it just now fills it, too.
            with suppress(StaleVersionError):
                # A version of its own, so that this run is not taken for the one before.
                saved = outputs.save_connection(connection)
                workflows.start_connection_fill(account_id, saved.connection_id, saved.version)
