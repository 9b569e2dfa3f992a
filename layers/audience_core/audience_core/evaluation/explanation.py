"""What an explanation looks like: a definition's tree with, for each node, its answer and what it rests on."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from audience_core.domain.event import AttributeValue, Scalar

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_999  # the end of the year 9999, after which nothing has a date


class Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Saw(Part):
    """What a criterion compared.

    Args:
        what: count (of events, identities, steps done or parts that hold), amount (the figure over events), value (of
            an attribute or field), instant (RFC 3339), distance (km); nothing: there was no value to compare.
    """

    what: Literal["count", "amount", "value", "instant", "distance", "nothing"]
    value: AttributeValue = None


class DecidingEvent(Part):
    """An event that counts.

    Args:
        attributes: those that the criterion reads; `products`: likewise, of each product that has one of them.
    """

    kind: str
    name: str
    at: datetime
    attributes: dict[str, Scalar] = {}
    products: tuple[dict[str, Scalar], ...] = ()


class NextChange(Part):
    """When the answer turns if nothing happens, and into what."""

    at: datetime
    value: bool


class ExplainedNode(Part):
    """One criterion and its answer.

    Args:
        path: JSON pointer into the audience that the criterion belongs to.
        deciding: the newest of the events that count, newest first; those of a sequence in its order.
        next_change: null if time alone never changes the answer.
        children: parts of logic; of `audience_membership`, the other audience's population and definition.
    """

    type: str
    path: str
    summary: str
    value: bool
    saw: Saw | None = None
    deciding: tuple[DecidingEvent, ...] = ()
    next_change: NextChange | None = None
    children: tuple["ExplainedNode", ...] = ()


class Explanation(Part):
    """Why a user is or is not a member of an audience at an instant, and until when.

    Args:
        mpid: decimal text.
        population: whether the user was seen in the audience's workspaces: who was not is no member.
        root: the definition.
    """

    audience_id: int
    mpid: str
    at: datetime
    is_member: bool
    next_change: NextChange | None
    population: ExplainedNode
    root: ExplainedNode


def moment(at: int) -> datetime:
    """An instant of UTC ms as a date and time, exactly."""
    return _EPOCH + timedelta(milliseconds=at)


def change(at: int, value: bool) -> NextChange | None:
    """None for an instant that never comes, or that is too far away to have a date."""
    return NextChange(at=moment(at), value=value) if at <= _LAST_MS else None
