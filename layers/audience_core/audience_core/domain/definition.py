"""The definition of an audience: a typed, frozen tree of criteria, which is also its stored and wire form."""

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

MAX_DEPTH = 8
MAX_CRITERIA = 100
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
    """What all parts of a definition share: frozen, and no unknown field passes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# Time ---------------------------------------------------------------------------------------------------------------


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


# Tests of one value -------------------------------------------------------------------------------------------------


class PresenceOperator(StrEnum):
    """Whether an attribute is there at all, and whether what is there says nothing."""

    EXISTS = "exists"
    NOT_EXISTS = "not_exists"
    EMPTY = "empty"
    NOT_EMPTY = "not_empty"


class StringOperator(StrEnum):
    """How to compare texts; each `not_` is the opposite for a value that is there."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    STARTS_WITH = "starts_with"
    NOT_STARTS_WITH = "not_starts_with"
    ENDS_WITH = "ends_with"
    NOT_ENDS_WITH = "not_ends_with"
    PATTERN = "pattern"
    NOT_PATTERN = "not_pattern"


class MembershipOperator(StrEnum):
    """One of the given values, or none of them."""

    IN_LIST = "in_list"
    NOT_IN_LIST = "not_in_list"


class NumberOperator(StrEnum):
    """How to compare numbers."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    GREATER_THAN = "greater_than"
    GREATER_OR_EQUAL = "greater_or_equal"
    LESS_THAN = "less_than"
    LESS_OR_EQUAL = "less_or_equal"


class ListOperator(StrEnum):
    """Whether an element is, or contains, a text."""

    INCLUDES = "includes"
    NOT_INCLUDES = "not_includes"
    PARTIAL_MATCH = "partial_match"
    NOT_PARTIAL_MATCH = "not_partial_match"


class PresenceTest(Node):
    """Whether there is a value, and whether it is "", [] or null."""

    type: Literal["presence"] = "presence"
    operator: PresenceOperator


class StringTest(Node):
    """Compares NFC and casefolded text; in `pattern`, `*` is any run, `?` any one character, `\\` escapes."""

    type: Literal["string"] = "string"
    operator: StringOperator
    value: Text


class StringInTest(Node):
    """Equal to one of the values, or to none of them."""

    type: Literal["string_in"] = "string_in"
    operator: MembershipOperator = MembershipOperator.IN_LIST
    values: Annotated[tuple[Text, ...], Field(min_length=1, max_length=1000)]


class NumberTest(Node):
    """Compares as decimals; a value that is no number makes it false."""

    type: Literal["number"] = "number"
    operator: NumberOperator
    value: Number


class NumberInTest(Node):
    """Equal to one of the values, or to none of them."""

    type: Literal["number_in"] = "number_in"
    operator: MembershipOperator = MembershipOperator.IN_LIST
    values: Annotated[tuple[Number, ...], Field(min_length=1, max_length=1000)]


class NumberBetweenTest(Node):
    """min <= value <= max."""

    type: Literal["number_between"] = "number_between"
    min: Number
    max: Number


class BooleanTest(Node):
    """The value is that truth value; the texts "true" and "false" count as such."""

    type: Literal["boolean"] = "boolean"
    value: Flag


class DateTest(Node):
    """The value is an instant inside the window: ISO 8601 text (no zone: UTC) or a number of UTC milliseconds."""

    type: Literal["date"] = "date"
    window: Window


class ListTest(Node):
    """A list has an element equal to the text (or containing it), or has none such."""

    type: Literal["list"] = "list"
    operator: ListOperator
    value: Text


Test = Annotated[
    PresenceTest
    | StringTest
    | StringInTest
    | NumberTest
    | NumberInTest
    | NumberBetweenTest
    | BooleanTest
    | DateTest
    | ListTest,
    Field(discriminator="type"),
]


class Condition(Node):
    """One attribute and the test its value must pass."""

    attribute: Name
    test: Test


# Events -------------------------------------------------------------------------------------------------------------


class EventKind(StrEnum):
    """What kinds of event criteria can speak of; `name` narrows the kinds that have names."""

    CUSTOM = "custom_event"
    COMMERCE = "commerce_event"
    SCREEN_VIEW = "screen_view"
    SESSION_START = "session_start"
    SESSION_END = "session_end"
    CRASH = "crash_report"
    INSTALL = "install"
    UPGRADE = "upgrade"
    UNINSTALL = "uninstall"
    ATTRIBUTION = "attribution"
    PUSH_OPENED = "push_opened"


# These four read the audience's workspaces, all others its inputs (docs/semantics.md).
WORKSPACE_KINDS = frozenset({EventKind.CRASH, EventKind.INSTALL, EventKind.UPGRADE, EventKind.UNINSTALL})


class EventSelector(Node):
    """Which events: a kind, a name (event name, commerce action, screen name; none: any), and conditions.

    All conditions must hold on the same event, all product conditions on one product of it.
    """

    kind: EventKind
    name: Name | None = None
    where: Annotated[tuple[Condition, ...], Field(max_length=20)] = ()
    products: Annotated[tuple[Condition, ...], Field(max_length=20)] = ()


class Compare(Node):
    """A comparison of a count with a number."""

    type: Literal["compare"] = "compare"
    operator: NumberOperator
    value: Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]


class CountBetween(Node):
    """min <= count <= max."""

    type: Literal["between"] = "between"
    min: Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]
    max: Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]


Frequency = Annotated[Compare | CountBetween, Field(discriminator="type")]
AT_LEAST_ONE = Compare(operator=NumberOperator.GREATER_THAN, value=0)


class EventCriterion(Node):
    """How often matching events happened in a window."""

    type: Literal["event"] = "event"
    event: EventSelector
    window: Window = LAST_30_DAYS
    frequency: Frequency = AT_LEAST_ONE


class AggregateFunction(StrEnum):
    """What is made of the values of the matching events; sum and distinct count of nothing are 0."""

    SUM = "sum"
    MIN = "min"
    MAX = "max"
    AVERAGE = "average"
    DISTINCT_COUNT = "distinct_count"
    FIRST_VALUE = "first_value"
    LAST_VALUE = "last_value"


class AggregateCriterion(Node):
    """A test of a figure over one attribute of the matching events in a window.

    Args:
        attribute: of the event; `products.<name>` reads every product of the event.
        test: a number test for figures; any test for the first or last value.
    """

    type: Literal["aggregate"] = "aggregate"
    event: EventSelector
    function: AggregateFunction
    attribute: Name
    window: Window = LAST_30_DAYS
    test: Test


class Occurrence(StrEnum):
    """Which of the matching events."""

    FIRST = "first"
    LAST = "last"


class OccurrenceCriterion(Node):
    """The first or last matching event the audience can see happened in the window."""

    type: Literal["occurrence"] = "occurrence"
    event: EventSelector
    which: Occurrence
    window: Window


class SequenceCriterion(Node):
    """The events happened one after another, each strictly later than the one before.

    Args:
        within: longest time from the first step to the last (both ends inclusive); none: any.
        window: every step lies in it.
    """

    type: Literal["sequence"] = "sequence"
    steps: Annotated[tuple[EventSelector, ...], Field(min_length=2, max_length=5)]
    within: Duration | None = None
    window: Window = LAST_30_DAYS


class CartAbandonmentCriterion(Node):
    """Added to cart in the window, and no purchase at or after that for `after` long.

    True for an add at `t` from `t + after` on, when no purchase lies in [t, t + after].
    """

    type: Literal["cart_abandonment"] = "cart_abandonment"
    after: Duration
    window: Window = LAST_30_DAYS


# Profile ------------------------------------------------------------------------------------------------------------


class AttributeLevel(StrEnum):
    """Whose values are read: the audience's own workspaces, or all of the account (most recent wins)."""

    WORKSPACE = "workspace"
    ACCOUNT = "account"


