"""Audiences of an account in DynamoDB, the version of its set of active ones, and answers to repeated requests."""

import zlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pynamodb.attributes import BinaryAttribute, JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, TransactWriteError
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from audience_core.domain.audience import Audience, AudienceKind, AudienceOutline, AudienceStatus, require_room
from audience_core.domain.definition import Definition
from audience_core.domain.ids import AccountId, AudienceId, InputId, WorkspaceId
from audience_core.domain.stores import Answer
from audience_core.errors import ConflictError, NotFoundError, StaleVersionError
from audience_core.persistence.answers import Answers
from audience_core.persistence.tables import bind, connection
from audience_core.persistence.tags import Spellings
from audience_core.persistence.versions import VersionedItem, conflicts_raised, is_condition_failure, unchanged

_PROGRAM = "PROGRAM"
# All that `_outline` reads.
_OUTLINE = [
    *("sk", "version", "name", "external_name", "kind", "status", "workspaces", "inputs", "tags"),
    *("created_by", "created_at", "updated_at", "activated_at", "program_version"),
]
_NEXT_ID = "NEXT_ID"
_ATTEMPTS = 10


class AudienceItem(VersionedItem):
    name = UnicodeAttribute()
    external_name = UnicodeAttribute()
    kind = UnicodeAttribute(default=AudienceKind.REAL_TIME.value)
    status = UnicodeAttribute()
    workspaces = JSONAttribute()
    inputs = JSONAttribute()
    tags = JSONAttribute(default=list)
    # zlib of the JSON, whose own "version" tells its format.
    definition = BinaryAttribute(legacy_encoding=False)
    created_by = UnicodeAttribute()
    created_at = UnicodeAttribute()
    updated_at = UnicodeAttribute()
    activated_at = UnicodeAttribute(null=True)
    program_version = NumberAttribute()


class CounterItem(Model):
    """The last id; or the program version, with the number of active audiences as of it."""

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    value = NumberAttribute(default=0)
    active = NumberAttribute(default=0)


