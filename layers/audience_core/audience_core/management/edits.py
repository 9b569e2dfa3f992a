"""Edits of what an active audience means: a new definition version is staged, and takes over when it is filled."""

from collections.abc import Callable, Iterable
from datetime import datetime

from audience_core.domain.account import Record
from audience_core.domain.audience import Audience, AudienceStatus, DefinitionVersion, FormerSet, Staged
from audience_core.domain.control_stores import AudienceStore, Change
from audience_core.domain.definition import Definition
from audience_core.domain.ids import AccountId, AudienceId, InputId, WorkspaceId
from audience_core.errors import ConflictError
from audience_core.management import definitions

# All that is staged takes over in one transaction, which holds 100 items.
MAX_STAGED = 90
# Profiles are brought up to date by every backfill, so that older sets are in none.
_FORMER_SETS = 50


class Meaning(Record):
    """What decides who is in an audience."""

    workspaces: tuple[WorkspaceId, ...]
    inputs: tuple[InputId, ...]
    definition: Definition


def meaning_of(audience: Audience | DefinitionVersion) -> Meaning:
    return Meaning(workspaces=audience.workspaces, inputs=audience.inputs, definition=audience.definition)


def intended(store: AudienceStore, audience: Audience) -> Audience:
    """The audience as it will be once what is staged for it is live."""
    if audience.staged is None:
        return audience
    version = store.get_version(audience.account_id, audience.audience_id, audience.staged.number)
    return audience.model_copy(update=dict(meaning_of(version)))


def all_intended(store: AudienceStore, account_id: AccountId) -> dict[AudienceId, Audience]:
    return {each.audience_id: intended(store, each) for each in store.list(account_id)}


def stage(
    store: AudienceStore,
    audience: Audience,
    meaning: Meaning,
    now: datetime,
    check: Callable[[], None] = lambda: None,
) -> Audience:
    """Stage a new version of an active audience, and along with it all active audiences that read its membership.

    What was staged for it before is superseded.

    Args:
        audience: with every other change of the edit applied.
        check: raises when the meaning cannot be used; no active audience changes between it and the staging.

    Raises:
        ConflictError: too many audiences are staged at once.
        StaleVersionError: one of the audiences was changed in between.
    """

    def change(program_version: int) -> Change:
        check()
        readers = _readers(store, audience)
        _require_room(store, audience, readers)
        number = _last_number(store, audience) + 1
        numbers = {each.audience_id: each.staged.number if each.staged else each.definition_version for each in readers}
        staged = [
            _with_staged(
                each,
                Staged(
                    number=numbers.get(each.audience_id, number),
                    member_set=store.next_id(audience.account_id),
                    program_version=program_version,
                ),
            )
            for each in (audience, *readers)
        ]
        return staged, [_version(audience, number, meaning, now), *map(live_version, (audience, *readers))]

    return store.advance(audience.account_id, change)[0]


def deactivate(store: AudienceStore, audience: Audience, check: Callable[[], None] = lambda: None) -> Audience:
    """Save it as a draft: its members' set is given up, so that another activation begins with nobody in it.

    Args:
        audience: with every other change applied; `check`: as of `stage`.
    """
    fresh, number = store.next_id(audience.account_id), _last_number(store, audience) + 1

    def change(program_version: int) -> Change:
        check()
        former = FormerSet(member_set=audience.live_set, live_from=audience.live_from, live_until=program_version)
        unstaged = _with_staged(audience, None)
        changes = {
            "program_version": program_version,
            "live_from": program_version,
            "member_set": fresh,
            "definition_version": number,
            "former_sets": (*unstaged.former_sets, former)[-_FORMER_SETS:],
        }
        return [unstaged.model_copy(update=changes)], [live_version(audience)]

    return store.advance(audience.account_id, change)[0]


def live_version(audience: Audience) -> DefinitionVersion:
    return _version(audience, audience.definition_version, meaning_of(audience), audience.updated_at)


def _version(audience: Audience, number: int, meaning: Meaning, now: datetime) -> DefinitionVersion:
    return DefinitionVersion(
        account_id=audience.account_id,
        audience_id=audience.audience_id,
        number=number,
        created_at=now,
        **dict(meaning),
    )


def _with_staged(audience: Audience, staged: Staged | None) -> Audience:
    """A superseded set is remembered as one that never went live, since profiles may be in it yet."""
    given_up = audience.staged
    former = () if given_up is None else (FormerSet(member_set=given_up.member_set, live_from=0, live_until=0),)
    sets = (*audience.former_sets, *former)[-_FORMER_SETS:]
    return audience.model_copy(update={"staged": staged, "former_sets": sets})


def _last_number(store: AudienceStore, audience: Audience) -> int:
    versions = store.list_versions(audience.account_id, audience.audience_id)
    return max([audience.definition_version, *(each.number for each in versions)])


def _readers(store: AudienceStore, audience: Audience) -> list[Audience]:
    """Active audiences whose membership depends on this one's, as they are intended to be."""
    active = [each for each in store.list(audience.account_id) if each.status is AudienceStatus.ACTIVE]
    return [each for each in active if audience.audience_id in definitions.nested(intended(store, each).definition)]


def _require_room(store: AudienceStore, audience: Audience, readers: Iterable[Audience]) -> None:
    staged = {each.audience_id for each in store.list(audience.account_id) if each.staged}
    if len(staged | {audience.audience_id, *(each.audience_id for each in readers)}) > MAX_STAGED:
        raise ConflictError(f"more than {MAX_STAGED} audiences would change at once: wait until some have")