class UserAttributeCriterion(Node):
    """A test of a user attribute's latest value."""

    type: Literal["user_attribute"] = "user_attribute"
    attribute: Name
    level: AttributeLevel = AttributeLevel.WORKSPACE
    test: Test


class IdentityCriterion(Node):
    """One of the profile's identities of that type passes; of a negative test, all do; `not_exists`: it has none."""

    type: Literal["identity"] = "identity"
    identity_type: Name
    test: Test


class FirstSeenCriterion(Node):
    """The first sign of the user in the audience's workspaces lies in the window."""

    type: Literal["first_seen"] = "first_seen"
    window: Window


class LastSeenCriterion(Node):
    """The latest sign of the user in the audience's workspaces lies in the window."""

    type: Literal["last_seen"] = "last_seen"
    window: Window


class DeviceCriterion(Node):
    """One of the profile's devices passes; of a negative test, all do (platform, os_version, device_model, ...)."""

    type: Literal["device"] = "device"
    field: Name
    test: Test


class LocationField(StrEnum):
    """A part of a place."""

    COUNTRY = "country"
    REGION = "region"
    CITY = "city"
    POSTAL_CODE = "postal_code"
    DMA = "dma"


class LocationCriterion(Node):
    """The profile's latest known place."""

    type: Literal["location"] = "location"
    field: LocationField
    test: Test


