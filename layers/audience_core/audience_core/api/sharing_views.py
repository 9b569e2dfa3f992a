"""Sharing as the API shows it: to each party its own side, and of the other one a name."""

from datetime import datetime
from typing import Literal

from audience_core.api.views import Versioned, View
from audience_core.domain.audience import AudienceCounts
from audience_core.domain.sharing import Arrangement, ArrangementState, EndReason, LogEntry, Receiving, Step
from audience_core.domain.sharing_stores import LogoFiles, Upload
from audience_core.management.ordering import volatility
from audience_core.management.sharing_listings import ReceivedListing, SharedAudience
from audience_core.management.sharing_terms import TERMS

# How long the address of a logo works.
LOGO_SECONDS = 3600


class TermsView(View):
    version: str
    text: str


class ReceivingView(Versioned):
    """Args:
    is_on: whether others find this account, and may offer it audiences.
    name: by which others find it.
    receiver_id: by which others name it; null before anything was set.
    logo_url: works for an hour; null without a logo.
    terms_version: of the terms that were accepted last; null for none. `current_terms_version` must be accepted.
    """

    is_on: bool
    name: str
    receiver_id: str | None
    logo_url: str | None
    terms_version: str | None
    terms_accepted_at: datetime | None
    terms_accepted_by: str | None
    current_terms_version: str


class LogoUploadView(View):
    """Args:
    id: by which to make it the logo, once it was sent.
    url: where to PUT the file, with these headers, within `seconds`.
    """

    id: str
    method: Literal["PUT"] = "PUT"
    url: str
    headers: dict[str, str]
    seconds: int


class ReceiverView(View):
    """Args:
    logo_url: works for an hour.
    """

    id: str
    name: str
    logo_url: str | None


class NamedReceiverView(View):
    id: str
    name: str


class OfferView(View):
    """An offer to this account.

    Args:
        name: the external name of the audience.
        initiator: name of the account that offers it.
        may_export: whether the members' identities may be downloaded.
        status: pending, or what was answered.
    """

    id: str
    name: str
    initiator: str
    may_export: bool
    status: ArrangementState
    offered_at: datetime


class SharedView(View):
    """An audience of this account with one receiver.

    Args:
        status: pending until the receiver answers.
        end: how it ended; null unless it has.
        size, adds_24h, drops_24h: null for a draft, and for an audience that was deleted.
        volatility: (adds + drops) / size; null when the size is 0.
        shared_at: when it was offered.
    """

    id: str
    audience_id: int
    name: str
    receiver: NamedReceiverView
    status: ArrangementState
    end: EndReason | None
    may_export: bool
    size: int | None
    adds_24h: int | None
    drops_24h: int | None
    volatility: float | None
    shared_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None


class ReceivedView(View):
    """An audience that is shared with this account.

    Args:
        audience_id: its id in this account, for connections, tags, A/B tests and exports.
        name: its external name.
        initiator: name of the account that shares it.
        size, adds_24h, drops_24h: null while its initiator has made it a draft.
        volatility: (adds + drops) / size; null when the size is 0.
        ab_test: whether this account has split it.
    """

    id: str
    audience_id: int
    name: str
    initiator: str
    may_export: bool
    size: int | None
    adds_24h: int | None
    drops_24h: int | None
    volatility: float | None
    connected_outputs: int
    faults: tuple[str, ...]
    tags: tuple[str, ...]
    ab_test: bool
    offered_at: datetime
    accepted_at: datetime | None


class ReceivedList(View):
    """Args:
    next: give it back as `next` for the page after this one; null on the last.
    pending: how many offers wait for an answer.
    """

    items: tuple[ReceivedView, ...]
    next: str | None
    pending: int


