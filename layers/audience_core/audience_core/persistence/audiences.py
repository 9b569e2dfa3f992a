"""Audiences of an account in DynamoDB, the version of its set of active ones, and answers to repeated requests."""

import zlib
from collections.abc import Iterable
from datetime import datetime

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, TransactWriteError
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from audience_core.domain.audience import Audience, AudienceOutline, AudienceStatus, require_room
from audience_core.domain.definition import Definition
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.stores import Answer
from audience_core.errors import ConflictError, NotFoundError, StaleVersionError
from audience_core.persistence.answers import Answers
from audience_core.persistence.tables import bind, connection
from audience_core.persistence.tags import Spellings
from audience_core.persistence.versions import VersionedItem, conflicts_raised, is_condition_failure, unchanged

_PROGRAM = "PROGRAM"
_NEXT_ID = "NEXT_ID"
_ATTEMPTS = 10


class AudienceItem(VersionedItem):
    """Args:
    outline: JSON of an `AudienceOutline`: one attribute, because lists read thousands of them and nothing else.
    definition: zlib of the JSON, whose own "version" tells its format.
    """

    outline = UnicodeAttribute()
    definition = BinaryAttribute(legacy_encoding=False)


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
            attributes_to_get=["outline"],
        )
        outlines = (AudienceOutline.model_validate_json(item.outline) for item in stored)
        return any(each.status is AudienceStatus.ACTIVE for each in outlines)

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
            outline=audience.model_dump_json(exclude={"definition"}),
            definition=zlib.compress(audience.definition.model_dump_json().encode()),
        )

    def _transaction(self) -> TransactWrite:
        return TransactWrite(connection=connection(self._region))


def _partition(account_id: AccountId) -> str:
    return f"{account_id}#audiences"


def _sort_key(audience_id: AudienceId) -> str:
    return f"A#{audience_id:010d}"


def _audience(item: AudienceItem) -> Audience:
    outline = AudienceOutline.model_validate_json(item.outline)
    definition = Definition.model_validate_json(zlib.decompress(item.definition))
    return Audience(**dict(outline), definition=definition)
