"""What one write of a profile changed, as the profiles table's stream tells it."""

from dataclasses import dataclass

from audience_core.domain.ids import AudienceId
from audience_core.domain.profile import Profile


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """One stream record.

    Args:
        old, new: the profile before and after, without its timeline; None when there was or is none.
        sequence: the record's number, decimal; grows along the stream.
        at: when it was written (UTC ms).
    """

    old: Profile | None
    new: Profile | None
    sequence: str
    at: int

    @property
    def profile(self) -> Profile:
        found = self.new or self.old
        if found is None:
            raise ValueError("a change of nothing")
        return found

    def joined(self) -> set[AudienceId]:
        return memberships_of(self.new) - memberships_of(self.old)

    def left(self) -> set[AudienceId]:
        return memberships_of(self.old) - memberships_of(self.new)


def memberships_of(profile: Profile | None) -> set[AudienceId]:
    return profile.memberships if profile else set()
