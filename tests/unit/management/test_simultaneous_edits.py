"""What somebody else does to other audiences, between the checks of a change and its writing."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import pytest

from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.control_stores import Change, Workflows
from audience_core.domain.definition import AudienceMembershipCriterion, Definition
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.errors import ConflictError, InvalidDefinitionError, NotFoundError
from audience_core.management import audiences
from audience_core.management.audiences import AudienceEdit
from audience_core.persistence.memory.control import (
    MemoryAccountStore,
    MemoryAudienceStore,
    MemoryOutputStore,
    MemoryWorkspaceStore,
)
from tests.support.control import ACCOUNT, NOW, a_workspace, an_account, an_audience, an_input

ONE, OTHER = AudienceId(1), AudienceId(2)


class Interrupted(MemoryAudienceStore):
    """Somebody else comes in as soon as a change has been checked, once."""

    meanwhile: Callable[[], Any] | None = None

    def advance(
        self, account_id: AccountId, change: Callable[[int], Change], active_cap: int | None = None
    ) -> tuple[Audience, ...]:
        def checked(version: int) -> Change:
            made = change(version)
            self._come_in()
            return made

        return super().advance(account_id, checked, active_cap)

    def delete(self, audience: Audience, check: Callable[[], None] = lambda: None) -> None:
        def checked() -> None:
            check()
            self._come_in()

        super().delete(audience, checked)

    def _come_in(self) -> None:
        act, self.meanwhile = self.meanwhile, None
        if act:
            act()


class Office:
    """An account with two audiences."""

    def __init__(self) -> None:
        self.accounts, self.audiences = MemoryAccountStore(), Interrupted()
        self.workspaces, self.outputs = MemoryWorkspaceStore(), MemoryOutputStore()
        self.accounts.create(an_account())
        self.workspaces.save(a_workspace())
        self.workspaces.save_input(an_input())

    def start_backfill(self, account_id: AccountId, version: int) -> str:
        return ""

    @property
    def workflows(self) -> Workflows:
        return cast("Workflows", self)

    def add(self, audience_id: AudienceId, status: AudienceStatus) -> None:
        self.audiences.publish(an_audience(audience_id=audience_id, name=f"A{audience_id}", status=status))

    def edit(self, audience_id: AudienceId, reads: AudienceId) -> None:
        of_other = Definition(root=AudienceMembershipCriterion(audience_id=reads))
        stores = self.audiences, self.workspaces, self.workflows
        audiences.edit(*stores, ACCOUNT, audience_id, None, AudienceEdit(definition=of_other), NOW)

    def activate(self, audience_id: AudienceId) -> None:
        stores = self.accounts, self.audiences, self.workspaces, self.workflows
        audiences.activate(*stores, ACCOUNT, audience_id, None, NOW)

    def deactivate(self, audience_id: AudienceId) -> None:
        audiences.deactivate(self.audiences, self.workflows, ACCOUNT, audience_id, None, NOW)

    def delete(self, audience_id: AudienceId) -> None:
        audiences.delete(self.audiences, self.outputs, self.workflows, ACCOUNT, audience_id)


@pytest.fixture
def office() -> Office:
    return Office()


def test_two_audiences_never_come_to_read_each_other(office: Office) -> None:
    for audience_id in (ONE, OTHER):
        office.add(audience_id, AudienceStatus.ACTIVE)
    office.audiences.meanwhile = partial(office.edit, OTHER, ONE)

    with pytest.raises(InvalidDefinitionError):
        office.edit(ONE, OTHER)


def test_what_is_being_deactivated_is_not_read_by_what_is_being_activated(office: Office) -> None:
    office.add(OTHER, AudienceStatus.ACTIVE)
    office.add(ONE, AudienceStatus.DRAFT)
    office.edit(ONE, OTHER)
    office.audiences.meanwhile = partial(office.deactivate, OTHER)

    with pytest.raises(ConflictError, match="is a draft"):
        office.activate(ONE)


def test_what_somebody_just_began_to_read_is_not_deactivated(office: Office) -> None:
    for audience_id in (ONE, OTHER):
        office.add(audience_id, AudienceStatus.ACTIVE)
    office.audiences.meanwhile = partial(office.edit, ONE, OTHER)

    with pytest.raises(ConflictError, match="part of the definition of A1"):
        office.deactivate(OTHER)


def test_what_somebody_just_began_to_read_is_not_deleted(office: Office) -> None:
    for audience_id in (ONE, OTHER):
        office.add(audience_id, AudienceStatus.ACTIVE)
    office.audiences.meanwhile = partial(office.edit, ONE, OTHER)

    with pytest.raises(ConflictError, match="part of the definition of A1"):
        office.delete(OTHER)


def test_what_is_gone_by_now_is_not_read(office: Office) -> None:
    for audience_id in (ONE, OTHER):
        office.add(audience_id, AudienceStatus.ACTIVE)
    office.audiences.meanwhile = partial(office.delete, OTHER)

    with pytest.raises((InvalidDefinitionError, NotFoundError)):
        office.edit(ONE, OTHER)
