"""Who holds an identity: rows are an index of claims, and the holders' profiles say which of these stand."""

from collections.abc import Iterable, Mapping

from audience_core.domain.account import LoginStrategy
from audience_core.domain.event import Identity
from audience_core.domain.ids import Mpid
from audience_core.domain.profile import Profile
from audience_core.domain.stores import IdentityRow
from audience_core.identity.merge import merge_identities

# A device on a shop's counter meets thousands of customers; each is found by what it logs in with.
MAX_HOLDERS = 32


class Claims:
    """The rows of a batch's identities, seen together with the profiles of all their holders."""

    def __init__(
        self, rows: Mapping[Identity, IdentityRow], profiles: Mapping[Mpid, Profile], strategy: LoginStrategy
    ) -> None:
        self._rows, self._profiles, self._strategy = rows, profiles, strategy
        self._standing: dict[Identity, dict[Mpid, int]] = {}

    def holders(self, identity: Identity) -> dict[Mpid, int]:
        """Holders -> when they were last told it (UTC ms); of a unique type only the last one."""
        if identity not in self._standing:
            told = {mpid: self._told_at(identity, mpid) for mpid in self._rows[identity].holders}
            standing = {mpid: at for mpid, at in told.items() if at is not None}
            if identity.type in self._strategy.unique and standing:
                last, at = max(standing.items(), key=_by_time)
                standing = {last: at}
            self._standing[identity] = standing
        return self._standing[identity]

    def is_free_for(self, identity: Identity, mpid: Mpid, at: int) -> bool:
        """Whether a profile told of it at `at` (UTC ms) may hold it: a unique one stays with whoever was told last."""
        if identity.type not in self._strategy.unique:
            return True
        return all(holder == mpid or (told, holder) < (at, mpid) for holder, told in self.holders(identity).items())

    def others(self, identity: Identity, mpid: Mpid) -> list[Mpid]:
        """Profiles that hold an identity, or are about to, besides this one, oldest id first."""
        rivals = {holder for holder in self._rows[identity].holders if self._holds(holder, identity)}
        return sorted((rivals | self.holders(identity).keys()) - {mpid})

    def with_holder(self, identity: Identity, mpid: Mpid, at: int, is_known: bool) -> IdentityRow | None:
        """The row to write so that the profile is found by the identity; None when it is, or need not be.

        Args:
            is_known: the profile holds a login identity, and is found by that.
        """
        row = self._rows[identity]
        # A holder that is not stored may have been removed, and its claim be about to go: it has to be told anew.
        if mpid in self.holders(identity) and (mpid in self._profiles or row.holders[mpid] >= at):
            return None
        if identity.type in self._strategy.unique:
            # Former holders stay until their profiles let go, so that a repeat of the batch tells them again.
            kept = {m: told for m, told in row.holders.items() if m != mpid and self._holds(m, identity)}
        else:
            kept = {m: row.holders[m] for m in self.holders(identity)}
            if len(kept) >= MAX_HOLDERS:
                if is_known:
                    return None
                del kept[min(kept, key=lambda m: (not self.is_known(m), kept[m], m))]
        known = row.known.intersection(kept) | ({mpid} if is_known else frozenset())
        return IdentityRow(identity, {**kept, mpid: at}, row.version, known)

    def is_known(self, mpid: Mpid) -> bool:
        """Whether the profile holds, or is about to, what keeps it from those who do not bring a login identity."""
        profile = self._profiles.get(mpid)
        if profile is not None and holds_login(profile.identities, self._strategy):
            return True
        pending = (i for i, row in self._rows.items() if mpid in row.known and not self._holds(mpid, i))
        return any(mpid in self.holders(identity) for identity in pending)

    def _told_at(self, identity: Identity, mpid: Mpid) -> int | None:
        """None for a claim that has lapsed.

        One whose profile is not stored yet, or would take the identity if told it now, is under way: its writer is
        about to store it, or crashed and is going to repeat it.
        """
        claimed_at, profile = self._rows[identity].holders[mpid], self._profiles.get(mpid)
        if profile is None:
            return claimed_at
        return merge_identities(profile.identities, (identity,), claimed_at, self._strategy)[0].get(identity)

    def _holds(self, mpid: Mpid, identity: Identity) -> bool:
        profile = self._profiles.get(mpid)
        return profile is not None and identity in profile.identities


def holds_login(identities: Iterable[Identity], strategy: LoginStrategy) -> bool:
    """Whether one of the identities is of a type that protects its profile."""
    return any(identity.type in strategy.login or identity.type in strategy.immutable for identity in identities)


def _by_time(claim: tuple[Mpid, int]) -> tuple[int, Mpid]:
    return claim[1], claim[0]
