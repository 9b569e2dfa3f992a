"""Audiences of an account in DynamoDB, the version of its set of active ones, and answers to repeated requests."""

import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from pynamodb.attributes import BinaryAttribute, JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from audience_core.domain.audience import (
    Audience,
    AudienceStatus,
    DefinitionVersion,
    FormerSet,
    ProgramMark,
    Staged,
)
from audience_core.domain.definition import Definition
from audience_core.domain.ids import AccountId, AudienceId, InputId, WorkspaceId
from audience_core.domain.stores import Answer
from audience_core.errors import ConflictError, NotFoundError, StaleVersionError
from audience_core.persistence.answers import Answers
from audience_core.persistence.tables import bind, connection
from audience_core.persistence.versions import VersionedItem, conflicts_raised, is_condition_failure, unchanged

_PROGRAM = "PROGRAM"
_NEXT_ID = "NEXT_ID"
_ATTEMPTS = 10
_NUMBER_DIGITS = 8


class AudienceItem(VersionedItem):
    name = UnicodeAttribute()
    external_name = UnicodeAttribute()
    status = UnicodeAttribute()
    workspaces = JSONAttribute()
    inputs = JSONAttribute()
    # zlib of the JSON, whose own "version" tells its format.
    definition = BinaryAttribute(legacy_encoding=False)
    created_by = UnicodeAttribute()
    created_at = UnicodeAttribute()
    updated_at = UnicodeAttribute()
    activated_at = UnicodeAttribute(null=True)
    program_version = NumberAttribute()
    definition_version = NumberAttribute(default=1)
    member_set = NumberAttribute(default=0)
    live_from = NumberAttribute(default=0)
    former_sets = JSONAttribute(default=list)
    staged = JSONAttribute(null=True)


class DefinitionVersionItem(Model):
    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    workspaces = JSONAttribute()
    inputs = JSONAttribute()
    definition = BinaryAttribute(legacy_encoding=False)
    created_at = UnicodeAttribute()


class CounterItem(Model):
    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    value = NumberAttribute()
    # Of the program's item alone.
    published = NumberAttribute(null=True)


class DynamoAudienceStore:
    def __init__(self, table_name: str, region: str | None = None) -> None:
        self._items = bind(AudienceItem, table_name, region)
        self._versions = bind(DefinitionVersionItem, table_name, region)
        self._counters = bind(CounterItem, table_name, region)
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

    def next_id(self, account_id: AccountId) -> AudienceId:
        counter = self._counters(_partition(account_id), _NEXT_ID)
        counter.update(actions=[CounterItem.value.add(1)])
        return AudienceId(int(counter.value))

    def save(self, audience: Audience) -> Audience:
        saved = audience.model_copy(update={"version": audience.version + 1})
        with conflicts_raised():
            self._item(saved).save(condition=unchanged(audience.version))
        return saved

    def publish(self, audience: Audience) -> Audience:
        (published,) = self.advance(
            audience.account_id, lambda version: [audience.model_copy(update={"program_version": version})]
        )
        return published

    def advance(
        self,
        account_id: AccountId,
        change: Callable[[int], Sequence[Audience]],
        versions: Sequence[DefinitionVersion] = (),
    ) -> tuple[Audience, ...]:
        for _ in range(_ATTEMPTS):
            before = self.program(account_id)
            next_version = before.version + 1
            changed = change(next_version)
            try:
                return self._write(before, ProgramMark(version=next_version, published=next_version), changed, versions)
            except TransactWriteError as error:
                self._raise_unless_overtaken(changed, error)
        raise ConflictError("too many audiences of the account are being published at once: try again")

    def take_over(self, mark: ProgramMark, audiences: Sequence[Audience]) -> tuple[Audience, ...]:
        with conflicts_raised():
            return self._write(mark, mark.model_copy(update={"version": mark.version + 1}), audiences)

    def _write(
        self,
        before: ProgramMark,
        after: ProgramMark,
        audiences: Sequence[Audience],
        versions: Sequence[DefinitionVersion] = (),
    ) -> tuple[Audience, ...]:
        saved = tuple(each.model_copy(update={"version": each.version + 1}) for each in audiences)
        with self._transaction() as transaction:
            for audience in saved:
                transaction.save(self._item(audience), condition=unchanged(audience.version - 1))
            for version in versions:
                transaction.save(self._version_item(version))
            transaction.update(
                self._counters(_partition(audiences[0].account_id), _PROGRAM),
                actions=[CounterItem.value.set(after.version), CounterItem.published.set(after.published)],
                condition=_stands_at(before),
            )
        return saved

    def delete(self, audience: Audience) -> None:
        item = self._items(_partition(audience.account_id), _sort_key(audience.audience_id))
        if audience.status is AudienceStatus.ACTIVE:
            self._delete_active(audience, item)
        else:
            with conflicts_raised():
                item.delete(condition=unchanged(audience.version))
        with self._versions.batch_write() as batch:
            for version in self._version_items(audience.account_id, audience.audience_id):
                batch.delete(version)

    def _delete_active(self, audience: Audience, item: AudienceItem) -> None:
        for _ in range(_ATTEMPTS):
            before = self.program(audience.account_id)
            try:
                with self._transaction() as transaction:
                    transaction.delete(item, condition=unchanged(audience.version))
                    transaction.update(
                        self._counters(_partition(audience.account_id), _PROGRAM),
                        actions=[
                            CounterItem.value.set(before.version + 1),
                            CounterItem.published.set(before.version + 1),
                        ],
                        condition=_stands_at(before),
                    )
                return
            except TransactWriteError as error:
                self._raise_unless_overtaken([audience], error)
        raise ConflictError("too many audiences of the account are being published at once: try again")

    def get_version(self, account_id: AccountId, audience_id: AudienceId, number: int) -> DefinitionVersion:
        try:
            item = self._versions.get(_partition(account_id), _version_key(audience_id, number), consistent_read=True)
        except DoesNotExist as error:
            raise NotFoundError(f"audience {audience_id} has no version {number}") from error
        return _version(account_id, audience_id, item)

    def list_versions(self, account_id: AccountId, audience_id: AudienceId) -> tuple[DefinitionVersion, ...]:
        items = self._version_items(account_id, audience_id)
        return tuple(_version(account_id, audience_id, item) for item in items)

    def program(self, account_id: AccountId) -> ProgramMark:
        try:
            item = self._counters.get(_partition(account_id), _PROGRAM, consistent_read=True)
        except DoesNotExist:
            return ProgramMark()
        return ProgramMark(version=int(item.value), published=int(item.published or item.value))

    def program_version(self, account_id: AccountId) -> int:
        return self.program(account_id).version

    def claim_answer(self, account_id: AccountId, key: str, fingerprint: str, now: datetime) -> Answer | None:
        return self._answers.claim(account_id, key, fingerprint, now)

    def save_answer(self, account_id: AccountId, key: str, answer: Answer, now: datetime) -> None:
        self._answers.save(account_id, key, answer, now)

    def release_answer(self, account_id: AccountId, key: str) -> None:
        self._answers.release(account_id, key)

    def _raise_unless_overtaken(self, audiences: Sequence[Audience], error: TransactWriteError) -> None:
        """Another audience of the account published in between is no conflict, only a newer program version."""
        if not is_condition_failure(error):
            raise error
        for audience in audiences:
            stored = self._items.query(
                _partition(audience.account_id),
                AudienceItem.sk == _sort_key(audience.audience_id),
                consistent_read=True,
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
            status=audience.status.value,
            workspaces=list(audience.workspaces),
            inputs=list(audience.inputs),
            definition=_packed(audience.definition),
            created_by=audience.created_by,
            created_at=audience.created_at.isoformat(),
            updated_at=audience.updated_at.isoformat(),
            activated_at=None if audience.activated_at is None else audience.activated_at.isoformat(),
            program_version=audience.program_version,
            definition_version=audience.definition_version,
            member_set=audience.member_set,
            live_from=audience.live_from,
            former_sets=[[each.member_set, each.live_from, each.live_until] for each in audience.former_sets],
            staged=None if audience.staged is None else audience.staged.model_dump(),
        )

    def _version_item(self, version: DefinitionVersion) -> DefinitionVersionItem:
        return self._versions(
            _partition(version.account_id),
            _version_key(version.audience_id, version.number),
            workspaces=list(version.workspaces),
            inputs=list(version.inputs),
            definition=_packed(version.definition),
            created_at=version.created_at.isoformat(),
        )

    def _version_items(self, account_id: AccountId, audience_id: AudienceId) -> Iterable[DefinitionVersionItem]:
        prefix = _version_key(audience_id, 0)[:-_NUMBER_DIGITS]
        return self._versions.query(
            _partition(account_id), DefinitionVersionItem.sk.startswith(prefix), consistent_read=True
        )

    def _transaction(self) -> TransactWrite:
        return TransactWrite(connection=connection(self._region))


