"""Which audiences a change of a profile can affect: all others keep their membership unlooked at."""

from collections.abc import Iterator

from audience_core.domain.ids import AudienceId
from audience_core.domain.profile import Delta, RegisterKind
from audience_core.evaluation.program import SEEN, Program, Read

_NONE: frozenset[AudienceId] = frozenset()


def affected(program: Program, delta: Delta) -> set[AudienceId]:
    """Audiences that read something the delta changed; an event counts only for series whose conditions it meets."""
    found: set[AudienceId] = set()
    for read in _changed(program, delta):
        found |= program.audiences_by_read.get(read, _NONE)
    for workspace in delta.new_workspaces:
        found |= program.audiences_by_workspace.get(workspace, _NONE)
    return found


def _changed(program: Program, delta: Delta) -> Iterator[Read]:
    for event in delta.events:
        for name in (event.name, None):
            for series in program.series_by_track.get((event.kind, name), ()):
                if series.matches(event):
                    yield ("series", series.index)
    for key in delta.registers:
        yield ("register", key.kind, key.name.rpartition("/")[2] if key.kind is RegisterKind.DEVICE else key.name)
    for identity_type in delta.identity_types:
        yield ("identity", identity_type)
    if delta.seen:
        yield SEEN
