"""What a definition can speak of, learned from a sample of the account's users: names, and values to choose from."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from audience_core.domain.account import Record
from audience_core.domain.control_stores import WorkspaceStore
from audience_core.domain.definition import WORKSPACE_KINDS, EventKind
from audience_core.domain.event import Event
from audience_core.domain.identities import HIERARCHY
from audience_core.domain.ids import AccountId, InputId, Mpid, WorkspaceId
from audience_core.domain.profile import Profile, Register, RegisterKey, RegisterKind
from audience_core.domain.stores import ProfileStore
from audience_core.errors import InvalidInputError
from audience_core.evaluation.scope import Scope
from audience_core.evaluation.values import instant_of, micros_of, text_of, truth_of
from audience_core.management import sampling

MAX_VALUES = 20
MAX_NAMES = 500
# Longer texts are somebody's own words; nobody chooses them from a list.
MAX_VALUE_LENGTH = 100
# A value that one user alone has may be who that user is.
MIN_USERS = 2
# Different values of one attribute that are counted; those that appear later are not.
_MAX_COUNTED = 1000


class DataType(StrEnum):
    """As what the values of an attribute are best read."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    LIST = "list"


class AttributeSuggestion(Record):
    """Args:
    values: those that several users share, the most frequent first.
    """

    name: str
    type: DataType
    values: tuple[str, ...]


class EventSuggestion(Record):
    """Args:
    name: empty for kinds of events without names.
    users: how many of the users looked at have such an event.
    attributes, products: what is known of the events themselves, and of their products.
    """

    kind: EventKind
    name: str
    users: int
    attributes: tuple[AttributeSuggestion, ...]
    products: tuple[AttributeSuggestion, ...]


class ConsentSuggestion(Record):
    regulation: str
    purpose: str


class Suggestions(Record):
    """Args:
    sampled: how many users were looked at.
    user_attributes: in the workspaces asked for; `account_attributes`: in any workspace.
    identity_types: all there are, those that users have first.
    """

    sampled: int
    events: tuple[EventSuggestion, ...]
    user_attributes: tuple[AttributeSuggestion, ...]
    account_attributes: tuple[AttributeSuggestion, ...]
    device_fields: tuple[AttributeSuggestion, ...]
    location_fields: tuple[AttributeSuggestion, ...]
    identity_types: tuple[str, ...]
    consents: tuple[ConsentSuggestion, ...]


def suggest(
    workspaces: WorkspaceStore,
    profiles: ProfileStore,
    account_id: AccountId,
    chosen: Iterable[WorkspaceId],
    inputs: Iterable[InputId],
) -> Suggestions:
    """What users of the workspaces have, and what their events of the inputs hold; without any, those of all.

    Raises:
        InvalidInputError: a workspace or input is not there.
    """
    census = _Census(_scope(workspaces, account_id, frozenset(chosen), frozenset(inputs)))
    sample = sampling.read(profiles, account_id, census.visit)
    return census.found(sample.read)


def _scope(
    store: WorkspaceStore, account_id: AccountId, chosen: frozenset[WorkspaceId], inputs: frozenset[InputId]
) -> Scope:
    known = {each.workspace_id for each in store.list(account_id)}
    known_inputs = {each.input_id for each in store.list_inputs(account_id)}
    if chosen - known:
        raise InvalidInputError("whose data?", (("/query/workspace", "there is no such workspace"),))
    if inputs - known_inputs:
        raise InvalidInputError("whose data?", (("/query/input", "there is no such input"),))
    return Scope(chosen or frozenset(known), inputs or frozenset(known_inputs))


@dataclass(slots=True)
class _Tally:
    """Whose values of one attribute were met, and how they read."""

    users: defaultdict[str, set[Mpid]] = field(default_factory=lambda: defaultdict(set))
    types: Counter[DataType] = field(default_factory=Counter)

    def add(self, value: Any, user: Mpid) -> None:
        self.types[_type_of(value)] += 1
        for each in value if isinstance(value, list) else (value,):
            text = text_of(each) or ""
            if 0 < len(text) <= MAX_VALUE_LENGTH and (text in self.users or len(self.users) < _MAX_COUNTED):
                self.users[text].add(user)

    def suggestion(self, name: str) -> AttributeSuggestion:
        shared = {text: len(users) for text, users in self.users.items() if len(users) >= MIN_USERS}
        values = sorted(shared, key=lambda text: (-shared[text], text))[:MAX_VALUES]
        kind = self.types.most_common(1)[0][0] if self.types else DataType.STRING
        return AttributeSuggestion(name=name, type=kind, values=tuple(values))