def _partition(account_id: AccountId) -> str:
    return f"{account_id}#audiences"


def _sort_key(audience_id: AudienceId) -> str:
    return f"A#{audience_id:010d}"


def _audience(account_id: AccountId, item: AudienceItem) -> Audience:
    return Audience(
        account_id=account_id,
        audience_id=AudienceId(int(item.sk.removeprefix("A#"))),
        name=item.name,
        external_name=item.external_name,
        status=AudienceStatus(item.status),
        workspaces=tuple(WorkspaceId(each) for each in item.workspaces),
        inputs=tuple(InputId(each) for each in item.inputs),
        definition=_unpacked(item.definition),
        created_by=item.created_by,
        created_at=datetime.fromisoformat(item.created_at),
        updated_at=datetime.fromisoformat(item.updated_at),
        activated_at=None if item.activated_at is None else datetime.fromisoformat(item.activated_at),
        program_version=int(item.program_version),
        version=int(item.version),
        definition_version=int(item.definition_version),
        member_set=AudienceId(int(item.member_set)),
        live_from=int(item.live_from),
        former_sets=tuple(
            FormerSet(member_set=AudienceId(member_set), live_from=live_from, live_until=live_until)
            for member_set, live_from, live_until in item.former_sets
        ),
        staged=None if item.staged is None else Staged.model_validate(item.staged),
    )


def _version(account_id: AccountId, audience_id: AudienceId, item: DefinitionVersionItem) -> DefinitionVersion:
    return DefinitionVersion(
        account_id=account_id,
        audience_id=audience_id,
        number=int(item.sk.rpartition("#")[2]),
        workspaces=tuple(WorkspaceId(each) for each in item.workspaces),
        inputs=tuple(InputId(each) for each in item.inputs),
        definition=_unpacked(item.definition),
        created_at=datetime.fromisoformat(item.created_at),
    )


def _packed(definition: Definition) -> bytes:
    return zlib.compress(definition.model_dump_json().encode())


def _unpacked(data: bytes) -> Definition:
    return Definition.model_validate_json(zlib.decompress(data))


def _version_key(audience_id: AudienceId, number: int) -> str:
    return f"V#{audience_id:010d}#{number:0{_NUMBER_DIGITS}d}"


def _stands_at(mark: ProgramMark) -> Condition:
    return CounterItem.value == mark.version if mark.version else CounterItem.pk.does_not_exist()
