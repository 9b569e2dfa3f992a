"""What clients send: event batches, already read from the wire and freed of its many spellings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from audience_core.domain.definition import EventKind
from audience_core.domain.ids import AccountId, InputId, Mpid, WorkspaceId

type Scalar = str | int | float | bool | None
type AttributeValue = Scalar | list[Scalar] | dict[str, Scalar]


class Environment(StrEnum):
    """Development data is stored apart and never reaches audiences or outputs."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"

    @classmethod
    def told_by(cls, value: object) -> "Environment":
        """What the `environment` of a batch means: production unless it plainly says development."""
        is_development = isinstance(value, str) and value.strip().lower() == cls.DEVELOPMENT
        return cls.DEVELOPMENT if is_development else cls.PRODUCTION


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """A typed identifier; `type` in the canonical spelling, `value` normalised for matching."""

    type: str
    value: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where a batch came from, as its verified credential says."""

    account_id: AccountId
    workspace_id: WorkspaceId
    input_id: InputId


@dataclass(frozen=True, slots=True)
class Event:
    """Something a user did.

    Args:
        at: UTC ms, the client's clock; the batch's receive time when the client gave none.
        event_id: 8 bytes by which repeats are known (docs/decisions: event ids).
        name: event name, commerce action or screen name; empty for kinds without names.
        attributes: the client's own by their names, built-in fields by names that begin with "$".
        products: one mapping per product of a commerce event.
    """

    kind: EventKind
    name: str
    at: int
    event_id: bytes
    workspace_id: WorkspaceId
    input_id: InputId
    attributes: Mapping[str, Scalar] = field(default_factory=dict)
    products: tuple[Mapping[str, Scalar], ...] = ()


def by_time(event: Event) -> tuple[int, bytes]:
    """The order of events: by instant, those of one instant by id."""
    return event.at, event.event_id


@dataclass(frozen=True, slots=True)
class EventBatch:
    """One accepted batch of one user.

    Args:
        batch_id: `source_request_id`, or one given at acceptance; the same on every delivery of the batch.
        received_at: UTC ms at which the batch was accepted; orders attribute writes.
        identities: in no particular order, normalised, empty and all-zero values left out.
        attributes: user attributes to set; applied after `deleted_attributes`.
        device: fields of the device, strings or numbers; `device_key` tells devices of one profile apart.
        location: country, region, city, postal_code, dma (text), latitude, longitude (degrees).
        consents: (regulation, purpose) -> given.
        is_opted_out: what the user has last told of being tracked at all; None when the batch does not say.
        seen_first, seen_last: earliest and latest instant at which the batch shows the user active (UTC ms).
    """

    source: Source
    environment: Environment
    batch_id: str
    received_at: int
    seen_first: int
    seen_last: int
    mpid: Mpid | None = None
    identities: tuple[Identity, ...] = ()
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    deleted_attributes: tuple[str, ...] = ()
    device_key: str = ""
    device: Mapping[str, Scalar] = field(default_factory=dict)
    location: Mapping[str, Scalar] = field(default_factory=dict)
    consents: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    is_opted_out: bool | None = None
    attribution: Mapping[str, Scalar] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
