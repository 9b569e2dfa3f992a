"""Where the members of a file of an export come from: a member list and its history, or what a calculation found."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from audience_core.domain.event import Environment
from audience_core.domain.export import ExportFile
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.job import Part
from audience_core.domain.mpid_order import share_of_all, share_of_bucket
from audience_core.domain.past_members import Stretch, is_settled
from audience_core.domain.profile import Profile
from audience_core.pipeline.archived_profiles import ArchivedProfiles
from audience_core.pipeline.export import Exporter


@dataclass(frozen=True, slots=True)
class MemberPage:
    """Args:
    last: the profile that was looked at last; None when the bucket, or the shard, is over.
    cursor: where to go on in a shard.
    """

    members: Sequence[Mpid]
    last: Mpid | None
    cursor: str | None = None


class MemberSource(Protocol):
    """The members of one audience."""

    def read(self, part: Part, limit: int) -> MemberPage | None:
        """The next of those of `part.bucket`; None while they must be waited for."""

    def profiles(self, mpids: Collection[Mpid]) -> dict[Mpid, Profile]:
        """Those of them of whom anything is known."""


def source_of(stores: Exporter, account_id: AccountId, file: ExportFile, at_ms: int) -> MemberSource:
    """Args:
    at_ms: the instant of the export; what a calculation found does not depend on it.
    """
    if file.calculation_id:
        archived = ArchivedProfiles(stores.profiles, stores.shards, stores.erasures, account_id)
        shards = stores.results.shards(account_id, file.audience_id, file.calculation_id)
        return _Calculated(stores, account_id, file, shards, archived)
    return _Listed(stores, *file.members_of(account_id), at_ms)


def source_share(file: ExportFile) -> Callable[[Mpid], float]:
    """What share of a bucket, or a shard, comes up to and including an mpid."""
    return share_of_all if file.calculation_id else share_of_bucket


@dataclass(frozen=True, slots=True)
class _Listed:
    """A real-time audience as it was at an instant."""

    stores: Exporter
    account_id: AccountId
    audience_id: AudienceId
    at_ms: int

    def read(self, part: Part, limit: int) -> MemberPage | None:
        """None while an edit of the audience takes over.

        The member set that is live may change at any time, and the list of the one before is then emptied: so what was
        read counts only if the same set was live before and after.
        """
        live_set = self._settled_set()
        if live_set is None:
            return None
        lists, where = (self.stores.memberships, self.stores.history), (self.account_id, self.audience_id)
        stretch = Stretch(*lists, *where, live_set, part.bucket)
        pasts, last = stretch.read(part.last, limit)
        if self._settled_set() != live_set:
            return None
        return MemberPage([each.mpid for each in stretch.members(pasts, self.at_ms)], last)

    def profiles(self, mpids: Collection[Mpid]) -> dict[Mpid, Profile]:
        return self.stores.profiles.load_outlines(self.account_id, Environment.PRODUCTION, mpids) if mpids else {}

    def _settled_set(self) -> AudienceId | None:
        """The member set that is live; None while profiles are still told that it is."""
        audience = self.stores.audiences.get(self.account_id, self.audience_id)
        return audience.live_set if is_settled(self.stores.jobs, audience) else None


@dataclass(frozen=True, slots=True)
class _Calculated:
    """A lifetime audience as one calculation found it."""

    stores: Exporter
    account_id: AccountId
    file: ExportFile
    shards: Sequence[int]
    archived: ArchivedProfiles

    def read(self, part: Part, limit: int) -> MemberPage | None:
        found = (self.account_id, self.file.audience_id, self.file.calculation_id)
        shard, start = self.shards[part.bucket], int(part.cursor or 0)
        members = self.stores.results.of_shard(*found, shard, start, limit)
        is_over = len(members) < limit
        return MemberPage(members, None if is_over else members[-1], None if is_over else str(start + limit))

    def profiles(self, mpids: Collection[Mpid]) -> dict[Mpid, Profile]:
        return self.archived.load(mpids)
