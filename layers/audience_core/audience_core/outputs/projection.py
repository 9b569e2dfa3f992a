"""What a partner should know of one profile: a pure function, so that anybody may work it out again."""

from typing import Protocol

from audience_core.domain.ids import AudienceId
from audience_core.domain.output import Connection, Target
from audience_core.domain.profile import Profile


class Acceptance(Protocol):
    """The part of a connector that decides who is forwarded, and by which identities."""

    @property
    def accepted_identities(self) -> frozenset[str]: ...

    @property
    def required_identities(self) -> frozenset[str]: ...


def project(profile: Profile, audience_id: AudienceId, connection: Connection, connector: Acceptance) -> Target | None:
    """The member's identities of accepted types, in order; None when the partner should not have the user.

    That is: not a member, no accepted identity, or none of the required types.
    """
    if audience_id not in profile.memberships:
        return None
    accepted = tuple(sorted(i for i in profile.identities if i.type in connector.accepted_identities))
    required = connector.required_identities
    if not accepted or (required and not any(i.type in required for i in accepted)):
        return None
    return Target(accepted)
