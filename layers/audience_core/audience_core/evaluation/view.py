"""One profile as the leaves of a program read it: series are filtered once, however many leaves ask."""

from collections.abc import Callable, Collection, Hashable
from functools import cached_property
from typing import Any

from audience_core.domain.definition import EventKind
from audience_core.domain.event import AttributeValue, Environment, Event
from audience_core.domain.ids import AccountId, Mpid, WorkspaceId
from audience_core.domain.profile import Profile, RegisterKey, RegisterKind, precedence
from audience_core.evaluation.series import Series
from audience_core.evaluation.values import MISSING

# A criterion's answer at an instant (UTC ms), as `answers` writes it.
type Leaf = Callable[["View", int], int]
# Events of a kind and name, or of a kind whatever their name.
type Source = tuple[EventKind, str | None]


class View:
    """Caches per series; valid while the profile does not change, and for leaves of one program."""

    def __init__(self, profile: Profile) -> None:
        self.profile, self.timeline = profile, profile.timeline
        # By instant, what a program answers then (`program.Program.at`).
        self.moments: dict[int, Any] = {}
        # By reader, what it read.
        self.values: dict[Callable[[View], AttributeValue | object], AttributeValue | object] = {}
        self._prepared: dict[Hashable, Any] = {}
        self.known_instants: dict[int, list[int]] = {}
        self._events: dict[int, list[Event]] = {}

    @cached_property
    def _devices(self) -> dict[str, list[AttributeValue]]:
        devices: dict[str, list[AttributeValue]] = {}
        for key, register in self.profile.registers.items():
            if key.kind is RegisterKind.DEVICE and not register.is_deleted:
                devices.setdefault(key.name.rpartition("/")[2], []).append(register.value)
        return devices

    def once[T](self, key: Hashable, make: Callable[[], T]) -> T:
        """What was made for the key when it was first asked for."""
        found: T | None = self._prepared.get(key)
        if found is None:
            found = self._prepared[key] = make()
        return found

    def events(self, series: Series) -> list[Event]:
        found = self._events.get(series.index)
        if found is None:
            found = self._events[series.index] = series.events(self.profile)
        return found

    def instants(self, series: Series) -> list[int]:
        """The `at` of each event of the series, ascending."""
        found = self.known_instants.get(series.index)
        if found is None:
            events = self._events.get(series.index)
            found = series.instants(self.profile) if events is None else [event.at for event in events]
            self.known_instants[series.index] = found
        return found

    def register(self, workspaces: Collection[WorkspaceId], kind: RegisterKind, name: str) -> AttributeValue | object:
        """The most recent value among the workspaces; MISSING if none has one."""
        registers = self.profile.registers
        found = [
            register
            for workspace in workspaces
            if (register := registers.get(RegisterKey(workspace, kind, name))) and not register.is_deleted
        ]
        if len(found) == 1:
            return found[0].value
        return max(found, key=precedence).value if found else MISSING

    def device_values(self, field: str) -> AttributeValue | object:
        """The field's value on every device that has one, as a list; MISSING if none has."""
        return self._devices.get(field, MISSING)

    def identity_values(self, identity_type: str) -> AttributeValue | object:
        """All values of that type as a list; MISSING if there is none."""
        return [each.value for each in self.profile.identities if each.type == identity_type] or MISSING


def blank_view() -> View:
    """A user of whom nothing is known."""
    return View(Profile(AccountId(0), Environment.PRODUCTION, Mpid(0)))
