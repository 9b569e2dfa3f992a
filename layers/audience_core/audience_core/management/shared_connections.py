"""What becomes of a receiver's connections when the sharing of their audience is over."""

import logging
from datetime import datetime

from audience_core.domain.control_stores import OutputStore, Workflows
from audience_core.domain.sharing import Arrangement, ArrangementState, Receiving, Side
from audience_core.management import connections, sharing
from audience_core.management.sharing import Party, SharingStores

logger = logging.getLogger(__name__)


def follow(
    stores: SharingStores,
    outputs: OutputStore,
    workflows: Workflows,
    arrangement: tuple[Side, Arrangement] | None,
    receiving: Receiving | None,
    now: datetime,
) -> None:
    """Finish what a change in the sharing table asks for; a repeat is harmless.

    Args:
        arrangement: as it was stored, and with which party.
        receiving: as it was stored. Whoever switched it off may have been interrupted before all was ended.
    """
    if arrangement is not None:
        side, changed = arrangement
        if side is Side.RECEIVER and changed.state is ArrangementState.ENDED:
            disconnect(outputs, workflows, changed)
    if receiving is not None:
        present = stores.sharing.receiving(receiving.account_id)
        if present is not None and not present.is_on:
            sharing.end_all_received(stores, Party(receiving.account_id, ""), now)


def disconnect(outputs: OutputStore, workflows: Workflows, arrangement: Arrangement) -> None:
    """Delete every connection over an arrangement that has ended.

    Each goes once its partner was told to forget the members. That members are not forwarded any more does not wait for
    this: deliveries ask for the arrangement.
    """
    found = [
        each
        for each in outputs.list_connections(arrangement.receiver)
        if each.source is not None and each.source.arrangement_id == arrangement.arrangement_id
    ]
    for connection in found:
        connections.delete_once(outputs, workflows, connection)
    if found:
        named = {"arrangement_id": arrangement.arrangement_id, "connections": len(found)}
        logger.info("a sharing has ended", extra=named)
