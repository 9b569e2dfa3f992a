"""One profile as the leaves of a program read it: series are filtered once, however many leaves ask."""

from collections.abc import Callable, Collection

from audience_core.domain.event import AttributeValue, Environment, Event
from audience_core.domain.ids import AccountId, Mpid, WorkspaceId
from audience_core.domain.profile import Profile, RegisterKey, RegisterKind, precedence
from audience_core.evaluation.series import Series
from audience_core.evaluation.values import MISSING

type Leaf = Callable[["View", int], tuple[bool, int]]


class View:
    """Caches per series; valid while the profile does not change."""

    __slots__ = ("_devices", "_events", "known_instants", "profile", "timeline", "values")

    def __init__(self, profile: Profile) -> None:
        self.profile, self.timeline = profile, profile.timeline
        # What each leaf answered first: index -> (asked at, until, the answer).
        self.values: dict[int, tuple[int, int, tuple[bool, int]]] = {}
        self._events: dict[int, list[Event]] = {}
        self.known_instants: dict[int, list[int]] = {}
        self._devices: dict[str, list[AttributeValue]] | None = None

    def events(self, series: Series) -> list[Event]:
        found = self._events.get(series.index)
        if found is None:
            found = self._events[series.index] = series.events(self.profile)
        return found

    def instants(self, series: Series) -> list[int]:
        """The `at` of each event of the series, ascending."""
        found = self.known_instants.get(series.index)
        if found is None:
            found = self.known_instants[series.index] = [event.at for event in self.events(series)]
        return found

    def register(self, workspaces: Collection[WorkspaceId], kind: RegisterKind, name: str) -> AttributeValue | object:
        """The most recent value among the workspaces; MISSING if none has one."""
        found = [
            register
            for workspace in workspaces
            if (register := self.profile.registers.get(RegisterKey(workspace, kind, name))) and not register.is_deleted
        ]
        return max(found, key=precedence).value if found else MISSING

    def device_values(self, field: str) -> AttributeValue | object:
        """The field's value on every device that has one, as a list; MISSING if none has."""
        if self._devices is None:
            self._devices = {}
            for key, register in self.profile.registers.items():
                if key.kind is RegisterKind.DEVICE and not register.is_deleted:
                    self._devices.setdefault(key.name.rpartition("/")[2], []).append(register.value)
        return self._devices.get(field, MISSING)

    def identity_values(self, identity_type: str) -> AttributeValue | object:
        """All values of that type as a list; MISSING if there is none."""
        return [each.value for each in self.profile.identities if each.type == identity_type] or MISSING


def blank_view() -> View:
    """A user of whom nothing is known."""
    return View(Profile(AccountId(0), Environment.PRODUCTION, Mpid(0)))
