"""Outputs and connections in DynamoDB."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist
from pynamodb.transactions import TransactWrite

from audience_core.domain.ab_test import Variant
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, OutputId
from audience_core.domain.output import (
    Connection,
    ConnectionStatus,
    Fault,
    Output,
    RequiredConsent,
    Route,
    Sending,
    SharedAttributes,
    SubscriptionState,
)
from audience_core.domain.sharing import Source
from audience_core.errors import NotFoundError
from audience_core.persistence.tables import bind, connection
from audience_core.persistence.versions import VersionedItem, conflicts_raised, unchanged

# As many as DynamoDB takes in one IN.
_MAX_OPERANDS = 100
# Begins as connections do: one query reads both.
_ROUTE = "CR#"


class OutputItem(VersionedItem):
    connector = UnicodeAttribute()
    name = UnicodeAttribute()
    settings = JSONAttribute()
    secret_ref = UnicodeAttribute(null=True)
    log_in_ref = UnicodeAttribute(null=True)
    contact_email = UnicodeAttribute(null=True)
    created_at = UnicodeAttribute()


class ConnectionItem(VersionedItem):
    """A connection of a received audience also has a route: an item beside the connections of the initiator.

    It holds nothing but an id and the audience as the initiator knows it, and is there as long as the connection is.
    """

    audience_id = NumberAttribute()
    source = JSONAttribute(null=True)
    variant = JSONAttribute(null=True)
    output_id = UnicodeAttribute()
    settings = JSONAttribute()
    attributes = JSONAttribute(null=True)
    required_consent = JSONAttribute(null=True)
    status = UnicodeAttribute()
    subscription = UnicodeAttribute()
    subscription_settings = JSONAttribute()
    fault = JSONAttribute(null=True)
    sent = JSONAttribute(null=True)
    created_at = UnicodeAttribute()
    active_since = UnicodeAttribute(null=True)


class RouteItem(VersionedItem):
    audience_id = NumberAttribute()


class DynamoOutputStore:
    def __init__(self, table_name: str, region: str | None = None) -> None:
        self._region = region
        self._routes = bind(RouteItem, table_name, region)
        self._outputs = bind(OutputItem, table_name, region)
        self._connections = bind(ConnectionItem, table_name, region)

    def get(self, account_id: AccountId, output_id: OutputId) -> Output:
        try:
            item = self._outputs.get(_partition(account_id), f"O#{output_id}", consistent_read=True)
        except DoesNotExist as error:
            raise NotFoundError(f"there is no output {output_id}") from error
        return _output(account_id, item)

    def list(self, account_id: AccountId) -> tuple[Output, ...]:
        items = self._outputs.query(_partition(account_id), OutputItem.sk.startswith("O#"), consistent_read=True)
        return tuple(sorted((_output(account_id, item) for item in items), key=lambda o: (o.created_at, o.output_id)))

    def save(self, output: Output) -> Output:
        saved = output.model_copy(update={"version": output.version + 1})
        item = self._outputs(
            _partition(output.account_id),
            f"O#{output.output_id}",
            version=saved.version,
            connector=output.connector,
            name=output.name,
            settings=output.settings,
            secret_ref=output.secret_ref,
            log_in_ref=output.log_in_ref,
            contact_email=output.contact_email,
            created_at=output.created_at.isoformat(),
        )
        with conflicts_raised():
            item.save(condition=unchanged(output.version))
        return saved

    def delete(self, output: Output) -> None:
        item = self._outputs(_partition(output.account_id), f"O#{output.output_id}")
        with conflicts_raised():
            item.delete(condition=unchanged(output.version))

    def get_connection(self, account_id: AccountId, connection_id: ConnectionId) -> Connection:
        try:
            item = self._connections.get(_partition(account_id), f"C#{connection_id}", consistent_read=True)
        except DoesNotExist as error:
            raise NotFoundError(f"there is no connection {connection_id}") from error
        return _connection(account_id, item)

    def list_connections(self, account_id: AccountId, audience_id: AudienceId | None = None) -> tuple[Connection, ...]:
        # An account has few connections: one page holds thousands, and membership changes ask for all of them.
        items = self._connections.query(
            _partition(account_id), ConnectionItem.sk.startswith("C#"), consistent_read=True
        )
        found = (_connection(account_id, item) for item in items)
        wanted = (each for each in found if audience_id is None or each.audience_id == audience_id)
        return tuple(sorted(wanted, key=lambda c: (c.created_at, c.connection_id)))

    def connections_of(self, account_id: AccountId, audience_ids: Collection[AudienceId]) -> tuple[Connection, ...]:
        wanted = sorted(audience_ids)
        found: list[Connection] = []
        # DynamoDB looks through all of them, and sends those.
        for start in range(0, len(wanted), _MAX_OPERANDS):
            items = self._connections.query(
                _partition(account_id),
                ConnectionItem.sk.startswith("C#"),
                ConnectionItem.audience_id.is_in(*wanted[start : start + _MAX_OPERANDS]),
                consistent_read=True,
            )
            found += [_connection(account_id, item) for item in items]
        return tuple(sorted(found, key=lambda c: (c.created_at, c.connection_id)))

    def forwarding(self, account_id: AccountId) -> tuple[tuple[Connection, ...], tuple[Route, ...]]:
        items = [
            *self._connections.query(_partition(account_id), ConnectionItem.sk.startswith("C"), consistent_read=True)
        ]
        own = (_connection(account_id, item) for item in items if item.sk.startswith("C#"))
        routes = (_route(item) for item in items if item.sk.startswith(_ROUTE))
        return tuple(sorted(own, key=lambda c: (c.created_at, c.connection_id))), tuple(routes)

    def routed(
        self, routes: Collection[Route]
    ) -> tuple[tuple[Connection, ...], dict[tuple[AccountId, OutputId], Output]]:
        keys = [(_partition(route.receiver), f"C#{route.connection_id}") for route in routes]
        found = self._connections.batch_get(keys, consistent_read=True) if keys else ()
        connections = tuple(_connection(_account_id(item.pk), item) for item in found)
        wanted = {(_partition(each.account_id), f"O#{each.output_id}") for each in connections}
        items = self._outputs.batch_get(sorted(wanted), consistent_read=True) if wanted else ()
        outputs = [_output(_account_id(item.pk), item) for item in items]
        return connections, {(each.account_id, each.output_id): each for each in outputs}

    def save_connection(self, connection: Connection) -> Connection:
        saved = connection.model_copy(update={"version": connection.version + 1})
        with conflicts_raised():
            if connection.source is not None and not connection.version:
                with self._transaction() as transaction:
                    transaction.save(self._item(saved), condition=unchanged(0))
                    transaction.save(self._route_item(saved, connection.source))
            else:
                self._item(saved).save(condition=unchanged(connection.version))
        return saved

    def delete_connection(self, connection: Connection) -> None:
        item, condition = self._item(connection), unchanged(connection.version)
        with conflicts_raised():
            if connection.source is None:
                item.delete(condition=condition)
            else:
                with self._transaction() as transaction:
                    transaction.delete(item, condition=condition)
                    transaction.delete(self._route_item(connection, connection.source))

    def _transaction(self) -> TransactWrite:
        return TransactWrite(connection=connection(self._region))

    def _route_item(self, connection: Connection, source: Source) -> RouteItem:
        key = f"{_ROUTE}{connection.account_id}#{connection.connection_id}"
        return self._routes(_partition(source.account_id), key, version=1, audience_id=source.audience_id)

    def _item(self, connection: Connection) -> ConnectionItem:
        return self._connections(
            _partition(connection.account_id),
            f"C#{connection.connection_id}",
            version=connection.version,
            audience_id=connection.audience_id,
            source=None if connection.source is None else connection.source.model_dump(mode="json"),
            variant=None if connection.variant is None else connection.variant.model_dump(mode="json"),
            output_id=connection.output_id,
            settings=connection.settings,
            attributes=connection.attributes.model_dump(mode="json"),
            required_consent=[each.model_dump(mode="json") for each in connection.required_consent],
            status=connection.status.value,
            subscription=connection.subscription.value,
            subscription_settings=connection.subscription_settings,
            fault=None if connection.fault is None else connection.fault.model_dump(mode="json"),
            sent=None if connection.sent is None else connection.sent.model_dump(mode="json"),
            created_at=connection.created_at.isoformat(),
            active_since=None if connection.active_since is None else connection.active_since.isoformat(),
        )


def connection_from_image(image: Mapping[str, Any] | None) -> Connection | None:
    """The connection of a stream record's image, in DynamoDB's JSON; None when there is none."""
    if image is None or not image["sk"]["S"].startswith("C#"):
        return None
    item = ConnectionItem()
    item.deserialize(dict(image))
    return _connection(_account_id(item.pk), item)


def _partition(account_id: AccountId) -> str:
    return f"{account_id}#outputs"


def _account_id(pk: str) -> AccountId:
    return AccountId(int(pk.partition("#")[0]))


def _route(item: ConnectionItem) -> Route:
    receiver, _, connection_id = item.sk.removeprefix(_ROUTE).partition("#")
    return Route(AudienceId(int(item.audience_id)), AccountId(int(receiver)), ConnectionId(connection_id))


def _output(account_id: AccountId, item: OutputItem) -> Output:
    return Output(
        account_id=account_id,
        output_id=OutputId(item.sk.removeprefix("O#")),
        connector=item.connector,
        name=item.name,
        settings=item.settings,
        secret_ref=item.secret_ref,
        log_in_ref=item.log_in_ref,
        contact_email=item.contact_email,
        created_at=datetime.fromisoformat(item.created_at),
        version=int(item.version),
    )


def _connection(account_id: AccountId, item: ConnectionItem) -> Connection:
    return Connection(
        account_id=account_id,
        connection_id=ConnectionId(item.sk.removeprefix("C#")),
        audience_id=AudienceId(int(item.audience_id)),
        source=None if item.source is None else Source.model_validate(item.source),
        variant=None if item.variant is None else Variant.model_validate(item.variant),
        output_id=OutputId(item.output_id),
        settings=item.settings,
        attributes=SharedAttributes.model_validate(item.attributes or {}),
        required_consent=tuple(map(RequiredConsent.model_validate, item.required_consent or ())),
        status=ConnectionStatus(item.status),
        subscription=SubscriptionState(item.subscription),
        subscription_settings=item.subscription_settings,
        fault=None if item.fault is None else Fault.model_validate(item.fault),
        sent=None if item.sent is None else Sending.model_validate(item.sent),
        created_at=datetime.fromisoformat(item.created_at),
        active_since=None if item.active_since is None else datetime.fromisoformat(item.active_since),
        version=int(item.version),
    )
