"""What a partner should know of one profile: a pure function, so that anybody may work it out again."""

from typing import Protocol

from audience_core.domain.event import Identity
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
    forwarded = identities_for(profile, connector) if audience_id in profile.memberships else ()
    return Target(forwarded) if forwarded else None


def identities_for(profile: Profile, connector: Acceptance) -> tuple[Identity, ...]:
    """By which a member of any audience would be forwarded, in order; none when the partner cannot be told of them."""
    accepted = tuple(sorted(i for i in profile.identities if i.type in connector.accepted_identities))
    required = connector.required_identities
    return accepted if not required or any(i.type in required for i in accepted) else ()
