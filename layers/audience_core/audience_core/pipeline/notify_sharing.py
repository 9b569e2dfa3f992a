"""Tells both parties of an arrangement that it was offered, answered or ended: events, and one e-mail.

Each party's copy of the arrangement makes one event for its own machines; the e-mail goes to the party that did not
take the step. What was told is marked after it was told, as for faults (`notify_fault`).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from audience_core.domain.control_stores import AccountStore, EventBus, Mail
from audience_core.domain.sharing import Arrangement, ArrangementState, EndReason, Side
from audience_core.domain.stores import MarkStore
from audience_core.errors import InvalidInputError, NotFoundError, UnavailableError

EVENTS = {
    ArrangementState.PENDING: "Audience Offered",
    ArrangementState.ACCEPTED: "Audience Accepted",
    ArrangementState.REJECTED: "Audience Rejected",
    ArrangementState.ENDED: "Audience Sharing Ended",
}
_BY_INITIATOR = frozenset({EndReason.DELETED, EndReason.UNSHARED})
_ENDED = {
    EndReason.DELETED: "deleted the audience",
    EndReason.UNSHARED: "took it back",
    EndReason.REMOVED: "gave it up",
    EndReason.OPTED_OUT: "receive no more audiences",
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SharingNotices:
    """What telling parties needs of the outside world.

    Args:
        mail: None where no address is set up to send from.
    """

    accounts: AccountStore
    marks: MarkStore
    bus: EventBus
    mail: Mail | None


def notify_sharing(notices: SharingNotices, side: Side, arrangement: Arrangement) -> None:
    """Tell one party of the state of an arrangement, as it was stored.

    Raises:
        UnavailableError: something was not told; what was is not told again.
    """
    ways: dict[str, Callable[[], None]] = {
        "event": lambda: notices.bus.put(EVENTS[arrangement.state], _detail(side, arrangement)),
    }
    if side is not _actor(arrangement):
        ways["mail"] = lambda: _send_mail(notices, side, arrangement)
    failed = [error for way, tell in ways.items() if (error := _once(notices.marks, side, arrangement, way, tell))]
    if failed:
        raise failed[0]


def _actor(arrangement: Arrangement) -> Side:
    """Who brought it into its state."""
    is_initiators = arrangement.state is ArrangementState.PENDING or arrangement.end in _BY_INITIATOR
    return Side.INITIATOR if is_initiators else Side.RECEIVER


def _once(
    marks: MarkStore, side: Side, arrangement: Arrangement, way: str, tell: Callable[[], None]
) -> UnavailableError | None:
    """What kept it from being told, if anything did; one way must not keep the other from being tried."""
    name, version = f"sharing-{way}#{side}#{arrangement.arrangement_id}", f"{arrangement.version:06d}"
    if (marks.get(name) or "") >= version:
        return None
    try:
        tell()
    except UnavailableError as error:
        return error
    except InvalidInputError as error:
        # A repeat would be refused as well.
        named = {"arrangement_id": arrangement.arrangement_id, "way": way}
        logger.warning("sharing not told", extra={**named, "reason": str(error)})
    marks.put(name, version)
    return None


def _send_mail(notices: SharingNotices, side: Side, arrangement: Arrangement) -> None:
    try:
        recipient = notices.accounts.get(arrangement.account_of(side)).contact_email
    except NotFoundError:
        recipient = None
    if notices.mail is None or recipient is None:
        logger.info("nobody to mail", extra={"arrangement_id": arrangement.arrangement_id})
        return
    notices.mail.send(recipient, *_letter(side, arrangement))


def _letter(side: Side, arrangement: Arrangement) -> tuple[str, str]:
    """Subject and text; lines are single, because what people call things must not add headers to a mail."""
    audience, other = " ".join(arrangement.external_name.split()), " ".join(_other(side, arrangement).split())
    match arrangement.state:
        case ArrangementState.PENDING:
            subject = f"{other} offers you the audience {audience}"
            text = "Nothing is shared before you accept:"
            calls = [f"POST /v1/sharing/offers/{arrangement.arrangement_id}/{each}" for each in ("accept", "reject")]
        case ArrangementState.ACCEPTED:
            subject = f"{other} has accepted the audience {audience}"
            text = "Its members are forwarded to whatever they connect, until one of you ends it:"
            calls = [f"DELETE /v1/sharing/shared/{arrangement.arrangement_id}"]
        case ArrangementState.REJECTED:
            subject = f"{other} has rejected the audience {audience}"
            text, calls = "Nothing was shared.", []
        case ArrangementState.ENDED:
            reason = _ENDED[arrangement.end or EndReason.UNSHARED]
            subject = f"The sharing of {audience} with {other} is over: they {reason}"[:200]
            text = "No member is forwarded any more, and partners are told to forget them. Only a new offer resumes it."
            calls = []
    lines = [f"Audience: {audience}", f"Other party: {other}", "", text, *("    " + call for call in calls)]
    return subject[:200], "\n".join(lines) + "\n"


def _other(side: Side, arrangement: Arrangement) -> str:
    return arrangement.receiver_name if side is Side.INITIATOR else arrangement.initiator_name


def _detail(side: Side, arrangement: Arrangement) -> dict[str, Any]:
    """What one party may know of it; audience ids are those of its own account."""
    is_initiator = side is Side.INITIATOR
    return {
        "account_id": arrangement.account_of(side),
        "side": side.value,
        "arrangement_id": arrangement.arrangement_id,
        "audience": arrangement.external_name,
        "audience_id": arrangement.audience_id if is_initiator else arrangement.received_id,
        "other_party": _other(side, arrangement),
        "state": arrangement.state.value,
        "end": arrangement.end.value if arrangement.end else None,
    }
