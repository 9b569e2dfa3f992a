"""The definition of an audience: a typed, frozen tree of criteria, which is also its stored and wire form."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from audience_core.domain.value_tests import Condition, NumberOperator, Test
from audience_core.domain.windows import LAST_30_DAYS, Duration, Name, Node, Window

MAX_DEPTH = 8
MAX_CRITERIA = 100

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
