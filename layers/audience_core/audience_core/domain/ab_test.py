"""A/B tests: the members of an audience split into variations and Control, each user always into the same one."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from audience_core.domain.account import MAX_NAME_LENGTH, Record
from audience_core.domain.definition import Definition
from audience_core.domain.ids import AudienceId, InputId, Mpid, WorkspaceId

MAX_VARIATIONS = 5
CONTROL = "Control"
# Shares are whole percentages: everybody is in one of so many equal slices.
SLICES = 100
# Trimmed; its length is in code points.
VariantName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME_LENGTH)]


class Variant(Record):
    """A share of an audience, which can be connected like an audience. It never changes, so that copies stay true.

    Args:
        audience_id: its own, by which partners know it.
        first, until: its slices, `first <= slice < until`; none for a Control of 0 %.
    """

    audience_id: AudienceId
    test_id: str
    name: VariantName
    first: Annotated[int, Field(ge=0, le=SLICES)]
    until: Annotated[int, Field(ge=0, le=SLICES)]

    @property
    def percentage(self) -> int:
        return self.until - self.first

    def has(self, mpid: Mpid) -> bool:
        """Whether it is this share of any audience that a profile would fall into."""
        return self.first <= slice_of(self.test_id, mpid) < self.until


class AbTest(Record):
    """Args:
    variants: the variations in the order of their creation, then Control; together they are all slices.
    is_ending: it is being deleted, and nothing more can be connected to it.
    """

    test_id: str
    variants: tuple[Variant, ...]
    created_at: datetime
    is_ending: bool = False

    @property
    def control(self) -> Variant:
        return self.variants[-1]


class Measurement(Record):
    """Which outcomes of a test are to be counted.

    Args:
        variants: of the test, which may be gone when the outcomes are read.
        baseline: id of the variant that the others are compared with.
        criterion: what a conversion is; `workspaces` and `inputs`: what it reads.
        start, end: the period, `start <= t < end`.
    """

    audience_id: AudienceId
    variants: tuple[Variant, ...]
    baseline: AudienceId
    criterion: Definition
    workspaces: tuple[WorkspaceId, ...]
    inputs: tuple[InputId, ...]
    start: datetime
    end: datetime


class Outcome(Record):
    """Args:
    variant: its id.
    users: how many of it were members in the period; `converted`: how many of these did what was asked for.
    """

    variant: AudienceId
    users: int = 0
    converted: int = 0


def variant_of(variants: Sequence[Variant], mpid: Mpid) -> Variant:
    """The one that a profile is in, of all those of a test."""
    place = slice_of(variants[0].test_id, mpid)
    return next(each for each in variants if each.first <= place < each.until)


def slice_of(test_id: str, mpid: Mpid) -> int:
    """From 0 to 99, the same for ever; of two tests, one says nothing of the other."""
    return int(hashlib.sha256(f"{test_id}:{mpid}".encode()).hexdigest()[:8], 16) % SLICES
