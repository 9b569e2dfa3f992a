"""An account whose audience is split and connected, while others do the same."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.ids import OutputId
from audience_core.domain.output import Connection, ConnectionStatus
from audience_core.management import ab_tests, connections
from audience_core.management.ab_tests import NewAbTest
from audience_core.management.connections import NewConnection
from audience_core.persistence.memory.control import MemoryAudienceStore, MemoryOutputStore, MemoryWorkflows
from tests.support.control import ACCOUNT, AUDIENCE, NOW, OUTPUT, an_audience, an_output

LATER = NOW + timedelta(hours=1)
OTHER_OUTPUT = OutputId("o-000000000002")


class World:
    """An account with one active audience and two outputs.

    `before(n, act)` has somebody else act before the n-th call of a store from now on, in the middle of anything.
    """

    def __init__(self) -> None:
        self.audiences, self.outputs, self.workflows = MemoryAudienceStore(), MemoryOutputStore(), MemoryWorkflows()
        self.audiences.publish(an_audience(audience_id=self.audiences.next_id(ACCOUNT), status=AudienceStatus.ACTIVE))
        for output_id in (OUTPUT, OTHER_OUTPUT):
            self.outputs.save(an_output(output_id=output_id))
        self._left = -1
        self._act: Callable[[], object] = lambda: None

    def before(self, calls: int, act: Callable[[], object]) -> None:
        self._left, self._act = calls, act

    def count_down(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._act()

    @property
    def audience(self) -> Audience:
        return self.audiences.get(ACCOUNT, AUDIENCE)

    def split(self, *percentages: int, **given: Any) -> Audience:
        new = a_new_test(*percentages)
        return ab_tests.create(given.get("store", self.audiences), ACCOUNT, AUDIENCE, new, NOW)

    def connect(self, variant: str | None = None, output_id: OutputId = OUTPUT) -> Connection:
        outputs, audiences = self._watched()
        new = NewConnection(output_id=output_id, variant=variant)
        return connections.create(outputs, audiences, self.workflows, ACCOUNT, AUDIENCE, new, NOW)

    def end(self, version: int | None = None) -> None:
        outputs, audiences = self._watched()
        ab_tests.delete(audiences, outputs, self.workflows, ACCOUNT, AUDIENCE, version, LATER)

    def _watched(self) -> tuple[Any, Any]:
        return Watched(self.outputs, self), Watched(self.audiences, self)

    def statuses(self) -> dict[str, ConnectionStatus]:
        found = self.outputs.list_connections(ACCOUNT)
        return {each.variant.name if each.variant else "all": each.status for each in found}


class Watched:
    """A store each of whose calls is counted."""

    def __init__(self, store: Any, world: World) -> None:
        self._store, self._world = store, world

    def __getattr__(self, name: str) -> Any:
        self._world.count_down()
        return getattr(self._store, name)


def a_new_test(*percentages: int) -> NewAbTest:
    return NewAbTest.model_validate({"variations": [{"percentage": each} for each in percentages]})


def named(**variations: int) -> NewAbTest:
    return NewAbTest.model_validate({"variations": [{"name": n, "percentage": p} for n, p in variations.items()]})