type _Tallies = defaultdict[str, _Tally]


def _tallies() -> _Tallies:
    return defaultdict(_Tally)


class _Census:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._users: Counter[tuple[EventKind, str]] = Counter()
        self._events: defaultdict[tuple[EventKind, str], _Tallies] = defaultdict(_tallies)
        self._products: defaultdict[tuple[EventKind, str], _Tallies] = defaultdict(_tallies)
        self._own, self._account, self._device, self._location = _tallies(), _tallies(), _tallies(), _tallies()
        self._identities: Counter[str] = Counter()
        self._consents: set[tuple[str, str]] = set()

    def visit(self, profile: Profile) -> None:
        self._identities.update({identity.type for identity in profile.identities})
        for key, register in profile.registers.items():
            if not register.is_deleted:
                self._register(key, register, profile.mpid)
        for track, events in profile.timeline.items():
            seen = [event for event in events if self._is_in_scope(event)]
            self._users[track] += bool(seen)
            for event in seen:
                _add(self._events[track], event.attributes, profile.mpid)
                for product in event.products:
                    _add(self._products[track], product, profile.mpid)

    def _is_in_scope(self, event: Event) -> bool:
        if event.kind in WORKSPACE_KINDS:
            return event.workspace_id in self._scope.workspaces
        return event.input_id in self._scope.inputs

    def _register(self, key: RegisterKey, register: Register, user: Mpid) -> None:
        is_own = key.workspace_id in self._scope.workspaces
        match key.kind:
            case RegisterKind.ATTRIBUTE:
                self._account[key.name].add(register.value, user)
                if is_own:
                    self._own[key.name].add(register.value, user)
            case RegisterKind.DEVICE:
                self._device[key.name.rpartition("/")[2]].add(register.value, user)
            case RegisterKind.LOCATION if is_own and isinstance(register.value, dict):
                _add(self._location, register.value, user)
            case RegisterKind.CONSENT if is_own:
                regulation, _, purpose = key.name.partition("/")
                self._consents.add((regulation, purpose))
            case _:
                return

    def found(self, sampled: int) -> Suggestions:
        tracks = [track for track, users in self._users.most_common(MAX_NAMES) if users]
        had = [kind for kind, _ in self._identities.most_common()]
        return Suggestions(
            sampled=sampled,
            events=tuple(self._event(track) for track in tracks),
            user_attributes=_suggestions(self._own),
            account_attributes=_suggestions(self._account),
            device_fields=_suggestions(self._device),
            location_fields=_suggestions(self._location),
            identity_types=tuple(dict.fromkeys([*had, *HIERARCHY])),
            consents=tuple(
                ConsentSuggestion(regulation=regulation, purpose=purpose)
                for regulation, purpose in sorted(self._consents)
            ),
        )

    def _event(self, track: tuple[EventKind, str]) -> EventSuggestion:
        kind, name = track
        return EventSuggestion(
            kind=kind,
            name=name,
            users=self._users[track],
            attributes=_suggestions(self._events[track]),
            products=_suggestions(self._products[track]),
        )


def _add(tallies: _Tallies, values: Mapping[str, Any], user: Mpid) -> None:
    for name, value in values.items():
        tallies[name].add(value, user)


def _suggestions(tallies: _Tallies) -> tuple[AttributeSuggestion, ...]:
    return tuple(tallies[name].suggestion(name) for name in sorted(tallies)[:MAX_NAMES])


def _type_of(value: Any) -> DataType:
    if isinstance(value, list):
        return DataType.LIST
    if truth_of(value) is not None:
        return DataType.BOOLEAN
    if micros_of(value) is not None:
        return DataType.NUMBER
    # Numbers can stand for instants, too; only a text that is written as one is taken for it.
    if isinstance(value, str) and instant_of(value) is not None:
        return DataType.DATE
    return DataType.STRING
