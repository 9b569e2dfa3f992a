"""The mapping file: how the columns of a file become users and events (documented in docs/cli.md)."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from audience_cli.errors import UsageError

USER_IDENTITIES = frozenset(
    {"customer_id", "email", "other", "facebook", "twitter", "google", "microsoft", "yahoo", "alias"}
    | {"mobile_number", "phone_number_2", "phone_number_3", "facebook_custom_audience_id"}
    | {f"other_id_{number}" for number in range(2, 11)}
)
DEVICE_IDENTITIES = frozenset(
    {"ios_advertising_id", "ios_idfv", "android_advertising_id", "android_uuid", "push_token", "amp_id"}
    | {"roku_advertising_id", "roku_publisher_id", "fire_advertising_id"}
    | {"microsoft_advertising_id", "microsoft_publisher_id"}
)
# Beside the others, not in a map of its own, in a batch.
TOP_LEVEL_IDENTITIES = frozenset({"mpid", "mp_deviceid"})

type Scalar = str | int | float | bool
type EventType = Literal[
    "custom_event",
    "commerce_event",
    "screen_view",
    "session_start",
    "session_end",
    "application_state_transition",
    "crash_report",
    "uninstall",
]


class Part(BaseModel):
    """What all parts of the file share: an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(Part):
    """The value of a column.

    Args:
        type: how to read it; by default as the file has it.
        decimal: the decimal mark of a number written as text; the other mark and spaces separate thousands.
        split: text that separates the elements of a list.
    """

    column: Annotated[str, Field(min_length=1)]
    type: Literal["text", "number", "integer", "boolean", "time"] | None = None
    decimal: Literal[".", ","] = "."
    split: Annotated[str, Field(min_length=1)] | None = None
    format: str | None = None

    @model_validator(mode="after")
    def options_fit_the_type(self) -> Self:
        if self.format is not None and self.type != "time":
            raise ValueError('`format` is for times: add type = "time"')
        if self.split is not None and self.type not in (None, "text"):
            raise ValueError("`split` gives a list of texts; leave `type` out")
        return self


class Constant(Part):
    """The same value for every row."""

    constant: Scalar


class Multiply(Part):
    """The product of two numeric columns, rounded to six decimals."""

    multiply: Annotated[tuple[str, str], Field(description="two columns")]
    decimal: Literal[".", ","] = "."


class Sum(Part):
    """The sum of a figure over the products of the event, rounded to six decimals."""

    sum: str


def _column(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


def _time(value: object) -> object:
    value = _column(value)
    return {"type": "time", **value} if isinstance(value, dict) else value


def _kind(value: object) -> str | None:
    """Which form of value it is, told by its first key, so that a mistake is reported for that form alone."""
    keys = value if isinstance(value, dict) else getattr(type(value), "model_fields", {})
    return next((f"<{key}>" for key in ("column", "constant", "multiply", "sum") if key in keys), None)


type FromColumn = Annotated[Column, Tag("<column>")]
type FromConstant = Annotated[Constant, Tag("<constant>")]
type FromMultiply = Annotated[Multiply, Tag("<multiply>")]
type FromSum = Annotated[Sum, Tag("<sum>")]
UNKNOWN_VALUE = 'write a column\'s name, { column = "..." }, { constant = ... } or { multiply = ["...", "..."] }'
UNKNOWN_TOTAL = 'write a column\'s name, { multiply = ["...", "..."] } or { sum = "total_product_amount" }'
Value = Annotated[
    FromColumn | FromConstant | FromMultiply,
    Discriminator(_kind, custom_error_type="value", custom_error_message=UNKNOWN_VALUE),
    BeforeValidator(_column),
]
Total = Annotated[
    FromColumn | FromMultiply | FromSum,
    Discriminator(_kind, custom_error_type="total", custom_error_message=UNKNOWN_TOTAL),
    BeforeValidator(_column),
]
Time = Annotated[Column, BeforeValidator(_time)]


class Filter(Part):
    """Which rows are imported; a row that fails is skipped and counted."""

    column: str
    is_: Annotated[Literal["null", "not_null"] | None, Field(alias="is")] = None
    equals: Scalar | None = None
    one_of: tuple[Scalar, ...] | None = None
    not_one_of: tuple[Scalar, ...] | None = None
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def has_one_test(self) -> Self:
        tests = (self.is_, self.equals, self.one_of, self.not_one_of, self.at_least, self.at_most)
        if sum(test is not None for test in tests) != 1:
            raise ValueError("give exactly one of is, equals, one_of, not_one_of, at_least, at_most")
        return self


class Sign(Part):
    """Rows with a negative number become an event of another name (or action), with positive figures."""

    column: str
    negative: str


class Source(Part):
    """How to read the file."""

    format: Literal["csv", "parquet", "jsonl"] | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    encoding: str = "utf-8"
    time_zone: str = "UTC"
    environment: Literal["production", "development"] = "production"

    @model_validator(mode="after")
    def time_zone_is_known(self) -> Self:
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"time_zone: there is no time zone {self.time_zone!r}") from error
        return self


