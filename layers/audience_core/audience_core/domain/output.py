"""Partners' accounts, what is connected to them, and how forwarding stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from audience_core.domain.ab_test import Variant
from audience_core.domain.account import EmailAddress, Record, ResourceName
from audience_core.domain.definition import Consent
from audience_core.domain.event import AttributeValue, Identity
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, Mpid, OutputId
from audience_core.domain.sharing import Source


class FaultKind(StrEnum):
    AUTHENTICATION = "authentication"
    PERMISSIONS = "permissions"
    RATE_LIMIT = "rate_limit"
    CONFIGURATION = "configuration"
    PARTNER_ERROR = "partner_error"


class Fault(Record):
    """Why forwarding of a connection stopped; membership goes on, and `resume` sends the difference."""

    kind: FaultKind
    message: str
    at: datetime


class Output(Record):
    """A configured account at a partner.

    Args:
        connector: which kind of partner, a key of the registry.
        settings: without the secret ones.
        secret_ref: name of the Secrets Manager secret that holds the confidential settings as JSON.
        log_in_ref: name of the one that holds the tokens of a log-in at the partner; None when nobody has logged in.
        contact_email: who is told of faults of its connections; the account's contact when absent.
    """

    account_id: AccountId
    output_id: OutputId
    connector: str
    name: ResourceName
    settings: dict[str, Any]
    secret_ref: str | None = None
    log_in_ref: str | None = None
    contact_email: EmailAddress | None = None
    created_at: datetime
    version: int = 0


def log_in_page(output: Output, fault: Fault) -> str | None:
    """Path of the console's screen where somebody logs in at the partner again; None if that does not mend a fault."""
    is_mended = fault.kind is FaultKind.AUTHENTICATION and output.log_in_ref is not None
    return f"/outputs/{output.output_id}/log-in" if is_mended else None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a log-in at a partner has given: tokens, and what else must be known to use them.

    Args:
        refresh_token: by which new tokens are had; None when the partner gave none.
        expires_at: when the access token ends, UTC ms; None when it does not.
        facts: what the partner told of the account, by name.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: int | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PendingLogIn:
    """A log-in that was begun: what must be known when the partner sends its user back.

    Args:
        state: identifies it; only the partner and the user's browser know it besides us.
        verifier: the secret behind the challenge that the partner was given (RFC 7636).
        redirect_uri: where the partner was asked to send its user back to.
        expires_at: UTC ms.
    """

    account_id: AccountId
    output_id: OutputId
    state: str = field(repr=False)
    verifier: str = field(repr=False)
    redirect_uri: str
    expires_at: int


class ConnectionStatus(StrEnum):
    ACTIVE = "active"
    INACTIVE = "inactive"
    DELETING = "deleting"  # the partner is being told to forget the members; the connection goes when it has


class SubscriptionState(StrEnum):
    """The partner's side of a connection."""

    NONE = "none"  # the partner has not been told yet
    DOUBTFUL = "doubtful"  # it is being told, or was and has not said that it knows
    ACTIVE = "active"
    REMOVED = "removed"

    @property
    def is_settled(self) -> bool:
        """Whether the partner has answered."""
        return self in (SubscriptionState.ACTIVE, SubscriptionState.REMOVED)


MAX_ATTRIBUTES = 40
type AttributeNames = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=256)], ...], Field(max_length=MAX_ATTRIBUTES)
]


class SharedAttributes(Record):
    """User attributes that a connection forwards beside identities: none, unless chosen; at most 40 together.

    Args:
        account: those whose latest value in any workspace of the account is forwarded.
        workspace: those of which only the value in the audience's own workspaces is; it wins where both name one.
    """

    model_config = ConfigDict(extra="forbid")

    account: AttributeNames = ()
    workspace: AttributeNames = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted({*self.account, *self.workspace}))


class Sending(Record):
    """Which members of a lifetime audience a partner should have: those that were sent last, or are being sent.

    Args:
        job_id: of the job that sends them.
        calculation_id: of the calculation that found them; over `shard_count` shards.
        number: grows with every send; what is desired of members has it as its version.
    """

    job_id: str
    calculation_id: str
    shard_count: int
    number: int


MAX_REQUIRED_CONSENTS = 10


class RequiredConsent(Record):
    """What a member's latest word on a purpose, in whichever workspace, must be; no word is `not_present`.

    Args:
        state: `not_present` is for purposes that say what the user objects to, as ccpa's `data_sale_opt_out` does.
    """

    model_config = ConfigDict(extra="forbid")

    regulation: Literal["gdpr", "ccpa"]
    purpose: Annotated[str, Field(min_length=1, max_length=256)]
    state: Consent = Consent.PRESENT


