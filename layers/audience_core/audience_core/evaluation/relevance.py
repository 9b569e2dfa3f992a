"""Which audiences a change of a profile can affect: all others keep their membership unlooked at."""

from collections.abc import Iterator

from audience_core.domain.definition import EventKind
from audience_core.domain.ids import NEVER, AudienceId
from audience_core.domain.profile import Delta, Profile, RegisterKey, RegisterKind
from audience_core.evaluation.program import SEEN, LeafUse, Program, Read
from audience_core.evaluation.series import Series
from audience_core.evaluation.view import View

_NONE: frozenset[AudienceId] = frozenset()


def affected(program: Program, view: View, delta: Delta, now: int) -> set[AudienceId]:
    """Audiences that read something the delta changed; an event counts only for series whose conditions it meets.

    Args:
        view: the profile with the delta applied.
    """
    found: set[AudienceId] = set()
    for read in _changed(view.profile, delta):
        found |= program.audiences_by_read.get(read, _NONE)
    for workspace in delta.new_workspaces:
        found |= program.audiences_by_workspace.get(workspace, _NONE)
    for use in _touched_leaves(program, delta):
        # As blank as before the event and for all time: a second view of an offer is not yet a third.
        if delta.has_replaced or not use.is_monotone or use.leaf(view, now) != (use.blank, NEVER):
            found |= use.audiences
    return found


def _touched_leaves(program: Program, delta: Delta) -> Iterator[LeafUse]:
    for event in delta.events:
        for series in _series(program, event.kind, event.name):
            if series.matches(event):
                yield from program.leaves_by_read.get(("series", series.index), ())


def population(program: Program, profile: Profile) -> frozenset[AudienceId]:
    """Audiences in whose workspaces the profile was seen: of no other can it be a member."""
    fed = [program.audiences_by_workspace.get(workspace, _NONE) for workspace in profile.seen]
    return fed[0] if len(fed) == 1 else _NONE.union(*fed)


def stirred(program: Program, view: View, now: int) -> set[AudienceId]:
    """Audiences with a criterion that tells this profile from a blank one, now or at a later instant.

    All others are as they are for a user of whom nothing is known, and time does not change them.
    """
    found: set[AudienceId] = set()
    for use in _leaves_in_play(program, view):
        value, until = use.leaf(view, now)
        if value is not use.blank or until < NEVER:
            found |= use.audiences
    return found


def restless(program: Program, view: View, now: int) -> set[AudienceId]:
    """Audiences that time alone can change after `now`: those with a criterion that will turn."""
    found: set[AudienceId] = set()
    for use in _leaves_in_play(program, view):
        if use.is_moving and use.leaf(view, now)[1] < NEVER:
            found |= use.audiences
    return found


def _leaves_in_play(program: Program, view: View) -> Iterator[LeafUse]:
    """Those that read something the profile has."""
    reads: set[Read] = {SEEN}
    reads.update(_register_read(key) for key in view.profile.registers)
    reads.update(("identity", identity.type) for identity in view.profile.identities)
    for kind, name in view.profile.timeline:
        reads.update(("series", series.index) for series in _series(program, kind, name) if view.events(series))
    for read in reads:
        yield from program.leaves_by_read.get(read, ())


def _series(program: Program, kind: EventKind, name: str) -> tuple[Series, ...]:
    """Those that read events of this kind and name."""
    return program.series_by_track.get((kind, name), ()) + program.series_by_track.get((kind, None), ())


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
