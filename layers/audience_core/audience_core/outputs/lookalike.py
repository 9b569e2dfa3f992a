"""What some partners can do besides: find people who are like the members of an audience."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

_HUNDREDTH = Decimal("0.01")
type Share = Annotated[Decimal, Field(ge=_HUNDREDTH, le=Decimal("0.20"), multiple_of=_HUNDREDTH)]


class LookalikeSpec(BaseModel):
    """Which people to look for.

    Args:
        origin: which of the connection's remote audiences they should be like, by the partner's kinds; empty for the
            one that describes its members best.
        country: where, ISO 3166-1 alpha-2.
        ratio: how many of the country's people, the most alike first, 0.01 to 0.20 in hundredths.
        starting_ratio: leave out so many of the most alike.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$", examples=["US"])]
    ratio: Share = _HUNDREDTH
    starting_ratio: Share | None = None
    origin: Annotated[str, Field(max_length=20)] = ""

    @model_validator(mode="after")
    def _starts_before_it_ends(self) -> "LookalikeSpec":
        if self.starting_ratio is not None and self.starting_ratio >= self.ratio:
            raise ValueError("starting_ratio must be less than ratio")
        return self


@dataclass(frozen=True, slots=True)
class Lookalike:
    """An audience at the partner, named as people find it there."""

    remote_id: str
    name: str