class SharingLogView(View):
    """Args:
    by: whether this account or the other party took the step.
    client_id: the client of this account that did; null for steps of the other party.
    arrangement_id, audience, other_party: null for steps that concern no arrangement.
    end: how the arrangement ended.
    """

    at: datetime
    step: Step
    by: Literal["us", "them"]
    client_id: str | None
    arrangement_id: str | None
    audience: str | None
    other_party: str | None
    end: EndReason | None
    detail: str | None


def receiving_view(receiving: Receiving, logos: LogoFiles) -> ReceivingView:
    return ReceivingView(
        is_on=receiving.is_on,
        name=receiving.name,
        receiver_id=receiving.receiver_id or None,
        logo_url=_logo_url(receiving, logos),
        terms_version=receiving.terms_version or None,
        terms_accepted_at=receiving.terms_accepted_at,
        terms_accepted_by=receiving.terms_accepted_by or None,
        current_terms_version=TERMS.version,
        version=receiving.version,
    )


def logo_upload_view(upload_id: str, upload: Upload) -> LogoUploadView:
    return LogoUploadView(id=upload_id, url=upload.url, headers=dict(upload.headers), seconds=upload.seconds)


def receiver_view(receiving: Receiving, logos: LogoFiles) -> ReceiverView:
    return ReceiverView(id=receiving.receiver_id, name=receiving.name, logo_url=_logo_url(receiving, logos))


def offer_view(arrangement: Arrangement) -> OfferView:
    return OfferView(
        id=arrangement.arrangement_id,
        name=arrangement.external_name,
        initiator=arrangement.initiator_name,
        may_export=arrangement.may_export,
        status=arrangement.state,
        offered_at=arrangement.offered_at,
    )


def shared_view(shared: SharedAudience) -> SharedView:
    arrangement = shared.arrangement
    size, adds, drops, share = _figures(shared.counts)
    return SharedView(
        id=arrangement.arrangement_id,
        audience_id=arrangement.audience_id,
        name=arrangement.external_name if shared.audience is None else shared.audience.name,
        receiver=NamedReceiverView(id=arrangement.receiver_id, name=arrangement.receiver_name),
        status=arrangement.state,
        end=arrangement.end,
        may_export=arrangement.may_export,
        size=size,
        adds_24h=adds,
        drops_24h=drops,
        volatility=share,
        shared_at=arrangement.offered_at,
        answered_at=arrangement.answered_at,
        ended_at=arrangement.ended_at,
    )


def received_view(listing: ReceivedListing) -> ReceivedView:
    arrangement, audience = listing.arrangement, listing.audience
    size, adds, drops, share = _figures(listing.counts)
    return ReceivedView(
        id=arrangement.arrangement_id,
        audience_id=listing.received.audience_id,
        name=audience.external_name or audience.name,
        initiator=arrangement.initiator_name,
        may_export=arrangement.may_export,
        size=size,
        adds_24h=adds,
        drops_24h=drops,
        volatility=share,
        connected_outputs=len({each.output_id for each in listing.connections}),
        faults=tuple(each.connection_id for each in listing.connections if each.fault),
        tags=listing.received.tags,
        ab_test=listing.received.ab_test is not None,
        offered_at=arrangement.offered_at,
        accepted_at=arrangement.answered_at,
    )


def sharing_log_view(entry: LogEntry) -> SharingLogView:
    return SharingLogView(
        at=entry.at,
        step=entry.step,
        by="us" if entry.by_us else "them",
        client_id=entry.client_id or None,
        arrangement_id=entry.arrangement_id or None,
        audience=entry.audience or None,
        other_party=entry.other_party or None,
        end=entry.end,
        detail=entry.detail or None,
    )


def _figures(counts: AudienceCounts | None) -> tuple[int | None, int | None, int | None, float | None]:
    """Size, adds, drops, volatility."""
    if counts is None:
        return None, None, None, None
    return counts.size, counts.adds_24h, counts.drops_24h, volatility(counts)


def _logo_url(receiving: Receiving, logos: LogoFiles) -> str | None:
    return logos.link(receiving.logo, LOGO_SECONDS) if receiving.logo else None
