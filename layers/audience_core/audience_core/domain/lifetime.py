"""Lifetime audiences: over which days they are calculated, what that costs, and what came of it."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from pydantic import ConfigDict, Field

from audience_core.domain.account import Record
from audience_core.domain.ids import DAY_MS, NEVER, AccountId
from audience_core.domain.windows import Day

READY_FOR = timedelta(days=30)
# One credit is a year of data, however many audiences read it.
DAYS_A_CREDIT = 365


class DateRange(Record):
    """Days (UTC), both ends inclusive; None: from the first, or to the last, of which there are data."""

    model_config = ConfigDict(extra="forbid")

    start: Day | None = None
    end: Day | None = None

    @property
    def instants(self) -> tuple[int, int]:
        """Of the first and the last event that can be in it (UTC ms)."""
        first = -NEVER if self.start is None else _midnight(self.start)
        return first, NEVER if self.end is None else _midnight(self.end) + DAY_MS - 1

    def within(self, first: date, last: date) -> tuple[date, date] | None:
        """Those of its days that lie between two; None when none does."""
        start, end = max(self.start or first, first), min(self.end or last, last)
        return (start, end) if start <= end else None


# An audience that is calculated less often would be archived in between.
MAX_RECALCULATION_DAYS = 28


class Recalculation(Record):
    """When a lifetime audience is calculated anew by itself.

    Args:
        every_days: in the night so many days after it was calculated last; None: only when somebody asks.
    """

    model_config = ConfigDict(extra="forbid")

    every_days: Annotated[int, Field(ge=1, le=MAX_RECALCULATION_DAYS)] | None


class LifetimeResult(Record):
    """Args:
    archive_version: of the manifest that was read; it had `shard_count` shards.
    """

    calculation_id: str
    size: int
    calculated_at: datetime
    expires_at: datetime
    archive_version: int
    shard_count: int


class CreditUse(Record):
    calculation_id: str
    at: datetime
    credits: int


class CreditBook(Record):
    """The calculations that an account began.

    Args:
        number: of the last one.
        uses: of credits, those of periods long gone left out.
        version: of the stored item, for conditional writes.
    """

    account_id: AccountId
    number: int = 0
    uses: tuple[CreditUse, ...] = ()
    version: int = 0

    def used(self, since: datetime) -> int:
        return sum(use.credits for use in self.uses if use.at > since)


def credits_of(stretches: Iterable[tuple[date, date]]) -> int:
    """What it costs to read the days of these stretches, of all together each day once; at least one credit.

    A stretch counts from its first day to its last, so that the years from one January 1st to another are whole years.
    """
    merged: list[tuple[date, date]] = []
    for start, end in sorted(stretches):
        if merged and start <= merged[-1][1] + timedelta(days=1):
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    days = sum((end - start).days for start, end in merged)
    return max(1, -(-days // DAYS_A_CREDIT))


def day_of(at_ms: int) -> date:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date()


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
