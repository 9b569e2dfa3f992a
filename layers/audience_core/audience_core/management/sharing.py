"""Arrangements of two accounts about an audience: offered, answered, and ended by either of them."""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from audience_core.domain.account import Record
from audience_core.domain.audience import Audience, AudienceKind, AudienceStatus
from audience_core.domain.control_stores import AccountStore, AudienceStore
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.sharing import (
    Arrangement,
    ArrangementState,
    EndReason,
    LogEntry,
    Receiving,
    Side,
    Step,
)
from audience_core.domain.sharing_stores import SharingStore
from audience_core.errors import ConflictError, InvalidInputError, NotFoundError
from audience_core.management.problems import Problem
from audience_core.management.sharing_terms import TERMS
from audience_core.management.versions import persistently

MAX_OFFERS = 200

type _Ids[T] = Annotated[tuple[T, ...], Field(min_length=1, max_length=MAX_OFFERS)]


@dataclass(frozen=True, slots=True)
class Party:
    """Who takes a step: a client of an account."""

    account_id: AccountId
    client_id: str


@dataclass(frozen=True, slots=True)
class SharingStores:
    """What sharing needs of the control path's stores."""

    accounts: AccountStore
    audiences: AudienceStore
    sharing: SharingStore


class NewOffers(Record):
    """Every audience is offered to every receiver: at most 200 offers at once.

    Args:
        audience_ids: active real-time audiences of the account.
        receiver_ids: as the list of receivers gives them.
        may_export: whether receivers may download the members' identities, beside connecting outputs.
    """

    model_config = ConfigDict(extra="forbid")

    audience_ids: _Ids[int]
    receiver_ids: _Ids[str]
    may_export: bool = False


def offer(stores: SharingStores, party: Party, new: NewOffers, now: datetime) -> tuple[Arrangement, ...]:
    """Offer audiences to receivers, who must accept before anything is shared.

    Raises:
        InvalidInputError: names each audience that cannot be shared, and each receiver that cannot receive.
        ConflictError: an audience is shared with, or offered to, one of them already.
    """
    audiences, receivers = _audiences(stores, party, new), _receivers(stores, party, new)
    if len(audiences) * len(receivers) > MAX_OFFERS:
        detail = f"{len(audiences)} audiences to {len(receivers)} receivers are more than {MAX_OFFERS} offers"
        raise InvalidInputError("too many offers at once", (("/receiver_ids", detail),))
    _require_new(stores, party, audiences, receivers)
    name = stores.accounts.get(party.account_id).name
    arrangements = [
        Arrangement(
            arrangement_id=f"a-{int(now.timestamp() * 1000):011x}{secrets.token_hex(6)}",
            initiator=party.account_id,
            initiator_name=name,
            audience_id=audience.audience_id,
            receiver=receiver.account_id,
            receiver_id=receiver.receiver_id,
            receiver_name=receiver.name,
            external_name=audience.external_name or audience.name,
            may_export=new.may_export,
            offered_at=now,
            offered_by=party.client_id,
        )
        for audience in audiences
        for receiver in receivers
    ]
    return tuple(
        stores.sharing.offer(each, _log(each, Side.INITIATOR, party, Step.OFFERED, now)) for each in arrangements
    )


def accept(stores: SharingStores, party: Party, arrangement_id: str, now: datetime) -> Arrangement:
    """As its receiver. One that is accepted already stays so.

    Raises:
        ConflictError: it was rejected or is over; or the current terms are not accepted.
    """

    def act() -> Arrangement:
        found = stores.sharing.arrangement(party.account_id, Side.RECEIVER, arrangement_id)
        if found.state is ArrangementState.ACCEPTED:
            return found
        _require(found, ArrangementState.PENDING, "accepted")
        receiving = stores.sharing.receiving(party.account_id)
        if receiving is None or receiving.terms_version != TERMS.version:
            raise ConflictError(f"accept the terms of version {TERMS.version} first (PATCH /v1/sharing/receiving)")
        changes = {
            "state": ArrangementState.ACCEPTED,
            "answered_at": now,
            "received_id": stores.audiences.next_id(party.account_id),
            "external_name": _present_name(stores, found),
        }
        accepted = found.model_copy(update=changes)
        try:
            return stores.sharing.change(accepted, _log(accepted, Side.RECEIVER, party, Step.ACCEPTED, now))
        except NotFoundError as error:
            raise ConflictError("receiving is switched off") from error

    return persistently(act)


