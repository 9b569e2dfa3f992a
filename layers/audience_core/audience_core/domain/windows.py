"""Time in a definition: durations and windows; also what all its parts are made of."""

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

MAX_NAME_CHARS = 256
MAX_TEXT_CHARS = 4096

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]
Text = Annotated[str, Field(max_length=MAX_TEXT_CHARS)]
# Numbers are decimals with six fractional digits (docs/semantics.md).
Number = Annotated[float, Field(strict=True, ge=-1e12, le=1e12, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _only_a_day(value: Any) -> Any:
    if isinstance(value, date) or (isinstance(value, str) and _DAY.fullmatch(value)):
        return value
    raise ValueError("Input should be a date like 2018-09-09")


Day = Annotated[date, BeforeValidator(_only_a_day)]


class Node(BaseModel):
    """What all parts of a definition share: frozen, and no unknown field passes.

    Validators are built when a class is first used: most processes read whole audiences and need only the largest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Unit(StrEnum):
    """Of time; no months or years, because they have no fixed length."""

    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    WEEKS = "weeks"


class Duration(Node):
    """A length of time; a day is 24 hours."""

    amount: Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
    unit: Unit


class WithinLast(Node):
    """[now - duration, now]."""

    type: Literal["within_last"] = "within_last"
    duration: Duration


class BetweenAgo(Node):
    """[now - older, now - newer]."""

    type: Literal["between_ago"] = "between_ago"
    older: Duration
    newer: Duration


class BeforeDate(Node):
    """Up to the last instant of the UTC day before `date`."""

    type: Literal["before"] = "before"
    date: Day


class AfterDate(Node):
    """From the first instant of the UTC day after `date`, or of `date` itself when inclusive."""

    type: Literal["after"] = "after"
    date: Day
    inclusive: Flag = False


class OnDate(Node):
    """The whole UTC day."""

    type: Literal["on"] = "on"
    date: Day


class BetweenDates(Node):
    """From the first instant of the UTC day `start` to the last of `end`."""

    type: Literal["between_dates"] = "between_dates"
    start: Day
    end: Day


Window = Annotated[
    WithinLast | BetweenAgo | BeforeDate | AfterDate | OnDate | BetweenDates, Field(discriminator="type")
]

LAST_30_DAYS = WithinLast(duration=Duration(amount=30, unit=Unit.DAYS))
