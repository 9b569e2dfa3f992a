"""Arrangements, receivers and logs of sharing in DynamoDB."""

import secrets
from collections.abc import Callable, Collection, Iterator, Sequence

from pynamodb.exceptions import DoesNotExist, TransactWriteError
from pynamodb.transactions import TransactWrite

from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.sharing import (
    LIVE,
    Arrangement,
    ArrangementState,
    LogEntry,
    Received,
    Receiving,
    Side,
)
from audience_core.domain.stores import Page
from audience_core.errors import ConflictError, NotFoundError, StaleVersionError
from audience_core.evaluation.text import fold
from audience_core.persistence import cursors
from audience_core.persistence.sharing_items import (
    RECEIVERS,
    RECEIVING,
    ArrangementItem,
    LogItem,
    MarkerItem,
    ReceivedItem,
    ReceiverItem,
    ReceivingItem,
    entry_keys,
    log_partition,
    marker_key,
    partition,
    received_key,
    side_key,
)
from audience_core.persistence.tables import bind, connection
from audience_core.persistence.versions import conflicts_raised, unchanged

_ATTEMPTS = 8


class DynamoSharingStore:
    def __init__(self, table_name: str, region: str | None = None) -> None:
        self._region = region
        self._arrangements = bind(ArrangementItem, table_name, region)
        self._receiving = bind(ReceivingItem, table_name, region)
        self._received = bind(ReceivedItem, table_name, region)
        self._receivers = bind(ReceiverItem, table_name, region)
        self._markers = bind(MarkerItem, table_name, region)
        self._log = bind(LogItem, table_name, region)

    # Receivers

    def receiving(self, account_id: AccountId) -> Receiving | None:
        try:
            item = self._receiving.get(partition(account_id), RECEIVING, consistent_read=True)
        except DoesNotExist:
            return None
        return Receiving.model_validate_json(item.body)

    def save_receiving(self, receiving: Receiving, log: Sequence[LogEntry]) -> Receiving:
        saved = receiving.model_copy(update={"version": receiving.version + 1})
        item = self._receiving(
            partition(saved.account_id),
            RECEIVING,
            version=saved.version,
            is_on=saved.is_on,
            body=saved.model_dump_json(),
        )
        entries = [
            self._receivers(*key, folded=fold(saved.name), body=saved.model_dump_json()) for key in entry_keys(saved)
        ]

        def write(transaction: TransactWrite) -> None:
            transaction.save(item, condition=unchanged(receiving.version))
            for entry in entries:
                if saved.is_on:
                    transaction.save(entry)
                else:
                    transaction.delete(entry)
            self._note(transaction, log)

        with conflicts_raised():
            self._commit(write)
        return saved

    def receiver(self, receiver_id: str) -> Receiving:
        try:
            item = self._receivers.get(f"receiver#{receiver_id}", RECEIVING, consistent_read=True)
        except DoesNotExist as error:
            raise NotFoundError(f"there is no receiver {receiver_id}") from error
        return Receiving.model_validate_json(item.body)

    def receivers(self, text: str, cursor: str | None, limit: int) -> Page[Receiving]:
        wanted = fold(text.strip())
        found = self._receivers.query(
            RECEIVERS,
            filter_condition=ReceiverItem.folded.contains(wanted) if wanted else None,
            last_evaluated_key=cursors.decode(cursor),
            limit=limit,
        )
        items = tuple(Receiving.model_validate_json(item.body) for item in found)
        return Page(items, cursors.encode(found.last_evaluated_key))

    # Arrangements

    def offer(self, arrangement: Arrangement, log: Sequence[LogEntry]) -> Arrangement:
        saved = arrangement.model_copy(update={"version": 1})

        def write(transaction: TransactWrite) -> None:
            self._require_on(transaction, arrangement.receiver)
            self._put(transaction, saved)
            transaction.save(self._markers(*marker_key(saved)), condition=MarkerItem.pk.does_not_exist())
            self._note(transaction, log)

        try:
            self._commit(write)
        except TransactWriteError as error:
            self._raise_unless_on(arrangement, error)
            raise ConflictError("the audience is shared with, or offered to, this receiver already") from error
        return saved

    def change(self, arrangement: Arrangement, log: Sequence[LogEntry]) -> Arrangement:
        saved = arrangement.model_copy(update={"version": arrangement.version + 1})

        def write(transaction: TransactWrite) -> None:
            self._put(transaction, saved)
            self._follow(transaction, saved)
            self._note(transaction, log)

        try:
            self._commit(write)
        except TransactWriteError as error:
            if saved.state is ArrangementState.ACCEPTED:
                self._raise_unless_on(arrangement, error)
            raise StaleVersionError("the other party changed it in between: load it again") from error
        return saved

    def arrangement(self, account_id: AccountId, side: Side, arrangement_id: str) -> Arrangement:
        try:
            item = self._arrangements.get(partition(account_id), side_key(side, arrangement_id), consistent_read=True)
        except DoesNotExist as error:
            raise NotFoundError(f"there is no arrangement {arrangement_id}") from error
        return Arrangement.model_validate_json(item.body)

    def arrangements(
        self,
        account_id: AccountId,
        side: Side,
        states: Collection[ArrangementState],
        cursor: str | None,
        limit: int,
        audience_id: AudienceId | None = None,
    ) -> Page[Arrangement]:
        wanted = ArrangementItem.state.is_in(*sorted(states))
        if audience_id is not None:
            wanted &= ArrangementItem.audience_id == audience_id
        found = self._arrangements.query(
            partition(account_id),
            ArrangementItem.sk.startswith(side_key(side)),
            filter_condition=wanted,
            scan_index_forward=False,
            last_evaluated_key=cursors.decode(cursor),
            limit=limit,
        )
        items = tuple(Arrangement.model_validate_json(item.body) for item in found)
        return Page(items, cursors.encode(found.last_evaluated_key))

    def live(self, account_id: AccountId, side: Side) -> tuple[Arrangement, ...]:
        return tuple(self._of(account_id, side, LIVE))

    def pending(self, account_id: AccountId) -> int:
        return sum(1 for _ in self._of(account_id, Side.RECEIVER, {ArrangementState.PENDING}))

    def is_accepted(self, receiver: AccountId, arrangement_id: str) -> bool:
        try:
            return self.arrangement(receiver, Side.RECEIVER, arrangement_id).state is ArrangementState.ACCEPTED
        except NotFoundError:
            return False

    # What receivers keep of their own

    def received(self, account_id: AccountId, audience_id: AudienceId) -> Received:
        try:
            item = self._received.get(partition(account_id), received_key(audience_id), consistent_read=True)
        except DoesNotExist as error:
            raise NotFoundError(f"there is no audience {audience_id}") from error
        return Received.model_validate_json(item.body)

    def received_all(self, account_id: AccountId) -> tuple[Received, ...]:
        items = self._received.query(partition(account_id), ReceivedItem.sk.startswith("A#"), consistent_read=True)
        return tuple(Received.model_validate_json(item.body) for item in items)

    def save_received(self, received: Received) -> Received:
        saved = received.model_copy(update={"version": received.version + 1})
        with conflicts_raised():
            self._received_item(saved).save(condition=unchanged(received.version))
        return saved

    def note(self, log: Sequence[LogEntry]) -> None:
        self._commit(lambda transaction: self._note(transaction, log))

    def log(self, account_id: AccountId, cursor: str | None, limit: int) -> Page[LogEntry]:
        found = self._log.query(
            log_partition(account_id),
            scan_index_forward=False,
            last_evaluated_key=cursors.decode(cursor),
            limit=limit,
        )
        items = tuple(LogEntry.model_validate_json(item.body) for item in found)
        return Page(items, cursors.encode(found.last_evaluated_key))

    # Items

    def _of(self, account_id: AccountId, side: Side, states: Collection[ArrangementState]) -> Iterator[Arrangement]:
        items = self._arrangements.query(
            partition(account_id),
            ArrangementItem.sk.startswith(side_key(side)),
            filter_condition=ArrangementItem.state.is_in(*sorted(states)),
            consistent_read=True,
        )
        return (Arrangement.model_validate_json(item.body) for item in items)

    def _put(self, transaction: TransactWrite, saved: Arrangement) -> None:
        for side in Side:
            item = self._arrangements(
                partition(saved.account_of(side)),
                side_key(side, saved.arrangement_id),
                version=saved.version,
                state=saved.state.value,
                audience_id=saved.audience_id,
                body=saved.model_dump_json(),
            )
            transaction.save(item, condition=unchanged(saved.version - 1))

    def _follow(self, transaction: TransactWrite, saved: Arrangement) -> None:
        """What a new state brings about beside itself."""
        if saved.state is ArrangementState.ACCEPTED:
            self._require_on(transaction, saved.receiver)
        else:
            transaction.delete(self._markers(*marker_key(saved)))
        if saved.received_id is not None:
            item = self._received_item(saved.as_received(saved.received_id))
            if saved.state is ArrangementState.ACCEPTED:
                transaction.save(item)
            else:
                transaction.delete(item)

    def _received_item(self, received: Received) -> ReceivedItem:
        return self._received(
            partition(received.account_id),
            received_key(received.audience_id),
            version=received.version,
            body=received.model_dump_json(),
        )

    def _note(self, transaction: TransactWrite, log: Sequence[LogEntry]) -> None:
        for entry in log:
            # Later steps have greater keys; two of one instant do not meet.
            key = f"{int(entry.at.timestamp() * 1000):015d}#{secrets.token_hex(4)}"
            transaction.save(self._log(log_partition(entry.account_id), key, body=entry.model_dump_json()))

    def _require_on(self, transaction: TransactWrite, receiver: AccountId) -> None:
        transaction.condition_check(self._receiving, partition(receiver), RECEIVING, ReceivingItem.is_on == True)  # noqa: E712  # a condition of DynamoDB

    def _raise_unless_on(self, arrangement: Arrangement, error: TransactWriteError) -> None:
        receiving = self.receiving(arrangement.receiver)
        if receiving is None or not receiving.is_on:
            raise NotFoundError(f"there is no receiver {arrangement.receiver_id}") from error

    def _commit(self, write: Callable[[TransactWrite], None]) -> None:
        """Two transactions that meet are none of anybody's conditions: the later one begins anew."""
        for attempt in range(_ATTEMPTS):
            try:
                with TransactWrite(connection=connection(self._region)) as transaction:
                    write(transaction)
                return
            except TransactWriteError as error:
                codes = {reason.code for reason in error.cancellation_reasons if reason is not None}
                if "TransactionConflict" not in codes or "ConditionalCheckFailed" in codes or attempt == _ATTEMPTS - 1:
                    raise
