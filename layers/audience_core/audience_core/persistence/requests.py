"""Accepted request ids and the rate of each account, in one DynamoDB table whose rows expire."""

from collections.abc import Collection
from hashlib import sha256

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from audience_core.domain.ids import AccountId, InputId
from audience_core.persistence.tables import bind

REMEMBERED_DAYS = 30
_DAY_S = 86_400
# Long enough for clocks that differ, short enough to leave nothing behind.
_RATE_KEPT_S = 600
REQUEST = "REQUEST"
_RATE = "RATE"


class RequestItem(Model):
    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    ttl = NumberAttribute()


class RateItem(Model):
    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    batches = NumberAttribute()
    ttl = NumberAttribute()


class DynamoRequestStore:
    def __init__(self, table_name: str, region: str | None = None) -> None:
        self._requests = bind(RequestItem, table_name, region)

    def is_known(self, input_id: InputId, request_ids: Collection[str]) -> frozenset[str]:
        ids = {request_key(input_id, request_id): request_id for request_id in request_ids}
        found = self._requests.batch_get([(key, REQUEST) for key in ids], consistent_read=True)
        return frozenset(ids[item.pk] for item in found)

    def remember(self, input_id: InputId, request_ids: Collection[str], now_ms: int) -> None:
        until = now_ms // 1000 + REMEMBERED_DAYS * _DAY_S
        with self._requests.batch_write() as batch:
            for key in {request_key(input_id, request_id) for request_id in request_ids}:
                batch.save(self._requests(key, REQUEST, ttl=until))


class DynamoRateStore:
    def __init__(self, table_name: str, region: str | None = None) -> None:
        self._rates = bind(RateItem, table_name, region)
        # Who is over the limit in which second: a flood costs no write per request.
        self._over: dict[AccountId, int] = {}

    def add(self, account_id: AccountId, batches: int, second: int, limit: int) -> int:
        if self._over.get(account_id) == second:
            return limit + batches
        item = self._rates(f"{account_id}#rate#{second}", _RATE)
        item.update([RateItem.batches.add(batches), RateItem.ttl.set(second + _RATE_KEPT_S)])
        total = int(item.batches)
        if total > limit:
            self._over[account_id] = second
        return total


def request_key(input_id: InputId, request_id: str) -> str:
    """Hashed, because clients choose ids of any length and alphabet."""
    digest = sha256(request_id.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{input_id}#request#{digest}"
