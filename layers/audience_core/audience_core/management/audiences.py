"""Audiences: drafting, editing, activating and deleting them. What is active is published to the data path."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Annotated

from pydantic import ConfigDict, Field

from audience_core.domain.ab_test import Measurement
from audience_core.domain.account import MAX_NAME_LENGTH, Record, ResourceName
from audience_core.domain.audience import Audience, AudienceKind, AudienceStatus, Tags
from audience_core.domain.control_stores import (
    AccountStore,
    AudienceStore,
    Change,
    OutputStore,
    Workflows,
    WorkspaceStore,
)
from audience_core.domain.definition import Definition
from audience_core.domain.ids import AccountId, AudienceId, InputId, WorkspaceId
from audience_core.domain.lifetime import DateRange, Recalculation
from audience_core.errors import ConflictError, InvalidInputError
from audience_core.management import definitions, edits, lifetime
from audience_core.management.problems import Problem
from audience_core.management.versions import require_version

ExternalName = Annotated[str, Field(max_length=100)]
Workspaces = Annotated[tuple[WorkspaceId, ...], Field(min_length=1, max_length=50)]
Inputs = Annotated[tuple[InputId, ...], Field(min_length=1, max_length=500)]


class NewAudience(Record):
    """Args:
    kind: a real-time audience is kept current; a lifetime one is calculated over a date range when somebody asks.
    date_range: of a lifetime audience, by default all days of which there are data.
    recalculation: of a lifetime audience: when it is calculated anew by itself, by default never.
    activate: start populating it at once; otherwise it is a draft. Lifetime audiences are drafts.
    """

    model_config = ConfigDict(extra="forbid")

    name: ResourceName
    external_name: ExternalName = ""
    kind: AudienceKind = AudienceKind.REAL_TIME
    workspaces: Workspaces
    inputs: Inputs
    definition: Definition
    date_range: DateRange | None = None
    recalculation: Recalculation | None = None
    tags: Tags = ()
    activate: bool = False


class AudienceEdit(Record):
    """What to change; a field that is missing or null stays as it is."""

    model_config = ConfigDict(extra="forbid")

    name: ResourceName | None = None
    external_name: ExternalName | None = None
    workspaces: Workspaces | None = None
    inputs: Inputs | None = None
    definition: Definition | None = None
    date_range: DateRange | None = None
    recalculation: Recalculation | None = None
    tags: Tags | None = None


class Cloning(Record):
    """How to call the clone; by default "Copy of " and the name of what is cloned."""

    model_config = ConfigDict(extra="forbid")

    name: ResourceName | None = None


class Restoration(Record):
    """Args:
    version: number of the definition version to go back to.
    """

    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=1)]


# What decides who is a member.
_MEANING = frozenset(edits.Meaning.model_fields)


def create(
    accounts: AccountStore,
    store: AudienceStore,
    workspaces: WorkspaceStore,
    workflows: Workflows,
    account_id: AccountId,
    new: NewAudience,
    created_by: str,
    now: datetime,
) -> Audience:
    """A draft, or an active audience.

    Raises:
        InvalidInputError: its inputs, definition or date range cannot be used.
        ForbiddenError: it is a lifetime audience, and the account may have none.
    """
    given = {"date_range": new.date_range, "recalculation": new.recalculation}
    lifetime.require_creatable(accounts.get(account_id), new.kind, given, is_active=new.activate)
    require_sound(store, workspaces, account_id, new, None)
    audience = Audience(
        account_id=account_id,
        audience_id=store.next_id(account_id),
        name=new.name,
        external_name=new.external_name,
        kind=new.kind,
        date_range=(new.date_range or DateRange()) if new.kind is AudienceKind.LIFETIME else None,
        recalculation=new.recalculation,
        status=AudienceStatus.ACTIVE if new.activate else AudienceStatus.DRAFT,
        workspaces=new.workspaces,
        inputs=new.inputs,
        definition=new.definition,
        tags=store.spell(account_id, new.tags),
        created_by=created_by,
        created_at=now,
        updated_at=now,
        activated_at=now if new.activate else None,
    )
    if not new.activate:
        return store.save(audience)
    return _publish(store, workspaces, workflows, audience, _cap(accounts, account_id))


def clone(
    store: AudienceStore,
    account_id: AccountId,
    audience_id: AudienceId,
    cloning: Cloning,
    created_by: str,
    now: datetime,
) -> Audience:
    """A draft with the definition, workspaces, inputs and tags of another audience, and no A/B test.

    It has no external name, since partners would take two audiences of one external name for the same.
    """
    original = store.get(account_id, audience_id)
    changes = {
        "audience_id": store.next_id(account_id),
        "name": cloning.name or f"Copy of {original.name}"[:MAX_NAME_LENGTH],
        "external_name": "",
        "status": AudienceStatus.DRAFT,
        "created_by": created_by,
        "created_at": now,
        "updated_at": now,
        "activated_at": None,
        "program_version": 0,
        "version": 0,
        "definition_version": 1,
        "member_set": AudienceId(0),
        "live_from": 0,
        "former_sets": (),
        "staged": None,
        "ab_test": None,
        "calculation_id": "",
        "result": None,
        "recalculation_problem": "",
    }
    return store.save(original.model_copy(update=changes))


def edit(
    store: AudienceStore,
    workspaces: WorkspaceStore,
    workflows: Workflows,
    account_id: AccountId,
    audience_id: AudienceId,
    version: int | None,
    change: AudienceEdit,
    now: datetime,
) -> Audience:
    """Save the change. For an active audience, a new meaning is staged: it takes over when it has its members."""
    audience = store.get(account_id, audience_id)
    require_version(audience, version)
    changes = {name: value for name, value in change if value is not None}
    lifetime.require_editable(audience, changes)
    if change.tags is not None:
        changes["tags"] = store.spell(account_id, change.tags)
    others = {name: value for name, value in changes.items() if name not in _MEANING}
    described = audience.model_copy(update={**others, "updated_at": now})
    before = edits.intended(store, audience)
    wanted = before.model_copy(update={**changes, "updated_at": now})
    if edits.meaning_of(wanted) == edits.meaning_of(before):
        return store.save(described)
    if audience.status is not AudienceStatus.ACTIVE:
        require_sound(store, workspaces, account_id, wanted, audience_id)
        return store.save(wanted)
    check = partial(_require_usable, store, workspaces, wanted)
    staged = edits.stage(store, described, edits.meaning_of(wanted), now, check)
    _fill(store, workflows, account_id)
    return staged


def restore(
    store: AudienceStore,
    workspaces: WorkspaceStore,
    workflows: Workflows,
    account_id: AccountId,
    audience_id: AudienceId,
    version: int | None,
    number: int,
    now: datetime,
) -> Audience:
    """Edit it to mean what a former version of its definition meant."""
    found = store.get_version(account_id, audience_id, number)
    change = AudienceEdit(**dict(edits.meaning_of(found)))
    return edit(store, workspaces, workflows, account_id, audience_id, version, change, now)


def activate(
    accounts: AccountStore,
    store: AudienceStore,
    workspaces: WorkspaceStore,
    workflows: Workflows,
    account_id: AccountId,
    audience_id: AudienceId,
    version: int | None,
    now: datetime,
) -> Audience:
    """Start populating it; for one that is active already, make sure that its backfill was started."""
    audience = store.get(account_id, audience_id)
    require_version(audience, version)
    lifetime.refuse(audience, "activated")
    if audience.status is AudienceStatus.ACTIVE:
        _fill(store, workflows, account_id)
        return audience
    changes = {"status": AudienceStatus.ACTIVE, "activated_at": now, "updated_at": now}
    activated = audience.model_copy(update=changes)
    return _publish(store, workspaces, workflows, activated, _cap(accounts, account_id))


def deactivate(
    store: AudienceStore,
    workflows: Workflows,
    account_id: AccountId,
    audience_id: AudienceId,
    version: int | None,
    now: datetime,
) -> Audience:
    """Make it a draft that has no members; for one that is a draft already, nothing."""
    audience = store.get(account_id, audience_id)
    require_version(audience, version)
    lifetime.refuse(audience, "deactivated")
    if audience.status is AudienceStatus.DRAFT:
        return audience
    changes = {"status": AudienceStatus.DRAFT, "activated_at": None, "updated_at": now}
    check = partial(_refuse_if_nested, store, audience, only_active=True)
    saved = edits.deactivate(store, audience.model_copy(update=changes), check)
    _fill(store, workflows, account_id)
    return saved


def delete(
    store: AudienceStore,
    outputs: OutputStore,
    workflows: Workflows,
    account_id: AccountId,
    audience_id: AudienceId,
    version: int | None = None,
    end_sharing: Callable[[], None] = lambda: None,
) -> None:
    """Delete it, and end its sharing with others.

    Args:
        end_sharing: ends all arrangements about it, called when nothing is known to stand in the way, and once it is
            gone: whoever was offered it in between loses it, too.

    Raises:
        ConflictError: other audiences nest it, outputs are connected to it, or it is being calculated.
    """
    audience = store.get(account_id, audience_id)
    require_version(audience, version)
    if audience.status is AudienceStatus.CALCULATING:
        raise ConflictError(f"the audience is being calculated: cancel {audience.calculation_id} first")
    connections = outputs.list_connections(account_id, audience_id)
    if connections:
        names = ", ".join(connection.connection_id for connection in connections)
        raise ConflictError(f"the audience is connected to outputs: delete {names} first")
    check = partial(_refuse_if_nested, store, audience, only_active=False)
    check()
    end_sharing()
    store.delete(audience, check)
    end_sharing()
    if audience.status is AudienceStatus.ACTIVE:
        _fill(store, workflows, account_id)


def _publish(
    store: AudienceStore, workspaces: WorkspaceStore, workflows: Workflows, audience: Audience, active_cap: int
) -> Audience:
    def change(program_version: int) -> Change:
        _require_usable(store, workspaces, audience)
        return [audience.model_copy(update={"program_version": program_version})], ()

    (published,) = store.advance(audience.account_id, change, active_cap)
    _fill(store, workflows, published.account_id)
    return published


def _fill(store: AudienceStore, workflows: Workflows, account_id: AccountId) -> None:
    """Have all profiles evaluated with what was published last; one backfill is enough for everything before it."""
    workflows.start_backfill(account_id, store.program(account_id).published)


def _cap(accounts: AccountStore, account_id: AccountId) -> int:
    return accounts.get(account_id).active_audience_cap


def require_sound(
    store: AudienceStore,
    workspaces: WorkspaceStore,
    account_id: AccountId,
    audience: Audience | NewAudience,
    audience_id: AudienceId | None,
) -> None:
    """Raise `InvalidInputError` when its workspaces, inputs or definition cannot be used.

    Args:
        audience_id: None for one that is not stored yet.
    """
    problems = tuple(source_problems(workspaces, account_id, audience))
    if problems:
        raise InvalidInputError("the audience cannot be drawn from these workspaces and inputs", problems)
    definitions.require_sound(audience.definition, edits.all_intended(store, account_id), audience_id)


def source_problems(
    workspaces: WorkspaceStore, account_id: AccountId, reader: Audience | NewAudience | Measurement
) -> Iterator[Problem]:
    """Workspaces and inputs that it cannot read."""
    known = {workspace.workspace_id for workspace in workspaces.list(account_id)}
    homes = {each.input_id: each.workspace_id for each in workspaces.list_inputs(account_id)}
    for place, workspace_id in enumerate(reader.workspaces):
        if workspace_id not in known:
            yield f"/workspaces/{place}", f"there is no workspace {workspace_id}"
    for place, input_id in enumerate(reader.inputs):
        if homes.get(input_id) not in reader.workspaces:
            yield f"/inputs/{place}", f"there is no input {input_id} in the audience's workspaces"


def _require_usable(store: AudienceStore, workspaces: WorkspaceStore, audience: Audience) -> None:
    """Raise when it cannot be active beside those that are, as they are and as they will be."""
    require_sound(store, workspaces, audience.account_id, audience, audience.audience_id)
    require_active_parts(store, audience.account_id, audience.definition)


def require_active_parts(store: AudienceStore, account_id: AccountId, definition: Definition) -> None:
    """Nobody is in a draft, so an active audience must not depend on one."""
    for audience_id in sorted(definitions.nested(definition)):
        part = store.get(account_id, audience_id)
        if part.status is not AudienceStatus.ACTIVE:
            raise ConflictError(f"it depends on {part.name} ({audience_id}), which is a draft: activate that first")


def _refuse_if_nested(store: AudienceStore, audience: Audience, *, only_active: bool) -> None:
    readers = [
        other
        for other in store.list(audience.account_id)
        if audience.audience_id in _nested(store, other) and (other.status is AudienceStatus.ACTIVE or not only_active)
    ]
    if readers:
        names = ", ".join(f"{reader.name} ({reader.audience_id})" for reader in readers)
        raise ConflictError(f"the audience is part of the definition of {names}")


def _nested(store: AudienceStore, audience: Audience) -> frozenset[AudienceId]:
    """The audiences it reads now, and those that it will read."""
    return definitions.nested(audience.definition) | definitions.nested(edits.intended(store, audience).definition)
