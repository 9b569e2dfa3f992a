"""Audiences shared between customers: who may be offered one, the arrangements of two parties, and their logs."""

from datetime import datetime
from enum import StrEnum

from audience_core.domain.ab_test import AbTest
from audience_core.domain.account import Record, ResourceName
from audience_core.domain.audience import Audience
from audience_core.domain.ids import AccountId, AudienceId

# Sides of a logo, and how many bytes of one are taken.
MAX_LOGO_PIXELS = 2048
MAX_LOGO_BYTES = 1_000_000


class Receiving(Record):
    """How an account stands to receiving audiences.

    Args:
        receiver_id: by which others name it; says nothing of the account. "" before it first asked for anything.
        name: the account's, by which others find it.
        is_on: whether others find it and may offer it audiences.
        terms_version: of the terms that were accepted last; "" for none.
        terms_accepted_by: the client that did.
        logo: key of the checked logo; "" for none.
    """

    account_id: AccountId
    receiver_id: str = ""
    name: ResourceName
    is_on: bool = False
    terms_version: str = ""
    terms_accepted_at: datetime | None = None
    terms_accepted_by: str = ""
    logo: str = ""
    version: int = 0


class ArrangementState(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    ENDED = "ended"


LIVE = frozenset({ArrangementState.PENDING, ArrangementState.ACCEPTED})


class EndReason(StrEnum):
    """How an arrangement came to its end; nothing brings it back."""

    DELETED = "deleted"  # the initiator deleted the audience
    UNSHARED = "unshared"  # the initiator took the audience, or the offer, back
    REMOVED = "removed"  # the receiver gave the audience up
    OPTED_OUT = "opted_out"  # the receiver receives no more audiences


class Side(StrEnum):
    INITIATOR = "initiator"
    RECEIVER = "receiver"


class Source(Record):
    """Where the members of a received audience come from."""

    account_id: AccountId
    audience_id: AudienceId
    arrangement_id: str


class Received(Record):
    """What a receiver keeps of its own about an audience that is shared with it; it alone sees it.

    Args:
        audience_id: its id in the receiver's account.
    """

    account_id: AccountId
    audience_id: AudienceId
    source: Source
    may_export: bool = False
    tags: tuple[str, ...] = ()
    ab_test: AbTest | None = None
    version: int = 0


class Arrangement(Record):
    """That one account shares, or offers to share, an audience with another.

    Args:
        audience_id: of the audience in the initiator's account.
        received_id: by which the receiver knows it, in an account of its own numbers; None until it is accepted.
        external_name: what the receiver saw when the arrangement last changed.
        may_export: whether the receiver may download the members' identities.
        offered_by: the initiator's client.
        end: None unless it has ended.
    """

    arrangement_id: str
    initiator: AccountId
    initiator_name: ResourceName
    audience_id: AudienceId
    receiver: AccountId
    receiver_id: str
    receiver_name: ResourceName
    received_id: AudienceId | None = None
    external_name: str
    may_export: bool = False
    state: ArrangementState = ArrangementState.PENDING
    end: EndReason | None = None
    offered_at: datetime
    offered_by: str
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    version: int = 0

    def account_of(self, side: Side) -> AccountId:
        return self.initiator if side is Side.INITIATOR else self.receiver

    def as_received(self, received_id: AudienceId) -> Received:
        """What its receiver has of it when it has just been accepted."""
        source = Source(account_id=self.initiator, audience_id=self.audience_id, arrangement_id=self.arrangement_id)
        return Received(
            account_id=self.receiver,
            audience_id=received_id,
            source=source,
            may_export=self.may_export,
            version=1,
        )


class ReceivedAudience(Audience):
    """A received audience as those see it who connect, split or tag audiences: under the receiver's id, and active.

    Its definition is for the code alone that reads all audiences alike: nothing of the API shows it.

    Args:
        version: of what the receiver keeps of it.
    """

    source: Source
    may_export: bool = False

    @property
    def home(self) -> AccountId:
        return self.source.account_id


class Step(StrEnum):
    """What an account's log of sharing tells."""

    TERMS_ACCEPTED = "terms_accepted"
    LOGO_CHANGED = "logo_changed"
    OPTED_IN = "opted_in"
    OPTED_OUT = "opted_out"
    OFFERED = "offered"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EXPORTED = "exported"
    ENDED = "ended"


class LogEntry(Record):
    """One step, as one party's log has it.

    Args:
        account_id: whose log it is in.
        by_us: whether this account took the step.
        client_id: which of its clients did; "" for steps of the other party.
        arrangement_id: "" for steps that concern no arrangement, as are the fields after it.
        other_party: its name.
        end: how an arrangement ended.
        detail: what else is to be known.
    """

    account_id: AccountId
    at: datetime
    step: Step
    by_us: bool
    client_id: str = ""
    arrangement_id: str = ""
    audience: str = ""
    other_party: str = ""
    end: EndReason | None = None
    detail: str = ""
