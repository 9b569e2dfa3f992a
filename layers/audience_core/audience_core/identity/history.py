"""Whose a batch of the past is: found like any other, but it must not change who is who in real time."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from audience_core.domain.account import LoginStrategy
from audience_core.domain.event import EventBatch, Identity
from audience_core.domain.ids import Mpid
from audience_core.domain.profile import Profile
from audience_core.domain.stores import IdentityRow
from audience_core.identity.claims import holds_login
from audience_core.identity.resolve import Resolution, resolve


def as_history(batch: EventBatch) -> EventBatch:
    """What it says was so when its last event happened, and not when somebody got round to sending it."""
    return replace(batch, received_at=batch.seen_last)


def resolve_history(
    batch: EventBatch,
    rows: Mapping[Identity, IdentityRow],
    profiles: Mapping[Mpid, Profile],
    strategy: LoginStrategy,
    new_mpid: Callable[[], Mpid],
) -> Resolution:
    """As `resolve`, of a batch that `as_history` made.

    Only users who have no profile claim identities, and never one that another profile has to itself; so that later
    batches, of the past or live, find them. An anonymous profile is never made a customer's: with a login identity
    nothing else decides.
    """
    logins = tuple(each for each in batch.identities if holds_login((each,), strategy))
    found = resolve(replace(batch, identities=logins or batch.identities), rows, profiles, strategy, new_mpid)
    taken = {each.identity for each in found.writes if each.identity.type in strategy.unique and len(each.holders) > 1}
    others = (each for each in batch.identities if logins and each not in logins)
    free = tuple(each for each in others if each.type not in strategy.unique or not rows[each].holders)
    return Resolution(
        found.mpid,
        found.is_new,
        granted=tuple(each for each in found.granted if each not in taken) + free,
        writes=() if found.mpid in profiles else tuple(each for each in found.writes if each.identity not in taken),
    )