class EventMapping(Part):
    """What one row, or one group of rows, says a user did.

    Args:
        name: event name of a custom event, screen name of a screen view.
        action: of a commerce event.
        group_by: rows with equal values in these columns are one event, with one product per row.
        id: columns that identify the event in its system of origin; by default its position and content do.
        data: further fields of the event, by their names on the wire.
        action_data: further fields of a commerce event's product action.
    """

    type: EventType
    timestamp: Time
    name: Value | None = None
    custom_type: str = "other"
    action: str | None = None
    group_by: tuple[str, ...] = ()
    id: tuple[str, ...] = ()
    sign: Sign | None = None
    products: dict[str, Value] = Field(default_factory=dict)
    total_amount: Total | None = None
    data: dict[str, Value] = Field(default_factory=dict)
    action_data: dict[str, Value] = Field(default_factory=dict)
    attributes: dict[str, Value] = Field(default_factory=dict)

    @model_validator(mode="after")
    def fits_its_type(self) -> Self:
        commerce = self.type == "commerce_event"
        if commerce and self.action is None:
            raise ValueError('a commerce_event needs an action, for example action = "purchase"')
        if not commerce and (self.action or self.products or self.action_data or self.total_amount):
            raise ValueError("action, action_data, products and total_amount belong to a commerce_event")
        if self.type in ("custom_event", "screen_view") and self.name is None:
            raise ValueError(f'a {self.type} needs a name: a column, or {{ constant = "..." }}')
        if self.sign and not commerce and self.type != "custom_event":
            raise ValueError("sign is for commerce_event and custom_event")
        if isinstance(self.total_amount, Sum) and self.total_amount.sum not in self.products:
            raise ValueError(f"total_amount sums products.{self.total_amount.sum}, which is not mapped")
        return self


def _known_identity(name: str) -> str:
    known = USER_IDENTITIES | DEVICE_IDENTITIES | TOP_LEVEL_IDENTITIES
    if name not in known:
        raise ValueError(f"{name!r} is no identity type; there are {', '.join(sorted(known))}")
    return name


class Mapping(Part):
    """A whole mapping file."""

    source: Source = Source()
    filter: tuple[Filter, ...] = ()
    identities: Annotated[dict[Annotated[str, AfterValidator(_known_identity)], Value], Field(min_length=1)]
    attributes: dict[str, Value] = Field(default_factory=dict)
    device: dict[str, Value] = Field(default_factory=dict)
    event: EventMapping | None = None


def load_mapping(path: Path) -> tuple[Mapping, str]:
    """The mapping and the text it was read from.

    Raises:
        UsageError: it cannot be read; the message names each faulty key.
    """
    try:
        text = path.read_text("utf-8")
        return Mapping.model_validate(tomllib.loads(text)), text
    except OSError as error:
        raise UsageError(f"cannot read the mapping file: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        raise UsageError(f"{path} is not a usable mapping:\n{problems(error)}") from error


def problems(error: ValidationError) -> str:
    """One line per mistake: where it is, and what is wrong."""
    return "\n".join(f"  {_place(each['loc'])}: {each['msg'].removeprefix('Value error, ')}" for each in error.errors())


def _place(location: tuple[int | str, ...]) -> str:
    parts = [str(each) for each in location]
    # What pydantic puts in angle and square brackets is no key of the file.
    return ".".join(each for each in parts if each[0] not in "<[") or "the file"
