"""Which audiences a change of a profile can affect: all others keep their membership unlooked at."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from audience_core.domain.event import Event
from audience_core.domain.ids import NEVER, AudienceId
from audience_core.domain.profile import Delta, Profile, RegisterKey, RegisterKind
from audience_core.evaluation.answers import until_of
from audience_core.evaluation.logic import Combination
from audience_core.evaluation.program import SEEN, LeafUse, Program, Read, Reader
from audience_core.evaluation.view import View

_NONE: frozenset[AudienceId] = frozenset()

# Audiences, and what a profile leaves of their definitions (`Tree`).
type Folded = dict[AudienceId, Combination | None]


def affected(program: Program, view: View, delta: Delta, now: int) -> Folded:
    """Audiences that read something the delta changed, and of whose definitions the profile leaves anything open.

    Args:
        view: the profile with the delta applied.
    """
    found: set[AudienceId] = set()
    for read in _changed(view.profile, delta):
        found |= program.audiences_by_read.get(read, _NONE)
    for event in delta.events:
        for reader in program.readers_of(event.kind, event.name):
            if not reader.series.matches(event):
                continue
            if delta.has_replaced:
                found |= reader.audiences
            else:
                found.update(*_concerned(reader, event, view.instants(reader.series), now))
    # What was replaced may have been the last of its kind.
    folded = _folded(program, view, found) if delta.has_replaced else _open(program, view, found)
    for workspace in delta.new_workspaces:
        folded |= _folded(program, view, program.audiences_by_workspace.get(workspace, _NONE))
    return folded


def _concerned(reader: Reader, event: Event, instants: Sequence[int], now: int) -> Iterator[frozenset[AudienceId]]:
    """Audiences to which a new event of a series can make a difference.

    Args:
        instants: of the series, the event's own included.
    """
    yield reader.others
    for name, audiences in reader.by_attribute.items():
        if name in event.attributes:
            yield audiences
    count, is_ahead = len(instants), instants[-1] > now
    for n, older, audiences in reader.recent:
        if n > count:
            break
        # A second view of an offer is not yet a third.
        if is_ahead or instants[-n] + older >= now:
            yield audiences


def _folded(program: Program, view: View, audiences: AbstractSet[AudienceId]) -> Folded:
    trees, sources = program.trees, program.sources(view)
    return {audience: (tree := trees[audience])[sources & tree.needs] for audience in audiences}


def _open(program: Program, view: View, audiences: AbstractSet[AudienceId]) -> Folded:
    """Those that are not, for want of events, for all time what they are for a blank user."""
    trees, sources = program.trees, program.sources(view)
    return {
        audience: folded
        for audience in audiences
        if (folded := (tree := trees[audience])[sources & tree.needs]) is not None
    }


def population(program: Program, profile: Profile) -> frozenset[AudienceId]:
    """Audiences in whose workspaces the profile was seen: of no other can it be a member."""
    fed = [program.audiences_by_workspace.get(workspace, _NONE) for workspace in profile.seen]
    return fed[0] if len(fed) == 1 else _NONE.union(*fed)


def stirred(program: Program, view: View, now: int) -> Folded:
    """Audiences with a criterion that tells this profile from a blank one, now or at a later instant.

    All others are as they are for a user of whom nothing is known, and time does not change them.
    """
    found: set[AudienceId] = set()
    moment = program.at(view, now)
    for use in _leaves_in_play(program, view):
        if moment[use.key] != use.blank:
            found |= use.audiences
    return _open(program, view, found)


def restless(program: Program, view: View, now: int) -> Folded:
    """Audiences that time alone can change after `now`: those with a criterion that will turn."""
    found: set[AudienceId] = set()
    moment = program.at(view, now)
    for use in _leaves_in_play(program, view):
        if use.is_moving and until_of(moment[use.key]) < NEVER:
            found |= use.audiences
    return _open(program, view, found)


def _leaves_in_play(program: Program, view: View) -> Iterator[LeafUse]:
    """Those that read something the profile has."""
    reads: set[Read] = {SEEN}
    reads.update(_register_read(key) for key in view.profile.registers)
    reads.update(("identity", identity.type) for identity in view.profile.identities)
    for kind, name in view.profile.timeline:
        for reader in program.readers_of(kind, name):
            if view.instants(reader.series):
                reads.add(("series", reader.series.index))
    for read in reads:
        yield from program.leaves_by_read.get(read, ())


def _register_read(key: RegisterKey) -> Read:
    return ("register", key.kind, key.name.rpartition("/")[2] if key.kind is RegisterKind.DEVICE else key.name)


def _changed(profile: Profile, delta: Delta) -> Iterator[Read]:
    for key in delta.registers:
        yield _register_read(key)
    if delta.new_workspaces:  # what it holds is now in sight of criteria that read the whole account
        yield from (_register_read(key) for key in profile.registers if key.workspace_id in delta.new_workspaces)
    for identity_type in delta.identity_types:
        yield ("identity", identity_type)
    if delta.seen:
        yield SEEN
