"""How an account spells its tags, in DynamoDB: an item for each, which nobody overwrites."""

from collections.abc import Iterable

from pynamodb.attributes import UnicodeAttribute
from pynamodb.exceptions import PutError
from pynamodb.models import Model

from audience_core.domain.ids import AccountId
from audience_core.evaluation.text import fold
from audience_core.persistence.tables import bind
from audience_core.persistence.versions import is_condition_failure


class TagItem(Model):
    """The sort key is the tag's folded form, by which tags are compared."""

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    spelling = UnicodeAttribute()


class Spellings:
    def __init__(self, table_name: str, region: str | None = None) -> None:
        self._items = bind(TagItem, table_name, region)

    def of(self, account_id: AccountId, tags: Iterable[str]) -> tuple[str, ...]:
        wanted: dict[str, str] = {}
        for tag in tags:
            wanted.setdefault(fold(tag), tag)
        pk = f"{account_id}#tags"
        stored = self._items.batch_get([(pk, folded) for folded in wanted], consistent_read=True) if wanted else ()
        known = {item.sk: item.spelling for item in stored}
        return tuple(known.get(folded) or self._first(pk, folded, tag) for folded, tag in wanted.items())

    def _first(self, pk: str, folded: str, tag: str) -> str:
        """This spelling, unless somebody else's came first."""
        try:
            self._items(pk, folded, spelling=tag).save(condition=TagItem.pk.does_not_exist())
        except PutError as error:
            if not is_condition_failure(error):
                raise
            return str(self._items.get(pk, folded, consistent_read=True).spelling)
        return tag