class LocationWithinCriterion(Node):
    """The latest known coordinates lie within a great-circle distance of a point."""

    type: Literal["location_within"] = "location_within"
    latitude: Annotated[float, Field(strict=True, ge=-90, le=90)]
    longitude: Annotated[float, Field(strict=True, ge=-180, le=180)]
    distance_km: Annotated[float, Field(strict=True, gt=0, le=20_038)]


class Consent(StrEnum):
    """What is asked about a purpose."""

    PRESENT = "present"
    NOT_PRESENT = "not_present"


class ConsentCriterion(Node):
    """Whether consent for a purpose was given, in the audience's workspaces; no record is `not_present`."""

    type: Literal["consent"] = "consent"
    regulation: Literal["gdpr", "ccpa"]
    purpose: Name
    state: Consent = Consent.PRESENT


class InstallAttributionCriterion(Node):
    """Publisher or campaign that brought the install (or was told of the uninstall)."""

    type: Literal["install_attribution"] = "install_attribution"
    field: Literal["publisher", "campaign"]
    test: Test


class AudienceMembershipCriterion(Node):
    """The profile is in another audience of the account, which itself contains no such criterion."""

    type: Literal["audience_membership"] = "audience_membership"
    audience_id: Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]


# Logic --------------------------------------------------------------------------------------------------------------


class AllOf(Node):
    """Every criterion holds."""

    type: Literal["all_of"] = "all_of"
    criteria: Annotated[tuple["Criterion", ...], Field(min_length=1)]


class AnyOf(Node):
    """At least one criterion holds."""

    type: Literal["any_of"] = "any_of"
    criteria: Annotated[tuple["Criterion", ...], Field(min_length=1)]


class Not(Node):
    """The plain complement."""

    type: Literal["not"] = "not"
    criterion: "Criterion"


Criterion = Annotated[
    AllOf
    | AnyOf
    | Not
    | EventCriterion
    | AggregateCriterion
    | OccurrenceCriterion
    | SequenceCriterion
    | CartAbandonmentCriterion
    | UserAttributeCriterion
    | IdentityCriterion
    | FirstSeenCriterion
    | LastSeenCriterion
    | DeviceCriterion
    | LocationCriterion
    | LocationWithinCriterion
    | ConsentCriterion
    | InstallAttributionCriterion
    | AudienceMembershipCriterion,
    Field(discriminator="type"),
]


class Definition(Node):
    """A whole definition; `version` is that of this format."""

    version: Literal[1] = 1
    root: Criterion


AllOf.model_rebuild()
AnyOf.model_rebuild()
Not.model_rebuild()
