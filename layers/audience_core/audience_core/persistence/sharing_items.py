"""Items of sharing in DynamoDB: an arrangement lies with both parties, and both copies are written together."""

from collections.abc import Mapping
from typing import Any

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.sharing import Arrangement, Receiving, Side
from audience_core.evaluation.text import fold
from audience_core.persistence.versions import VersionedItem

RECEIVING = "RECEIVING"
RECEIVERS = "receivers"
_PREFIX = {Side.INITIATOR: "I#", Side.RECEIVER: "R#"}


class ArrangementItem(VersionedItem):
    """Args:
    body: JSON of an `Arrangement`; beside it what queries and the stream are filtered by.
    """

    state = UnicodeAttribute()
    audience_id = NumberAttribute()
    body = UnicodeAttribute()


class ReceivingItem(VersionedItem):
    """Args:
    body: JSON of a `Receiving`.
    """

    is_on = BooleanAttribute()
    body = UnicodeAttribute()


class ReceivedItem(VersionedItem):
    """Args:
    body: JSON of a `Received`.
    """

    body = UnicodeAttribute()


class ReceiverItem(Model):
    """An entry of the directory, which belongs to no account; one by name to list, one by id to find."""

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    folded = UnicodeAttribute()
    body = UnicodeAttribute()


class MarkerItem(Model):
    """That a live arrangement shares an audience with a receiver: there is room for one."""

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)


class LogItem(Model):
    """Args:
    body: JSON of a `LogEntry`.
    """

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute()


def partition(account_id: AccountId) -> str:
    return f"{account_id}#sharing"


def log_partition(account_id: AccountId) -> str:
    return f"{account_id}#sharing-log"


def side_key(side: Side, arrangement_id: str = "") -> str:
    return f"{_PREFIX[side]}{arrangement_id}"


def received_key(audience_id: AudienceId) -> str:
    return f"A#{audience_id:010d}"


def marker_key(arrangement: Arrangement) -> tuple[str, str]:
    return partition(arrangement.initiator), f"L#{arrangement.audience_id:010d}#{arrangement.receiver}"


def entry_keys(receiving: Receiving) -> tuple[tuple[str, str], tuple[str, str]]:
    # Comes before whatever a longer name goes on with.
    by_name = RECEIVERS, f"{fold(receiving.name)}\t{receiving.receiver_id}"
    return by_name, (f"receiver#{receiving.receiver_id}", RECEIVING)


def arrangement_from_image(image: Mapping[str, Any] | None) -> tuple[Side, Arrangement] | None:
    """The arrangement of a stream record's image, in DynamoDB's JSON, and whose copy it is; None when there is none."""
    if image is None:
        return None
    side = next((side for side, prefix in _PREFIX.items() if image["sk"]["S"].startswith(prefix)), None)
    return None if side is None else (side, Arrangement.model_validate_json(image["body"]["S"]))


def receiving_from_image(image: Mapping[str, Any] | None) -> Receiving | None:
    """As `arrangement_from_image`."""
    if image is None or image["sk"]["S"] != RECEIVING or not image["pk"]["S"].endswith("#sharing"):
        return None
    return Receiving.model_validate_json(image["body"]["S"])
