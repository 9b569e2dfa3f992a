"""Accounts and their OAuth2 clients in DynamoDB."""

from collections.abc import Iterator

from pynamodb.attributes import BooleanAttribute, JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, PutError
from pynamodb.models import Model

from audience_core.domain.account import Account, Client, LoginStrategy, Role
from audience_core.domain.ids import AccountId
from audience_core.errors import ConflictError, NotFoundError
from audience_core.persistence.tables import bind
from audience_core.persistence.versions import is_condition_failure

_ACCOUNT = "ACCOUNT"
_CLIENT = "CLIENT"


class AccountItem(Model):
    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    name = UnicodeAttribute()
    look_back_days = NumberAttribute()
    active_audience_cap = NumberAttribute()
    batches_per_second = NumberAttribute()
    profile_retention_days = NumberAttribute(default=30)
    history_retention_days = NumberAttribute(default=90)
    has_lifetime_audiences = BooleanAttribute(default=False)
    lifetime_credits = NumberAttribute(default=12)
    lifetime_period_days = NumberAttribute(default=365)
    strategy = JSONAttribute()
    contact_email = UnicodeAttribute(null=True)


class ClientItem(Model):
    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    account_id = NumberAttribute()
    role = UnicodeAttribute()
    name = UnicodeAttribute()


class DynamoAccountStore:
    def __init__(self, table_name: str, region: str | None = None) -> None:
        self._accounts = bind(AccountItem, table_name, region)
        self._clients = bind(ClientItem, table_name, region)

    def get(self, account_id: AccountId) -> Account:
        try:
            return _account(self._accounts.get(_account_key(account_id), _ACCOUNT))
        except DoesNotExist as error:
            raise NotFoundError(f"there is no account {account_id}") from error

    def all(self) -> Iterator[Account]:
        return map(_account, self._accounts.scan(AccountItem.sk == _ACCOUNT))

    def create(self, account: Account) -> Account:
        item = self._accounts(
            _account_key(account.account_id),
            _ACCOUNT,
            name=account.name,
            look_back_days=account.look_back_days,
            active_audience_cap=account.active_audience_cap,
            batches_per_second=account.batches_per_second,
            profile_retention_days=account.profile_retention_days,
            history_retention_days=account.history_retention_days,
            has_lifetime_audiences=account.has_lifetime_audiences,
            lifetime_credits=account.lifetime_credits,
            lifetime_period_days=account.lifetime_period_days,
            contact_email=account.contact_email,
            strategy={field: sorted(types) for field, types in account.strategy.model_dump().items()},
        )
        try:
            item.save(condition=AccountItem.pk.does_not_exist())
        except PutError as error:
            if is_condition_failure(error):
                raise ConflictError(f"account id {account.account_id} is taken") from error
            raise
        return account

    def save_client(self, client: Client) -> None:
        """Twice: where its tokens are looked up, and before that among those of its account."""
        for key in reversed(_client_keys(client)):
            self._clients(*key, account_id=client.account_id, role=client.role.value, name=client.name).save()

    def clients(self, account_id: AccountId) -> tuple[Client, ...]:
        found = self._clients.query(_account_key(account_id), ClientItem.sk.startswith(f"{_CLIENT}#"))
        return tuple(_client(item.sk.removeprefix(f"{_CLIENT}#"), item) for item in found)

    def delete_client(self, client: Client) -> None:
        for key in _client_keys(client):
            self._clients(*key).delete()

    def client(self, client_id: str) -> Client:
        try:
            item = self._clients.get(f"client#{client_id}", _CLIENT)
        except DoesNotExist as error:
            raise NotFoundError("there is no such client") from error
        return _client(client_id, item)


def _client(client_id: str, item: ClientItem) -> Client:
    return Client(
        client_id=client_id,
        account_id=AccountId(int(item.account_id)),
        role=Role(item.role),
        name=item.name,
    )


def _account(item: AccountItem) -> Account:
    return Account(
        account_id=AccountId(int(item.pk.split("#")[0])),
        name=item.name,
        look_back_days=int(item.look_back_days),
        active_audience_cap=int(item.active_audience_cap),
        batches_per_second=int(item.batches_per_second),
        profile_retention_days=int(item.profile_retention_days),
        history_retention_days=int(item.history_retention_days),
        has_lifetime_audiences=item.has_lifetime_audiences,
        lifetime_credits=int(item.lifetime_credits),
        lifetime_period_days=int(item.lifetime_period_days),
        strategy=LoginStrategy.model_validate(item.strategy),
        contact_email=item.contact_email,
    )


def _account_key(account_id: AccountId) -> str:
    return f"{account_id}#account"


def _client_keys(client: Client) -> tuple[tuple[str, str], ...]:
    """Where it is looked up, and where it is listed."""
    return (f"client#{client.client_id}", _CLIENT), (_account_key(client.account_id), f"{_CLIENT}#{client.client_id}")
