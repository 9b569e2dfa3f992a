"""Records of a table's stream, each of which can be worked on without the others, but for those of the same item."""

from collections.abc import Callable, Iterable
from typing import Any


def failed_records(
    records: Iterable[dict[str, Any]], succeeds: Callable[[dict[str, Any]], bool]
) -> list[dict[str, Any]]:
    """Those that failed when each was tried, in their order; the stream is to begin again at the first.

    A later record of an item that failed is not tried: once it had been told of, the earlier one would be taken for
    told, too.

    Args:
        succeeds: does what a record's `dynamodb` part asks for.
    """
    failed: list[dict[str, Any]] = []
    for record in records:
        waits = any(each["dynamodb"]["Keys"] == record["dynamodb"]["Keys"] for each in failed)
        if not waits and not succeeds(record["dynamodb"]):
            failed.append(record)
    return failed
