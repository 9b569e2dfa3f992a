"""Who of an audience converted, variant by variant: counted from stored profiles, a page of one bucket at a time."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from audience_core.domain.ab_test import Measurement, Outcome, variant_of
from audience_core.domain.account import Account
from audience_core.domain.audience import Audience
from audience_core.domain.control_stores import AccountStore, AudienceStore
from audience_core.domain.event import Environment
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.job import Part
from audience_core.domain.membership import HistoryEntry
from audience_core.domain.past_members import Past, Stretch
from audience_core.domain.profile import Profile
from audience_core.domain.stores import HistoryStore, MembershipStore, ProfileStore
from audience_core.evaluation.compiler import compile_program
from audience_core.evaluation.program import Program
from audience_core.evaluation.values import to_ms
from audience_core.evaluation.view import View

PAGE = 200
# Of the criterion, which is no audience; those begin with 1.
_CRITERION = AudienceId(0)


class OutcomeStores(Protocol):
    """The stores that counting needs, under the names that `wiring.Stores` gives them."""

    @property
    def accounts(self) -> AccountStore: ...

    @property
    def audiences(self) -> AudienceStore: ...

    @property
    def memberships(self) -> MembershipStore: ...

    @property
    def history(self) -> HistoryStore: ...

    @property
    def profiles(self) -> ProfileStore: ...


def program_of(measurement: Measurement, account: Account) -> Program:
    """The criterion, made ready to be asked of many."""
    criterion = Audience(
        account_id=account.account_id,
        audience_id=_CRITERION,
        name="Conversion",
        workspaces=measurement.workspaces,
        inputs=measurement.inputs,
        definition=measurement.criterion,
        created_by="",
        created_at=measurement.start,
        updated_at=measurement.start,
    )
    return compile_program(0, [criterion], account.look_back_days)


def count_page(stores: OutcomeStores, measurement: Measurement, program: Program, part: Part) -> Part:
    """The part, further on by up to 200 profiles that were in the audience at some time."""
    pasts, last = _pasts(stores, part.account_id, measurement.audience_id, part)
    start, end = to_ms(measurement.start), to_ms(measurement.end)
    entered = {mpid: exposed_at(row is not None, entries, start, end) for mpid, row, entries in pasts}
    exposed = {mpid: at for mpid, at in entered.items() if at is not None}
    # Somebody whose profile was removed is not counted: nobody knows whether they converted.
    profiles = stores.profiles.load(part.account_id, Environment.PRODUCTION, list(exposed)) if exposed else {}
    converted = {mpid for mpid, profile in profiles.items() if has_converted(program, profile, exposed[mpid], end)}
    changes = {
        "outcomes": added(part.outcomes, _outcomes(measurement, profiles, converted)),
        "looked_at": part.looked_at + len(pasts),
        "last": last,
        "is_done": last is None,
    }
    return part.model_copy(update=changes)


def exposed_at(is_listed: bool, entries: Sequence[HistoryEntry], start: int, end: int) -> int | None:
    """The first instant of `start <= t < end` (UTC ms) at which a profile was in the audience; None if it never was.

    Args:
        is_listed: whether it is in the audience now.
        entries: its joins and leaves in order, at least all after `start`.
    """
    later = [each for each in entries if each.at > start]
    was_member = not later[0].is_member if later else is_listed
    if was_member:
        return start
    return next((each.at for each in later if each.is_member and each.at < end), None)


def has_converted(program: Program, profile: Profile, exposed: int, end: int) -> bool:
    """Whether the criterion held at some instant from the exposure up to the end, given the events since then alone."""
    tracks = ((key, [event for event in track if event.at >= exposed]) for key, track in profile.timeline.items())
    view = View(replace(profile, timeline={key: track for key, track in tracks if track}))
    # Events to come are seen from their own instants on, so the next change finds the first one that makes it true.
    holds, turns = program.next_change(_CRITERION, view, exposed)
    return holds or turns < end


def added(some: Iterable[Outcome], more: Iterable[Outcome]) -> tuple[Outcome, ...]:
    """One for each variant."""
    total = dict[AudienceId, Outcome]()
    for each in (*some, *more):
        before = total.get(each.variant, Outcome(variant=each.variant))
        total[each.variant] = Outcome(
            variant=each.variant, users=before.users + each.users, converted=before.converted + each.converted
        )
    return tuple(total.values())


def _outcomes(measurement: Measurement, profiles: Mapping[Mpid, Profile], converted: set[Mpid]) -> tuple[Outcome, ...]:
    variants = {mpid: variant_of(measurement.variants, mpid).audience_id for mpid in profiles}
    users, conversions = Counter(variants.values()), Counter(variants[mpid] for mpid in converted)
    return tuple(Outcome(variant=each, users=users[each], converted=conversions[each]) for each in sorted(users))


def _pasts(
    stores: OutcomeStores, account_id: AccountId, audience_id: AudienceId, part: Part
) -> tuple[Sequence[Past], Mpid | None]:
    """When an edited definition takes over meanwhile, the list that was read may be gone: the other one is read."""
    while True:
        live_set = stores.audiences.get(account_id, audience_id).live_set
        stretch = Stretch(stores.memberships, stores.history, account_id, audience_id, live_set, part.bucket)
        found = stretch.read(part.last, PAGE)
        if stores.audiences.get(account_id, audience_id).live_set == live_set:
            return found