type RequiredConsents = Annotated[tuple[RequiredConsent, ...], Field(max_length=MAX_REQUIRED_CONSENTS)]


class Connection(Record):
    """An audience, or a share of it, forwarded to an output.

    Args:
        audience_id: as the connection's own account knows the audience.
        source: of a received audience; None for one of the account's own.
        variant: the share of the audience's A/B test that is forwarded; None: all members.
        attributes: what is shared of its members beside their identities.
        required_consent: without all of it a member is not forwarded, and leaves the partner when it is withdrawn.
        sent: of a lifetime audience, once somebody has sent it.
        subscription_settings: what the partner wants echoed back in later messages.
    """

    account_id: AccountId
    connection_id: ConnectionId
    audience_id: AudienceId
    source: Source | None = None
    variant: Variant | None = None
    output_id: OutputId
    settings: dict[str, Any]
    attributes: SharedAttributes = SharedAttributes()
    required_consent: RequiredConsents = ()
    status: ConnectionStatus = ConnectionStatus.ACTIVE
    subscription: SubscriptionState = SubscriptionState.NONE
    subscription_settings: dict[str, str] = Field(default_factory=dict)
    fault: Fault | None = None
    sent: Sending | None = None
    created_at: datetime
    active_since: datetime | None = None
    version: int = 0

    @property
    def partner_audience_id(self) -> AudienceId:
        """The id by which the partner knows what is forwarded."""
        return self.variant.audience_id if self.variant else self.audience_id

    @property
    def members_of(self) -> tuple[AccountId, AudienceId]:
        """The account whose profiles are forwarded, and the audience of it that they are members of."""
        return (self.source.account_id, self.source.audience_id) if self.source else (self.account_id, self.audience_id)


@dataclass(frozen=True, slots=True)
class Route:
    """That a connection of another account forwards members of an audience of this one."""

    audience_id: AudienceId
    receiver: AccountId
    connection_id: ConnectionId


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What a partner should know, or has acknowledged, of one member: identities of accepted types, and attributes.

    An attribute that was true and is 1 has changed, though Python takes one for the other.
    """

    identities: tuple[Identity, ...] = ()
    attributes: tuple[tuple[str, AttributeValue], ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Target) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


def union(one: Target | None, other: Target | None) -> Target | None:
    """All that a partner may know when it was told either; of two values of an attribute the second."""
    if one is None or other is None:
        return one or other
    identities = tuple(sorted({*one.identities, *other.identities}))
    return Target(identities, tuple(sorted({**dict(one.attributes), **dict(other.attributes)}.items())))


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One (connection, mpid): what is desired, what the partner acknowledged; dirty while they differ.

    Args:
        desired: None when the partner should not have the member (any more).
        desired_version: profile version that `desired` reflects.
        acknowledged: None when the partner does not have the member.
        dirty_since: UTC ms, None when clean.
        attempted: what sends of unknown outcome may have told the partner since; None when there were none, empty
            when they only said to forget the member.
        rejected: why the partner will not take `desired`; it is not asked again until something else is desired.
        doubts: how often somebody found that the partner may have lost what it acknowledged.
    """

    account_id: AccountId
    connection_id: ConnectionId
    mpid: Mpid
    desired: Target | None
    desired_version: int
    acknowledged: Target | None
    dirty_since: int | None
    attempted: Target | None = None
    rejected: str | None = None
    doubts: int = 0


@dataclass(frozen=True, slots=True)
class Forward:
    """What one send must achieve for one member: from what the partner has, or may have, to what it should have.

    Args:
        before: what the partner may have, so it must be told to forget whatever of it is not in `after`; but nothing
            of it is sure to be there. Equal to `after` when an earlier send of unknown outcome said the same.
        version: profile version that `after` reflects.
        is_uncertain: `before` is only what the partner may have: all of `after` must be said, not what differs.
    """

    mpid: Mpid
    before: Target | None
    after: Target | None
    version: int = 0
    is_uncertain: bool = False


# Delivery of one connection runs in this many ordered lanes, each holding the profiles of its bucket.
DELIVERY_BUCKETS = 8


def delivery_bucket_of(mpid: int) -> int:
    """The lane in which a connection's rows of this profile are delivered, one send at a time."""
    return mpid % DELIVERY_BUCKETS
