"""Identity rows in DynamoDB: an item per identity, written only over the version that its writer has read."""

from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256

from pynamodb.attributes import Attribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.constants import MAP, NUMBER
from pynamodb.exceptions import PynamoDBException, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from audience_core.domain.erasure import REMEMBERED_DAYS
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.stores import IdentityRow
from audience_core.errors import StaleVersionError
from audience_core.persistence.tables import bind, connection
from audience_core.persistence.versions import is_condition_failure

_LETTERS = {Environment.PRODUCTION: "p", Environment.DEVELOPMENT: "d"}
_SORT_KEY = "-"
_DAY_S = 86_400
# What a put without a transaction meets while somebody else's transaction holds the item.
_IN_A_TRANSACTION = "TransactionConflictException"


class HoldersAttribute(Attribute[dict[Mpid, int]]):
    """A map from mpid to UTC ms whose entries can be named in conditions."""

    attr_type = MAP

    def serialize(self, value: Mapping[Mpid, int]) -> dict[str, dict[str, str]]:
        return {str(mpid): {NUMBER: str(told)} for mpid, told in value.items()}

    def deserialize(self, value: Mapping[str, Mapping[str, str]]) -> dict[Mpid, int]:
        return {Mpid(int(mpid)): int(told[NUMBER]) for mpid, told in value.items()}


class IdentityItem(Model):
    """An item stays when its last holder goes: with its version a late writer would meet nothing to be stopped by."""

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    holders = HoldersAttribute()
    known = UnicodeSetAttribute(null=True)
    version = NumberAttribute()


class GraveItem(Model):
    """That an identity was erased: known by a hash alone, and only for as long as messages of before may come."""

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    at = NumberAttribute()
    ttl = NumberAttribute()


class DynamoIdentityStore:
    def __init__(self, table_name: str, region: str | None = None) -> None:
        self._items = bind(IdentityItem, table_name, region)
        self._graves = bind(GraveItem, table_name, region)
        self._region = region

    def rows(
        self, account_id: AccountId, environment: Environment, identities: Collection[Identity]
    ) -> dict[Identity, IdentityRow]:
        by_key = {_partition(account_id, environment, identity): identity for identity in identities}
        rows = {identity: IdentityRow(identity, {}) for identity in by_key.values()}
        for item in self._items.batch_get([(key, _SORT_KEY) for key in by_key], consistent_read=True):
            identity = by_key[item.pk]
            known = frozenset(Mpid(int(mpid)) for mpid in item.known or ()) & item.holders.keys()
            rows[identity] = IdentityRow(identity, item.holders, int(item.version), known)
        return rows

    def write(self, account_id: AccountId, environment: Environment, rows: Sequence[IdentityRow]) -> None:
        puts = [(self._item(account_id, environment, row), _unchanged(row)) for row in rows]
        try:
            if len(puts) == 1:  # a transaction of one costs twice as much
                puts[0][0].save(condition=puts[0][1])
            elif puts:
                with TransactWrite(connection=connection(self._region)) as transaction:
                    for item, condition in puts:
                        transaction.save(item, condition=condition)
        except PynamoDBException as error:
            if is_condition_failure(error) or error.cause_response_code == _IN_A_TRANSACTION:
                raise StaleVersionError("an identity was claimed in between") from error
            raise

    def forget(self, account_id: AccountId, environment: Environment, identity: Identity, mpid: Mpid, at: int) -> None:
        item = self._items(_partition(account_id, environment, identity), _SORT_KEY)
        holder = IdentityItem.holders[str(mpid)]
        try:
            item.update(actions=[holder.remove(), IdentityItem.version.add(1)], condition=holder <= at)
        except UpdateError as error:
            if not is_condition_failure(error):
                raise

    def bury(self, account_id: AccountId, environment: Environment, identities: Collection[Identity], at: int) -> None:
        """A later erasure takes the place of an earlier one; two at once are of one user, at about one time."""
        until = at // 1000 + REMEMBERED_DAYS * _DAY_S
        with self._graves.batch_write() as batch:
            for key in {_grave(account_id, environment, identity) for identity in identities}:
                batch.save(self._graves(key, _SORT_KEY, at=at, ttl=until))

    def buried(
        self, account_id: AccountId, environment: Environment, identities: Collection[Identity]
    ) -> dict[Identity, int]:
        by_key = {_grave(account_id, environment, identity): identity for identity in identities}
        found = self._graves.batch_get([(key, _SORT_KEY) for key in by_key], consistent_read=True)
        return {by_key[item.pk]: int(item.at) for item in found}

    def _item(self, account_id: AccountId, environment: Environment, row: IdentityRow) -> IdentityItem:
        key = _partition(account_id, environment, row.identity)
        known = {str(mpid) for mpid in row.known} or None  # DynamoDB has no empty sets
        return self._items(key, _SORT_KEY, holders=dict(row.holders), known=known, version=row.version + 1)


def _unchanged(row: IdentityRow) -> Condition:
    return IdentityItem.version == row.version if row.version else IdentityItem.pk.does_not_exist()


def _grave(account_id: AccountId, environment: Environment, identity: Identity) -> str:
    """Nobody who does not know the identity finds it by this."""
    told = f"{account_id}#{_LETTERS[environment]}#{identity.type}#{identity.value}"
    return f"{account_id}#erased#{sha256(told.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _partition(account_id: AccountId, environment: Environment, identity: Identity) -> str:
    return f"{account_id}#{_LETTERS[environment]}#{identity.type}#{identity.value}"
