"""How far scheduled work has come, in DynamoDB."""

from pynamodb.attributes import UnicodeAttribute
from pynamodb.exceptions import DoesNotExist
from pynamodb.models import Model

from audience_core.persistence.tables import bind

_SORT_KEY = "-"


class MarkItem(Model):
    """Belongs to the product, not to an account: `pk` names the work."""

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    value = UnicodeAttribute()


class DynamoMarkStore:
    def __init__(self, table_name: str, region: str | None = None) -> None:
        self._items = bind(MarkItem, table_name, region)

    def get(self, name: str) -> str | None:
        try:
            return self._items.get(name, _SORT_KEY, consistent_read=True).value
        except DoesNotExist:
            return None

    def put(self, name: str, value: str) -> None:
        self._items(name, _SORT_KEY, value=value).save()
