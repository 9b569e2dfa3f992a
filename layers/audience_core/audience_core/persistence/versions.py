"""Conditional writes: an item is written only over the version that its writer has read."""

from collections.abc import Iterator
from contextlib import contextmanager

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PynamoDBException, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.models import Model

from audience_core.errors import StaleVersionError


class VersionedItem(Model):
    """What the items of the control path share."""

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    version = NumberAttribute()


def unchanged(version: int) -> Condition:
    """That the stored item still has this version; 0: that there is none."""
    return VersionedItem.version == version if version else VersionedItem.pk.does_not_exist()


@contextmanager
def conflicts_raised() -> Iterator[None]:
    """Turn a failed condition, alone or in a transaction, into `StaleVersionError`."""
    try:
        yield
    except PynamoDBException as error:
        if is_condition_failure(error):
            raise StaleVersionError("somebody else changed it in between: load it again") from error
        raise


def is_condition_failure(error: PynamoDBException) -> bool:
    if isinstance(error, TransactWriteError):
        codes = {reason.code for reason in error.cancellation_reasons if reason is not None}
        return bool(codes & {"ConditionalCheckFailed", "TransactionConflict"})
    return error.cause_response_code == "ConditionalCheckFailedException"