def reject(stores: SharingStores, party: Party, arrangement_id: str, now: datetime) -> Arrangement:
    """As its receiver. One that was rejected already stays so. Raise `ConflictError` for any other but an open one."""

    def act() -> Arrangement:
        found = stores.sharing.arrangement(party.account_id, Side.RECEIVER, arrangement_id)
        if found.state is ArrangementState.REJECTED:
            return found
        _require(found, ArrangementState.PENDING, "rejected")
        rejected = found.model_copy(update={"state": ArrangementState.REJECTED, "answered_at": now})
        return stores.sharing.change(rejected, _log(rejected, Side.RECEIVER, party, Step.REJECTED, now))

    return persistently(act)


def unshare(stores: SharingStores, party: Party, arrangement_id: str, now: datetime) -> Arrangement:
    """As its initiator: take back an offer, or an audience that is shared. Raise `ConflictError` when it is over."""
    return _end(stores, Side.INITIATOR, party, arrangement_id, EndReason.UNSHARED, now)


def remove(stores: SharingStores, party: Party, arrangement_id: str, now: datetime) -> Arrangement:
    """As its receiver: give up an accepted audience. Raise `ConflictError` when it is not accepted."""
    found = stores.sharing.arrangement(party.account_id, Side.RECEIVER, arrangement_id)
    if found.state is ArrangementState.PENDING:
        raise ConflictError("the offer is pending: accept or reject it")
    return _end(stores, Side.RECEIVER, party, arrangement_id, EndReason.REMOVED, now)


def note_export(store: SharingStore, party: Party, arrangement_id: str, now: datetime) -> None:
    """As a receiver that downloads members' identities: both parties can read that it did."""
    found = store.arrangement(party.account_id, Side.RECEIVER, arrangement_id)
    store.note(_log(found, Side.RECEIVER, party, Step.EXPORTED, now))


def end_all_received(stores: SharingStores, party: Party, now: datetime) -> None:
    """As a receiver that receives no more; a repeat ends what is left."""
    for each in stores.sharing.live(party.account_id, Side.RECEIVER):
        _end_unless_over(stores, Side.RECEIVER, party, each, EndReason.OPTED_OUT, now)


def end_all_of(stores: SharingStores, party: Party, audience_id: AudienceId, now: datetime) -> None:
    """As the initiator of an audience that is deleted; a repeat ends what is left."""
    for each in stores.sharing.live(party.account_id, Side.INITIATOR):
        if each.audience_id == audience_id:
            _end_unless_over(stores, Side.INITIATOR, party, each, EndReason.DELETED, now)


def _end_unless_over(
    stores: SharingStores, side: Side, party: Party, arrangement: Arrangement, reason: EndReason, now: datetime
) -> None:
    try:
        _end(stores, side, party, arrangement.arrangement_id, reason, now)
    except ConflictError:
        state = stores.sharing.arrangement(party.account_id, side, arrangement.arrangement_id).state
        # The other party was faster.
        if state in (ArrangementState.PENDING, ArrangementState.ACCEPTED):
            raise


def _end(
    stores: SharingStores, side: Side, party: Party, arrangement_id: str, reason: EndReason, now: datetime
) -> Arrangement:
    def act() -> Arrangement:
        found = stores.sharing.arrangement(party.account_id, side, arrangement_id)
        _require_live(found)
        changes: dict[str, Any] = {"state": ArrangementState.ENDED, "end": reason, "ended_at": now}
        with suppress(ConflictError):
            # Partners are told of the last removals under the name that they know.
            changes["external_name"] = _present_name(stores, found)
        ended = found.model_copy(update=changes)
        return stores.sharing.change(ended, _log(ended, side, party, Step.ENDED, now))

    return persistently(act)


