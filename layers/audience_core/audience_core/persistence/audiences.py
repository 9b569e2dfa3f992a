"""Audiences of an account in DynamoDB, the version of its set of active ones, and answers to repeated requests."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, TransactWriteError, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from audience_core.domain.audience import (
    Audience,
    AudienceOutline,
    AudienceStatus,
    DefinitionVersion,
    ProgramMark,
    require_room,
)
from audience_core.domain.control_stores import Answer, Change
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.errors import ConflictError, NotFoundError, StaleVersionError
from audience_core.persistence import definition_forms
from audience_core.persistence.answers import Answers
from audience_core.persistence.tables import bind, connection
from audience_core.persistence.tags import Spellings
from audience_core.persistence.versions import VersionedItem, conflicts_raised, is_condition_failure, unchanged

_PROGRAM = "PROGRAM"
_NEXT_ID = "NEXT_ID"
_ATTEMPTS = 10
_NUMBER_DIGITS = 8


type _Marking = Callable[[TransactWrite], None]


class AudienceItem(VersionedItem):
    """Args:
    outline: JSON of an `AudienceOutline`: one attribute, because lists read thousands of them and nothing else.
    definition: zlib of the JSON, whose own "version" tells its format.
    """

    outline = UnicodeAttribute()
    definition = BinaryAttribute(legacy_encoding=False)


class DefinitionVersionItem(Model):
    """Args:
    outline: JSON of a `DefinitionVersion` but for its definition, which is kept as that of an audience.
    """

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    outline = UnicodeAttribute()
    definition = BinaryAttribute(legacy_encoding=False)


class CounterItem(Model):
    """The last id; or the program version, with the last one published and the number of active audiences as of it."""

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    value = NumberAttribute(default=0)
    active = NumberAttribute(default=0)
    published = NumberAttribute(null=True)
    erased_at = NumberAttribute(null=True)


class DynamoAudienceStore:
    def __init__(self, table_name: str, region: str | None = None) -> None:
        self._items = bind(AudienceItem, table_name, region)
        self._versions = bind(DefinitionVersionItem, table_name, region)
        self._counters = bind(CounterItem, table_name, region)
        self._spellings = Spellings(table_name, region)
        self._answers = Answers(table_name, region)
        self._region = region

    def get(self, account_id: AccountId, audience_id: AudienceId) -> Audience:
        try:
            item = self._items.get(_partition(account_id), _sort_key(audience_id), consistent_read=True)
        except DoesNotExist as error:
            raise NotFoundError(f"there is no audience {audience_id}") from error
        return _audience(item)

    def list(self, account_id: AccountId) -> tuple[Audience, ...]:
        items = self._items.query(_partition(account_id), AudienceItem.sk.startswith("A#"), consistent_read=True)
        return tuple(map(_audience, items))

    def outlines(self, account_id: AccountId) -> tuple[AudienceOutline, ...]:
        items = self._items.query(
            _partition(account_id),
            AudienceItem.sk.startswith("A#"),
            consistent_read=True,
            attributes_to_get=["outline"],
        )
        return tuple(AudienceOutline.model_validate_json(item.outline) for item in items)

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

    def save_all(self, audiences: Sequence[Audience]) -> tuple[Audience, ...]:
        with conflicts_raised():
            return self._write(audiences, (), lambda transaction: None)

    def publish(self, audience: Audience, active_cap: int | None = None) -> Audience:
        def change(version: int) -> Change:
            return [audience.model_copy(update={"program_version": version})], ()

        return self.advance(audience.account_id, change, active_cap=active_cap)[0]

    def advance(
        self, account_id: AccountId, change: Callable[[int], Change], active_cap: int | None = None
    ) -> tuple[Audience, ...]:
        for _ in range(_ATTEMPTS):
            program = self._program(account_id)
            after = int(program.value) + 1
            changed, versions = change(after)
            added = sum(_is_active(each) - self._was_active(each) for each in changed)
            require_room(int(program.active), active_cap if added > 0 else None)
            mark = ProgramMark(version=after, published=after)
            try:
                return self._write(changed, versions, self._marked(program, mark, added))
            except TransactWriteError as error:
                self._raise_unless_overtaken(changed, error)
        raise ConflictError("too many audiences of the account are being published at once: try again")

    def take_over(self, mark: ProgramMark, audiences: Sequence[Audience]) -> tuple[Audience, ...]:
        program = self._counters(_partition(audiences[0].account_id), _PROGRAM, value=mark.version)
        after = mark.model_copy(update={"version": mark.version + 1})
        with conflicts_raised():
            return self._write(audiences, (), self._marked(program, after, 0))

    def delete(self, audience: Audience, check: Callable[[], None] = lambda: None) -> None:
        item = self._items(_partition(audience.account_id), _sort_key(audience.audience_id))
        if audience.status is AudienceStatus.ACTIVE:
            self._delete_active(audience, item, check)
        else:
            check()
            with conflicts_raised():
                item.delete(condition=unchanged(audience.version))
        with self._versions.batch_write() as batch:
            for version in self._version_items(audience.account_id, audience.audience_id):
                batch.delete(version)

    def get_version(self, account_id: AccountId, audience_id: AudienceId, number: int) -> DefinitionVersion:
        try:
            item = self._versions.get(_partition(account_id), _version_key(audience_id, number), consistent_read=True)
        except DoesNotExist as error:
            raise NotFoundError(f"audience {audience_id} has no version {number}") from error
        return _version(item)

    def list_versions(self, account_id: AccountId, audience_id: AudienceId) -> tuple[DefinitionVersion, ...]:
        return tuple(map(_version, self._version_items(account_id, audience_id)))

    def program(self, account_id: AccountId) -> ProgramMark:
        program = self._program(account_id)
        return ProgramMark(
            version=int(program.value),
            published=int(program.published or program.value),
            erased_at=int(program.erased_at or 0),
        )

    def note_erasure(self, account_id: AccountId, at: int) -> None:
        program = self._counters(_partition(account_id), _PROGRAM)
        changes: list[Action] = [
            CounterItem.erased_at.set(at),
            CounterItem.value.set(CounterItem.value | 0),
            CounterItem.active.set(CounterItem.active | 0),
        ]
        is_latest = CounterItem.erased_at.does_not_exist() | (CounterItem.erased_at < at)
        try:
            program.update(changes, condition=is_latest)
        except UpdateError as error:
            if not is_condition_failure(error):
                raise

    def program_version(self, account_id: AccountId) -> int:
        return self.program(account_id).version

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
            attributes_to_get=["outline"],
        )
        outlines = (AudienceOutline.model_validate_json(item.outline) for item in stored)
        return any(each.status is AudienceStatus.ACTIVE for each in outlines)

    def _write(
        self, audiences: Sequence[Audience], versions: Sequence[DefinitionVersion], program: _Marking
    ) -> tuple[Audience, ...]:
        saved = tuple(each.model_copy(update={"version": each.version + 1}) for each in audiences)
        with self._transaction() as transaction:
            for audience in saved:
                transaction.save(self._item(audience), condition=unchanged(audience.version - 1))
            for version in versions:
                transaction.save(self._version_item(version))
            program(transaction)
        return saved

    def _delete_active(self, audience: Audience, item: AudienceItem, check: Callable[[], None]) -> None:
        for _ in range(_ATTEMPTS):
            program = self._program(audience.account_id)
            check()
            after = int(program.value) + 1
            mark_program = self._marked(program, ProgramMark(version=after, published=after), -1)
            try:
                with self._transaction() as transaction:
                    transaction.delete(item, condition=unchanged(audience.version))
                    mark_program(transaction)
                return
            except TransactWriteError as error:
                self._raise_unless_overtaken([audience], error)
        raise ConflictError("too many audiences of the account are being published at once: try again")

    @staticmethod
    def _marked(program: CounterItem, mark: ProgramMark, added: int) -> _Marking:
        """What moves the program on to a mark, unless it has moved since it was read."""
        before = int(program.value)
        is_unmoved: Condition = CounterItem.value == before
        if not before:
            is_unmoved = CounterItem.pk.does_not_exist() | is_unmoved
        actions: list[Action] = [
            CounterItem.value.set(mark.version),
            CounterItem.published.set(mark.published),
            CounterItem.active.add(added),
        ]
        return lambda transaction: transaction.update(program, actions=actions, condition=is_unmoved)

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

    def _version_item(self, version: DefinitionVersion) -> DefinitionVersionItem:
        return self._versions(
            _partition(version.account_id),
            _version_key(version.audience_id, version.number),
            outline=version.model_dump_json(exclude={"definition"}),
            definition=definition_forms.FORMS.pack(version.definition),
        )

    def _version_items(self, account_id: AccountId, audience_id: AudienceId) -> Iterable[DefinitionVersionItem]:
        prefix = _version_key(audience_id, 0)[:-_NUMBER_DIGITS]
        condition = DefinitionVersionItem.sk.startswith(prefix)
        return self._versions.query(_partition(account_id), condition, consistent_read=True)

    def _item(self, audience: Audience) -> AudienceItem:
        return self._items(
            _partition(audience.account_id),
            _sort_key(audience.audience_id),
            version=audience.version,
            outline=audience.model_dump_json(exclude={"definition"}),
            definition=definition_forms.FORMS.pack(audience.definition),
        )

    def _transaction(self) -> TransactWrite:
        return TransactWrite(connection=connection(self._region))


def _partition(account_id: AccountId) -> str:
    return f"{account_id}#audiences"


def _sort_key(audience_id: AudienceId) -> str:
    return f"A#{audience_id:010d}"


def _version_key(audience_id: AudienceId, number: int) -> str:
    return f"V#{audience_id:010d}#{number:0{_NUMBER_DIGITS}d}"


def _is_active(audience: Audience) -> bool:
    return audience.status is AudienceStatus.ACTIVE


def _audience(item: AudienceItem) -> Audience:
    outline = AudienceOutline.model_validate_json(item.outline)
    return Audience(**dict(outline), definition=definition_forms.FORMS.unpack(item.definition))


def _version(item: DefinitionVersionItem) -> DefinitionVersion:
    return DefinitionVersion.model_validate(
        {**json.loads(item.outline), "definition": definition_forms.FORMS.unpack(item.definition)}
    )
