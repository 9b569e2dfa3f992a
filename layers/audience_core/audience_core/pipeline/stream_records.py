"""Records of a table's stream, each of which can be worked on without the others, but for those of the same item."""

from collections.abc import Callable, Iterable
from typing import Any


def failed_records(
    records: Iterable[dict[str, Any]], succeeds: Callable[[dict[str, Any]], bool]
) -> list[dict[str, Any]]:
    """Those that failed when each was tried, in their order; the stream is to begin again at the first.

    What follows a failed record of the same item is not tried: it would be taken for the later news of the two, and
    the earlier one for told.

    Args:
        succeeds: does what a record's `dynamodb` part asks for.
    """
    failed: list[dict[str, Any]] = []
    for record in records:
        waits = any(each["dynamodb"]["Keys"] == record["dynamodb"]["Keys"] for each in failed)
        if not waits and not succeeds(record["dynamodb"]):
            failed.append(record)
    return failed