def _require(found: Arrangement, state: ArrangementState, what: str) -> None:
    if found.state is not state:
        raise ConflictError(f"the offer cannot be {what}: it is {_told(found)}")


def _require_live(found: Arrangement) -> None:
    if found.state not in (ArrangementState.PENDING, ArrangementState.ACCEPTED):
        raise ConflictError(f"it is over: {_told(found)}")


def _told(found: Arrangement) -> str:
    return found.state.value if found.end is None else f"{found.state} ({found.end})"


def _present_name(stores: SharingStores, arrangement: Arrangement) -> str:
    """The external name of the initiator's audience; raise `ConflictError` when that is gone."""
    try:
        audience = stores.audiences.get(arrangement.initiator, arrangement.audience_id)
    except NotFoundError as error:
        raise ConflictError("the audience is gone") from error
    return audience.external_name or audience.name


def _audiences(stores: SharingStores, party: Party, new: NewOffers) -> list[Audience]:
    found: list[Audience] = []
    problems: list[Problem] = []
    for place, audience_id in enumerate(new.audience_ids):
        try:
            audience = stores.audiences.get(party.account_id, AudienceId(audience_id))
        except NotFoundError:
            problems.append((f"/audience_ids/{place}", "there is no such audience"))
            continue
        objection = _objection(audience, is_repeated=audience_id in new.audience_ids[:place])
        if objection:
            problems.append((f"/audience_ids/{place}", objection))
        found.append(audience)
    if problems:
        raise InvalidInputError("some of the audiences cannot be shared: see errors", tuple(problems))
    return found


def _objection(audience: Audience, *, is_repeated: bool) -> str:
    if audience.kind is AudienceKind.LIFETIME:
        return "is a lifetime audience: only real-time ones can be shared"
    if audience.status is not AudienceStatus.ACTIVE:
        return "is a draft: activate it first"
    return "is chosen twice" if is_repeated else ""


def _receivers(stores: SharingStores, party: Party, new: NewOffers) -> list[Receiving]:
    found: list[Receiving] = []
    problems: list[Problem] = []
    for place, receiver_id in enumerate(new.receiver_ids):
        try:
            receiver = stores.sharing.receiver(receiver_id)
        except NotFoundError:
            problems.append((f"/receiver_ids/{place}", "there is no such receiver"))
            continue
        if receiver.account_id == party.account_id:
            problems.append((f"/receiver_ids/{place}", "is this account itself"))
        elif receiver_id in new.receiver_ids[:place]:
            problems.append((f"/receiver_ids/{place}", "is chosen twice"))
        found.append(receiver)
    if problems:
        raise InvalidInputError("some of the receivers cannot receive: see errors", tuple(problems))
    return found


def _require_new(
    stores: SharingStores, party: Party, audiences: Sequence[Audience], receivers: Sequence[Receiving]
) -> None:
    """So that of offers that cannot all be made none is made; whoever offers at the same time is seen when storing."""
    live = {(each.audience_id, each.receiver) for each in stores.sharing.live(party.account_id, Side.INITIATOR)}
    taken = [
        f"{audience.name} ({audience.audience_id}) with {receiver.name}"
        for audience in audiences
        for receiver in receivers
        if (audience.audience_id, receiver.account_id) in live
    ]
    if taken:
        raise ConflictError(f"shared or offered already: {', '.join(taken[:10])}{' ...' if len(taken) > 10 else ''}")


def _log(arrangement: Arrangement, side: Side, party: Party, step: Step, now: datetime) -> tuple[LogEntry, ...]:
    """The step in both logs, each with what its party may know."""
    names = {Side.INITIATOR: arrangement.receiver_name, Side.RECEIVER: arrangement.initiator_name}
    return tuple(
        LogEntry(
            account_id=arrangement.account_of(each),
            at=now,
            step=step,
            by_us=each is side,
            client_id=party.client_id if each is side else "",
            arrangement_id=arrangement.arrangement_id,
            audience=arrangement.external_name,
            other_party=names[each],
            end=arrangement.end,
        )
        for each in Side
    )