class DynamoAudienceStore:
    def __init__(self, table_name: str, region: str | None = None) -> None:
        self._items = bind(AudienceItem, table_name, region)
        self._counters = bind(CounterItem, table_name, region)
        self._spellings = Spellings(table_name, region)
        self._answers = Answers(table_name, region)
        self._region = region

    def get(self, account_id: AccountId, audience_id: AudienceId) -> Audience:
        try:
            item = self._items.get(_partition(account_id), _sort_key(audience_id), consistent_read=True)
        except DoesNotExist as error:
            raise NotFoundError(f"there is no audience {audience_id}") from error
        return _audience(account_id, item)

    def list(self, account_id: AccountId) -> tuple[Audience, ...]:
        items = self._items.query(_partition(account_id), AudienceItem.sk.startswith("A#"), consistent_read=True)
        return tuple(_audience(account_id, item) for item in items)

    def outlines(self, account_id: AccountId) -> tuple[AudienceOutline, ...]:
        items = self._items.query(
            _partition(account_id),
            AudienceItem.sk.startswith("A#"),
            consistent_read=True,
            attributes_to_get=_OUTLINE,
        )
        return tuple(AudienceOutline(**_outline(account_id, item)) for item in items)

    def spell(self, account_id: AccountId, tags: Iterable[str]) -> tuple[str, ...]:
        return self._spellings.of(account_id, tags)

    def next_id(self, account_id: AccountId) -> AudienceId:
        counter = self._counters(_partition(account_id), _NEXT_ID)
        counter.update(actions=[CounterItem.value.add(1)])
        return AudienceId(int(counter.value))

    def save(self, audience: Audience) -> Audience:
        saved = audience.model_copy(update={"version": audience.version + 1})
        with conflicts_raised():
            self._item(saved).save(condition=unchanged(audience.version))
        return saved

    def publish(self, audience: Audience, active_cap: int | None = None) -> Audience:
        added = int(audience.status is AudienceStatus.ACTIVE) - int(self._was_active(audience))
        for _ in range(_ATTEMPTS):
            program = self._program(audience.account_id)
            before = int(program.value)
            require_room(int(program.active), active_cap if added > 0 else None)
            saved = audience.model_copy(update={"version": audience.version + 1, "program_version": before + 1})
            try:
                with self._transaction() as transaction:
                    transaction.save(self._item(saved), condition=unchanged(audience.version))
                    transaction.update(
                        program,
                        actions=[CounterItem.value.set(before + 1), CounterItem.active.add(added)],
                        condition=CounterItem.value == before if before else CounterItem.pk.does_not_exist(),
                    )
                return saved
            except TransactWriteError as error:
                self._raise_unless_overtaken(audience, error)
        raise ConflictError("too many audiences of the account are being published at once: try again")

    def delete(self, audience: Audience) -> None:
        item = self._items(_partition(audience.account_id), _sort_key(audience.audience_id))
        with conflicts_raised():
            if audience.status is not AudienceStatus.ACTIVE:
                item.delete(condition=unchanged(audience.version))
                return
            with self._transaction() as transaction:
                transaction.delete(item, condition=unchanged(audience.version))
                transaction.update(
                    self._counters(_partition(audience.account_id), _PROGRAM),
                    actions=[CounterItem.value.add(1), CounterItem.active.add(-1)],
                )

    def program_version(self, account_id: AccountId) -> int:
        return int(self._program(account_id).value)

    def claim_answer(self, account_id: AccountId, key: str, fingerprint: str, now: datetime) -> Answer | None:
        return self._answers.claim(account_id, key, fingerprint, now)

    def save_answer(self, account_id: AccountId, key: str, answer: Answer, now: datetime) -> None:
        self._answers.save(account_id, key, answer, now)

    def release_answer(self, account_id: AccountId, key: str) -> None:
        self._answers.release(account_id, key)

    def _program(self, account_id: AccountId) -> CounterItem:
        """Strongly consistent; zeros for an account that never published an audience."""
        try:
            return self._counters.get(_partition(account_id), _PROGRAM, consistent_read=True)
        except DoesNotExist:
            return self._counters(_partition(account_id), _PROGRAM)

    def _was_active(self, audience: Audience) -> bool:
        """Whether the stored audience is active; should it have another version than this, nothing will be written."""
        stored = self._items.query(
            _partition(audience.account_id),
            AudienceItem.sk == _sort_key(audience.audience_id),
            consistent_read=True,
            attributes_to_get=["status"],
        )
        return any(item.status == AudienceStatus.ACTIVE for item in stored)

    def _raise_unless_overtaken(self, audience: Audience, error: TransactWriteError) -> None:
        """Another audience of the account published in between is no conflict, only a newer program version."""
        if not is_condition_failure(error):
            raise error
        stored = self._items.query(
            _partition(audience.account_id), AudienceItem.sk == _sort_key(audience.audience_id), consistent_read=True
        )
        if next((int(item.version) for item in stored), 0) != audience.version:
            raise StaleVersionError("somebody else changed it in between: load it again") from error

    def _item(self, audience: Audience) -> AudienceItem:
        return self._items(
            _partition(audience.account_id),
            _sort_key(audience.audience_id),
            version=audience.version,
            name=audience.name,
            external_name=audience.external_name,
            kind=audience.kind.value,
            status=audience.status.value,
            workspaces=list(audience.workspaces),
            inputs=list(audience.inputs),
            tags=list(audience.tags),
            definition=zlib.compress(audience.definition.model_dump_json().encode()),
            created_by=audience.created_by,
            created_at=audience.created_at.isoformat(),
            updated_at=audience.updated_at.isoformat(),
            activated_at=None if audience.activated_at is None else audience.activated_at.isoformat(),
            program_version=audience.program_version,
        )

    def _transaction(self) -> TransactWrite:
        return TransactWrite(connection=connection(self._region))


def _partition(account_id: AccountId) -> str:
    return f"{account_id}#audiences"


def _sort_key(audience_id: AudienceId) -> str:
    return f"A#{audience_id:010d}"


def _audience(account_id: AccountId, item: AudienceItem) -> Audience:
    definition = Definition.model_validate_json(zlib.decompress(item.definition))
    return Audience(**_outline(account_id, item), definition=definition)


def _outline(account_id: AccountId, item: AudienceItem) -> dict[str, Any]:
    """All fields but the definition."""
    return {
        "account_id": account_id,
        "audience_id": AudienceId(int(item.sk.removeprefix("A#"))),
        "name": item.name,
        "external_name": item.external_name,
        "kind": AudienceKind(item.kind),
        "status": AudienceStatus(item.status),
        "workspaces": tuple(WorkspaceId(each) for each in item.workspaces),
        "inputs": tuple(InputId(each) for each in item.inputs),
        "tags": tuple(item.tags),
        "created_by": item.created_by,
        "created_at": datetime.fromisoformat(item.created_at),
        "updated_at": datetime.fromisoformat(item.updated_at),
        "activated_at": None if item.activated_at is None else datetime.fromisoformat(item.activated_at),
        "program_version": int(item.program_version),
        "version": int(item.version),
    }
