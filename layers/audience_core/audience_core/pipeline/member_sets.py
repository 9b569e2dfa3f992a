"""Which member set is whose: what turns a profile's member sets into memberships of audiences.

Every definition has its own member set, so that an edited definition can be evaluated beside the one that is live. A
profile speaks with the version of the program it was evaluated with: which sets were live at that version never
changes. So what an image of a profile says of audiences depends on nothing else, whoever reads it and whenever.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.control_stores import AudienceStore
from audience_core.domain.definition import AllOf, AnyOf, AudienceMembershipCriterion, Criterion, Definition, Not
from audience_core.domain.ids import NEVER, AccountId, AudienceId
from audience_core.domain.membership import MembershipChange
from audience_core.domain.profile import Profile


@dataclass(frozen=True, slots=True)
class Tenure:
    """That a member set was or is an audience's, at program versions `since <= v < until`."""

    audience_id: AudienceId
    since: int
    until: int


type Tenures = Mapping[AudienceId, Tenure]


def tenures(audiences: Iterable[Audience]) -> dict[AudienceId, Tenure]:
    """By member set; a set that is only staged, or never went live, is known to have none."""
    found = {}
    for audience in audiences:
        if audience.staged is not None:
            found[audience.staged.member_set] = Tenure(audience.audience_id, NEVER, NEVER)
        for former in audience.former_sets:
            found[former.member_set] = Tenure(audience.audience_id, former.live_from, former.live_until)
        found[audience.live_set] = Tenure(audience.audience_id, audience.live_from, NEVER)
    return found


class MemberSets:
    """The tenures of accounts, kept as long as they are known to be complete."""

    def __init__(self, audiences: AudienceStore) -> None:
        self._audiences = audiences
        self._known: dict[AccountId, tuple[int, dict[AudienceId, Tenure]]] = {}

    def at(self, account_id: AccountId, program_version: int) -> Tenures:
        """Tenures that hold up to a program version at least; sets of deleted audiences stay as they were."""
        until, found = self._known.get(account_id, (-1, {}))
        if until < program_version:
            until = self._audiences.program_version(account_id)
            found = found | tenures(self._audiences.list(account_id))
            self._known[account_id] = until, found
        return found

    def live(self, profile: Profile) -> Profile:
        """The profile with the audiences it is a member of in the place of its member sets."""
        return live(profile, self.at(profile.account_id, profile.program_version))


def live(profile: Profile, known: Tenures) -> Profile:
    """As `MemberSets.live`. A set that nobody is known to own counts as the audience of its id."""
    version = profile.program_version
    changes = (
        MembershipChange(audience, each.is_member, each.at, each.reason)
        for each in profile.changes
        if (audience := _owner(each.audience_id, version, known)) is not None
    )
    return replace(profile, memberships=live_audiences(profile.memberships, version, known), changes=tuple(changes))


def live_audiences(member_sets: Iterable[AudienceId], program_version: int, known: Tenures) -> set[AudienceId]:
    owners = (_owner(each, program_version, known) for each in member_sets)
    return {owner for owner in owners if owner is not None}


def _owner(member_set: AudienceId, program_version: int, known: Tenures) -> AudienceId | None:
    tenure = known.get(member_set)
    if tenure is None:
        return member_set
    return tenure.audience_id if tenure.since <= program_version < tenure.until else None


def current_sets(audiences: Iterable[Audience]) -> dict[AudienceId, AudienceId]:
    """Active audience -> its live set."""
    return {each.audience_id: each.live_set for each in audiences if each.status is AudienceStatus.ACTIVE}


def as_member_set(audience: Audience, member_set: AudienceId, sets: Mapping[AudienceId, AudienceId]) -> Audience:
    """The audience as evaluation sees it: under the id of a member set, and reading those of other audiences."""
    definition = Definition(root=_reading(audience.definition.root, sets))
    return audience.model_copy(update={"audience_id": member_set, "definition": definition})


def _reading(criterion: Criterion, sets: Mapping[AudienceId, AudienceId]) -> Criterion:
    match criterion:
        case AllOf(criteria=criteria) | AnyOf(criteria=criteria):
            return criterion.model_copy(update={"criteria": tuple(_reading(each, sets) for each in criteria)})
        case Not(criterion=inner):
            return criterion.model_copy(update={"criterion": _reading(inner, sets)})
        case AudienceMembershipCriterion(audience_id=audience_id):
            return criterion.model_copy(update={"audience_id": sets.get(AudienceId(audience_id), audience_id)})
        case _:
            return criterion
