"""What a partner should know of one profile: a pure function, so that anybody may work it out again."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from audience_core.domain.ab_test import Variant
from audience_core.domain.definition import Consent
from audience_core.domain.event import AttributeValue, Identity
from audience_core.domain.ids import AudienceId, Mpid, WorkspaceId
from audience_core.domain.output import Connection, RequiredConsent, SharedAttributes, Target
from audience_core.domain.profile import Profile, RegisterKey, RegisterKind, precedence


class Acceptance(Protocol):
    """The part of a connector that decides who is forwarded, and by which identities."""

    @property
    def accepted_identities(self) -> frozenset[str]: ...

    @property
    def required_identities(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one connection forwards of a member, beside the attributes that are shared over it.

    Args:
        attributes: names of the user attributes without which the connector cannot do what its settings ask for.
    """

    accepted_identities: frozenset[str]
    required_identities: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()


def project(
    profile: Profile,
    audience_id: AudienceId,
    connection: Connection,
    wanted: Wanted,
    workspaces: Collection[WorkspaceId] = (),
) -> Target | None:
    """As `target_of`, of a real-time audience; None for who is no member, or in another variant than it forwards."""
    is_member = audience_id in profile.memberships and is_in(connection.variant, profile.mpid)
    return target_of(profile, connection, wanted, workspaces) if is_member else None


def target_of(
    profile: Profile, connection: Connection, wanted: Wanted, workspaces: Collection[WorkspaceId] = ()
) -> Target | None:
    """A member's identities of accepted types and shared attributes, in order.

    None when the partner should not have the user: no accepted identity, or none of the required types; or it
    has opted out, or not given a consent that the connection requires.

    Args:
        workspaces: the audience's own; they decide the values of workspace-level attributes.
    """
    forwarded = identities_for(profile, wanted) if is_permitted(profile, connection) else ()
    if not forwarded:
        return None
    return Target(forwarded, attributes_for(profile, connection.attributes, workspaces, wanted.attributes))


def is_in(variant: Variant | None, mpid: Mpid) -> bool:
    """Whether a member of the audience is in this share of it; None: in all of it."""
    return variant is None or variant.has(mpid)


def is_permitted(profile: Profile, connection: Connection) -> bool:
    """Whether the user lets a connection's partner know of them: no opt-out in any workspace, and every consent."""
    opt_outs = (each.value for key, each in profile.registers.items() if key.kind is RegisterKind.OPT_OUT)
    return True not in opt_outs and all(_is_met(profile, required) for required in connection.required_consent)


def identities_for(profile: Profile, connector: Acceptance) -> tuple[Identity, ...]:
    """By which a member of any audience would be forwarded, in order; none when the partner cannot be told of them."""
    accepted = tuple(sorted(i for i in profile.identities if i.type in connector.accepted_identities))
    required = connector.required_identities
    return accepted if not required or any(i.type in required for i in accepted) else ()


def attributes_for(
    profile: Profile,
    shared: SharedAttributes,
    workspaces: Collection[WorkspaceId],
    needed: Collection[str] = (),
) -> tuple[tuple[str, AttributeValue], ...]:
    """Names and values that are shared of a member, by name; an attribute without a value is not there.

    Args:
        needed: further account-level ones.
    """
    sources = dict.fromkeys([*needed, *shared.account], profile.seen.keys()) | dict.fromkeys(
        shared.workspace, workspaces
    )
    found = ((name, _latest(profile, name, sources[name])) for name in sorted(sources))
    return tuple((name, values[0]) for name, values in found if values)


def _is_met(profile: Profile, required: RequiredConsent) -> bool:
    """By the latest word on the purpose in any workspace: whoever withdraws somewhere has withdrawn."""
    name = f"{required.regulation}/{required.purpose}"
    told = [each for key, each in profile.registers.items() if (key.kind, key.name) == (RegisterKind.CONSENT, name)]
    is_present = bool(told) and max(told, key=precedence).value is True
    return is_present is (required.state is Consent.PRESENT)


def _latest(profile: Profile, name: str, workspaces: Collection[WorkspaceId]) -> tuple[AttributeValue, ...]:
    """The value written last in one of the workspaces, alone; empty when there is none."""
    keys = (RegisterKey(workspace, RegisterKind.ATTRIBUTE, name) for workspace in workspaces)
    known = [register for key in keys if (register := profile.registers.get(key)) and not register.is_deleted]
    return (max(known, key=precedence).value,) if known else ()
