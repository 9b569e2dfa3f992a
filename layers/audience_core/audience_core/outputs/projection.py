"""What a partner should know of one profile: a pure function, so that anybody may work it out again."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from audience_core.domain.event import AttributeValue, Identity
from audience_core.domain.ids import AudienceId
from audience_core.domain.output import Connection, Target
from audience_core.domain.profile import Profile, RegisterKind, precedence


class Acceptance(Protocol):
    """The part of a connector that decides who is forwarded, and by which identities."""

    @property
    def accepted_identities(self) -> frozenset[str]: ...

    @property
    def required_identities(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one connection forwards of a member.

    Args:
        attributes: names of the user attributes without which the connector cannot do what its settings ask for.
    """

    accepted_identities: frozenset[str]
    required_identities: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()


def project(profile: Profile, audience_id: AudienceId, connection: Connection, wanted: Wanted) -> Target | None:
    """The member's identities of accepted types, in order; None when the partner should not have the user.

    That is: not a member, no accepted identity, or none of the required types.
    """
    forwarded = identities_for(profile, wanted) if audience_id in profile.memberships else ()
    return Target(forwarded, tuple(attributes_for(profile, wanted.attributes))) if forwarded else None


def identities_for(profile: Profile, acceptance: Acceptance) -> tuple[Identity, ...]:
    """By which a member of any audience would be forwarded, in order; none when the partner cannot be told of them."""
    accepted = tuple(sorted(i for i in profile.identities if i.type in acceptance.accepted_identities))
    required = acceptance.required_identities
    return accepted if not required or any(i.type in required for i in accepted) else ()


def attributes_for(profile: Profile, names: frozenset[str]) -> Iterable[tuple[str, AttributeValue]]:
    """User attributes of the given names, in order; of several workspaces' values the one written last."""
    if not names:
        return
    held = [(key.name, each) for key, each in profile.registers.items() if key.kind is RegisterKind.ATTRIBUTE]
    for name in sorted(names):
        values = [each for held_name, each in held if held_name == name]
        if values and not (last := max(values, key=precedence)).is_deleted:
            yield name, last.value
