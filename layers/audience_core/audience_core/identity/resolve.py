"""Whose a batch is: from its identities to one profile (docs/identity.md)."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Set
from dataclasses import dataclass
from itertools import groupby

from audience_core.domain.account import LoginStrategy
from audience_core.domain.event import EventBatch, Identity
from audience_core.domain.identities import rank
from audience_core.domain.ids import NEVER, Mpid
from audience_core.domain.profile import Profile
from audience_core.domain.stores import IdentityRow
from audience_core.identity.claims import Claims, holds_login
from audience_core.identity.merge import merge_identities


@dataclass(frozen=True, slots=True)
class Resolution:
    """Whose a batch is, and what follows from it.

    Args:
        is_new: no profile of this mpid is stored yet.
        granted: those of the batch's identities that the profile may take.
        writes: rows to write before the profile, all or none, each over the version it carries.
        releases: unique identities that other profiles must let go of.
        forgets: identities that the profile gives up for newer ones; their rows may drop it afterwards.
    """

    mpid: Mpid
    is_new: bool
    granted: tuple[Identity, ...] = ()
    writes: tuple[IdentityRow, ...] = ()
    releases: tuple[tuple[Mpid, Identity], ...] = ()
    forgets: tuple[Identity, ...] = ()


def resolve(
    batch: EventBatch,
    rows: Mapping[Identity, IdentityRow],
    profiles: Mapping[Mpid, Profile],
    strategy: LoginStrategy,
    new_mpid: Callable[[], Mpid],
) -> Resolution:
    """Find the profile of a batch, or make up the mpid of a new one.

    Args:
        rows: of all identities of the batch.
        profiles: those that exist of `candidates(batch, rows)`.
        new_mpid: a random mpid; the rows to write make others find it.
    """
    claims = Claims(rows, profiles, strategy)
    mpid = _owner(batch, claims, profiles, strategy)
    if mpid is None:
        mpid = new_mpid() if batch.identities else nobody(batch)
    return _consequences(batch, mpid, claims, profiles, strategy)


def candidates(batch: EventBatch, rows: Mapping[Identity, IdentityRow]) -> set[Mpid]:
    """Mpids of the profiles that `resolve` must know, stored or not."""
    mpids = {mpid for identity in batch.identities for mpid in rows[identity].holders}
    if batch.mpid is not None:
        mpids.add(batch.mpid)
    return mpids if batch.identities else mpids | {nobody(batch)}


def nobody(batch: EventBatch) -> Mpid:
    """The mpid of a batch without any identity: no row leads to it, so only the batch itself can, on each delivery."""
    source = batch.source
    text = f"{source.account_id}#{source.input_id}#{batch.batch_id}"
    return Mpid(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], signed=True) or 1)


def _owner(batch: EventBatch, claims: Claims, profiles: Mapping[Mpid, Profile], strategy: LoginStrategy) -> Mpid | None:
    if batch.mpid is not None and batch.mpid in profiles:
        owner: Mpid | None = batch.mpid
    else:
        owner = _oldest(_unprotected(_walk(batch.identities, claims), batch.identities, claims, strategy), profiles)
    immutable = sorted((i for i in batch.identities if i.type in strategy.immutable), key=_order)
    if owner is not None and owner in profiles and _contradicts(profiles[owner].identities, immutable):
        decisive = set(claims.holders(immutable[0]))
        return _oldest(_unprotected(decisive, batch.identities, claims, strategy), profiles)
    return owner


def _walk(identities: Iterable[Identity], claims: Claims) -> set[Mpid]:
    """Holders of the highest-ranked identity that has any, narrowed down by the others until one is left."""
    found: set[Mpid] = set()
    for _, same_type in groupby(sorted(identities, key=_order), key=_type):
        holders = {mpid for identity in same_type for mpid in claims.holders(identity)}
        found = (found & holders or found) if found else holders
    return found


def _unprotected(
    mpids: Set[Mpid], identities: Iterable[Identity], claims: Claims, strategy: LoginStrategy
) -> set[Mpid]:
    """Profiles of known users go only to those who bring one of their login identities."""
    logins = [identity for identity in identities if holds_login((identity,), strategy)]
    welcome = {mpid for identity in logins for mpid in claims.holders(identity)}
    return {mpid for mpid in mpids if mpid in welcome or not claims.is_known(mpid)}


def _oldest(mpids: Collection[Mpid], profiles: Mapping[Mpid, Profile]) -> Mpid | None:
    """The one seen first, those not stored yet last; None for none."""

    def age(mpid: Mpid) -> tuple[int, Mpid]:
        seen = profiles[mpid].seen.values() if mpid in profiles else ()
        return min((each.first for each in seen), default=NEVER), mpid

    return min(mpids, key=age, default=None)


def _contradicts(held: Iterable[Identity], immutable: Collection[Identity]) -> bool:
    values = {identity.type: identity.value for identity in immutable}
    return any(identity.type in values and values[identity.type] != identity.value for identity in held)


def _consequences(
    batch: EventBatch, mpid: Mpid, claims: Claims, profiles: Mapping[Mpid, Profile], strategy: LoginStrategy
) -> Resolution:
    at, held = batch.received_at, profiles[mpid].identities if mpid in profiles else {}
    granted = tuple(identity for identity in batch.identities if claims.is_free_for(identity, mpid, at))
    after, _ = merge_identities(held, granted, at, strategy)
    is_known = holds_login(after, strategy)
    kept = sorted(identity for identity in granted if identity in after)
    rows = [claims.with_holder(identity, mpid, at, is_known) for identity in kept]
    unique = [identity for identity in kept if identity.type in strategy.unique]
    return Resolution(
        mpid,
        is_new=mpid not in profiles,
        granted=granted,
        writes=tuple(row for row in rows if row is not None),
        releases=tuple((other, identity) for identity in unique for other in claims.others(identity, mpid)),
        forgets=tuple(sorted(held.keys() - after.keys())),
    )


def _order(identity: Identity) -> tuple[int, str]:
    return rank(identity.type), identity.value


def _type(identity: Identity) -> str:
    return identity.type
