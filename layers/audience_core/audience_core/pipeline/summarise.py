"""Keeps the summaries that lists of audiences read up with the counts."""

from collections.abc import Iterable

from audience_core.domain.stores import CountChange, CountSummaries


def summarise(store: CountSummaries, changes: Iterable[CountChange], now_ms: int) -> None:
    """Refresh the summary of each audience that was counted anew; repeats are harmless."""
    for change in changes:
        store.refresh(change, now_ms)
