"""Workspaces and inputs in DynamoDB, and the look-up of an input by its ingest key."""

from datetime import datetime

from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from audience_core.domain.account import Input, InputKind, PreviousCredential, Workspace
from audience_core.domain.ids import AccountId, InputId, WorkspaceId
from audience_core.errors import NotFoundError
from audience_core.persistence.tables import bind, connection
from audience_core.persistence.versions import VersionedItem, conflicts_raised, unchanged

_KEY = "KEY"


class WorkspaceItem(VersionedItem):
    name = UnicodeAttribute()
    created_at = UnicodeAttribute()


class InputItem(VersionedItem):
    name = UnicodeAttribute()
    kind = UnicodeAttribute()
    key = UnicodeAttribute()
    secret_sha256 = UnicodeAttribute()
    previous = JSONAttribute(null=True)
    created_at = UnicodeAttribute()


class KeyItem(Model):
    """Which input an ingest key belongs to: the only row that is not found by account."""

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    account_id = NumberAttribute()
    workspace_id = UnicodeAttribute()
    input_id = UnicodeAttribute()


class DynamoWorkspaceStore:
    def __init__(self, table_name: str, region: str | None = None) -> None:
        self._workspaces = bind(WorkspaceItem, table_name, region)
        self._inputs = bind(InputItem, table_name, region)
        self._keys = bind(KeyItem, table_name, region)
        self._region = region

    def get(self, account_id: AccountId, workspace_id: WorkspaceId) -> Workspace:
        try:
            item = self._workspaces.get(_partition(account_id), f"W#{workspace_id}", consistent_read=True)
        except DoesNotExist as error:
            raise NotFoundError(f"there is no workspace {workspace_id}") from error
        return _workspace(account_id, item)

    def list(self, account_id: AccountId) -> tuple[Workspace, ...]:
        items = self._workspaces.query(_partition(account_id), WorkspaceItem.sk.startswith("W#"), consistent_read=True)
        return tuple(sorted((_workspace(account_id, item) for item in items), key=_creation))

    def save(self, workspace: Workspace) -> Workspace:
        item = self._workspaces(
            _partition(workspace.account_id),
            f"W#{workspace.workspace_id}",
            version=workspace.version + 1,
            name=workspace.name,
            created_at=workspace.created_at.isoformat(),
        )
        with conflicts_raised():
            item.save(condition=unchanged(workspace.version))
        return workspace.model_copy(update={"version": workspace.version + 1})

    def delete(self, workspace: Workspace) -> None:
        item = self._workspaces(_partition(workspace.account_id), f"W#{workspace.workspace_id}")
        with conflicts_raised():
            item.delete(condition=unchanged(workspace.version))

    def get_input(self, account_id: AccountId, workspace_id: WorkspaceId, input_id: InputId) -> Input:
        try:
            item = self._inputs.get(_partition(account_id), f"I#{workspace_id}#{input_id}", consistent_read=True)
        except DoesNotExist as error:
            raise NotFoundError(f"there is no input {input_id} in workspace {workspace_id}") from error
        return _input(account_id, item)

    def list_inputs(self, account_id: AccountId, workspace_id: WorkspaceId | None = None) -> tuple[Input, ...]:
        prefix = "I#" if workspace_id is None else f"I#{workspace_id}#"
        items = self._inputs.query(_partition(account_id), InputItem.sk.startswith(prefix), consistent_read=True)
        return tuple(sorted((_input(account_id, item) for item in items), key=_creation))

    def save_input(self, an_input: Input) -> Input:
        before = self._stored_keys(an_input) if an_input.version else ()
        with conflicts_raised(), self._transaction() as transaction:
            transaction.save(
                self._inputs(
                    _partition(an_input.account_id),
                    _input_key(an_input),
                    version=an_input.version + 1,
                    name=an_input.name,
                    kind=an_input.kind.value,
                    key=an_input.key,
                    secret_sha256=an_input.secret_sha256,
                    previous=an_input.previous and an_input.previous.model_dump(mode="json"),
                    created_at=an_input.created_at.isoformat(),
                ),
                condition=unchanged(an_input.version),
            )
            for key in an_input.keys:
                transaction.save(self._key_of(an_input, key), condition=_free_or_owned_by(an_input))
            for key in before:
                if key not in an_input.keys:
                    transaction.delete(self._keys(f"key#{key}", _KEY))
        return an_input.model_copy(update={"version": an_input.version + 1})

    def delete_input(self, an_input: Input) -> None:
        with conflicts_raised(), self._transaction() as transaction:
            item = self._inputs(_partition(an_input.account_id), _input_key(an_input))
            transaction.delete(item, condition=unchanged(an_input.version))
            for key in an_input.keys:
                transaction.delete(self._keys(f"key#{key}", _KEY))

    def input_by_key(self, key: str) -> Input:
        try:
            row = self._keys.get(f"key#{key}", _KEY)
        except DoesNotExist as error:
            raise NotFoundError("there is no such ingest key") from error
        return self.get_input(AccountId(int(row.account_id)), WorkspaceId(row.workspace_id), InputId(row.input_id))

    def _stored_keys(self, an_input: Input) -> tuple[str, ...]:
        return self.get_input(an_input.account_id, an_input.workspace_id, an_input.input_id).keys

    def _key_of(self, an_input: Input, key: str) -> KeyItem:
        return self._keys(
            f"key#{key}",
            _KEY,
            account_id=an_input.account_id,
            workspace_id=an_input.workspace_id,
            input_id=an_input.input_id,
        )

    def _transaction(self) -> TransactWrite:
        return TransactWrite(connection=connection(self._region))


def _partition(account_id: AccountId) -> str:
    return f"{account_id}#workspaces"


def _input_key(an_input: Input) -> str:
    return f"I#{an_input.workspace_id}#{an_input.input_id}"


def _free_or_owned_by(an_input: Input) -> Condition:
    is_free: Condition = KeyItem.pk.does_not_exist()
    is_owned: Condition = KeyItem.input_id == an_input.input_id
    either: Condition = is_free | is_owned
    return either


def _workspace(account_id: AccountId, item: WorkspaceItem) -> Workspace:
    return Workspace(
        account_id=account_id,
        workspace_id=WorkspaceId(item.sk.removeprefix("W#")),
        name=item.name,
        created_at=datetime.fromisoformat(item.created_at),
        version=int(item.version),
    )


def _input(account_id: AccountId, item: InputItem) -> Input:
    _, workspace_id, input_id = item.sk.split("#")
    return Input(
        account_id=account_id,
        workspace_id=WorkspaceId(workspace_id),
        input_id=InputId(input_id),
        name=item.name,
        kind=InputKind(item.kind),
        key=item.key,
        secret_sha256=item.secret_sha256,
        previous=item.previous and PreviousCredential.model_validate(item.previous),
        created_at=datetime.fromisoformat(item.created_at),
        version=int(item.version),
    )


def _creation(resource: Workspace | Input) -> tuple[datetime, str]:
    return resource.created_at, resource.workspace_id if isinstance(resource, Workspace) else resource.input_id
