"""Orders of the audience list, and the places in them at which pages begin."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from audience_core.domain.audience import AudienceCounts, AudienceOutline
from audience_core.domain.ids import AudienceId
from audience_core.errors import InvalidInputError
from audience_core.evaluation.text import fold

type _Value = str | float | None
# Whether it has no value; its value so that ascending is the wanted order; its id.
type _Place = tuple[bool, str | float | tuple[int, ...], int]


class SortKey(StrEnum):
    ID = "id"
    NAME = "name"
    SIZE = "size"
    ADDS = "adds"
    DROPS = "drops"
    VOLATILITY = "volatility"
    UPDATED = "updated"
    CREATED = "created"


@dataclass(frozen=True, slots=True)
class Sort:
    """Audiences without a value (a draft has no size) come last in both directions; the lesser id breaks ties."""

    key: SortKey = SortKey.ID
    is_descending: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Args:
        text: a sort key, with `-` before it for descending order.
        """
        return cls(SortKey(text.removeprefix("-")), text.startswith("-"))

    @property
    def is_by_figures(self) -> bool:
        return self.key in _OF_COUNTS

    def page(
        self,
        audiences: Sequence[AudienceOutline],
        figures: Mapping[AudienceId, AudienceCounts],
        after: str | None,
        limit: int,
    ) -> tuple[list[AudienceOutline], str | None]:
        """The first `limit` audiences that come after a place, and the place after which more follow.

        A place is that of the last audience shown, with the value it had then: so audiences that come, go or move
        meanwhile make no other be skipped or shown twice.
        """
        values = {each.audience_id: _value(self.key, each, figures.get(each.audience_id)) for each in audiences}
        places = {audience_id: self._place(value, audience_id) for audience_id, value in values.items()}
        start = None if after is None else self._parse_place(after)
        rest = [each for each in audiences if start is None or places[each.audience_id] > start]
        rest.sort(key=lambda each: places[each.audience_id])
        if len(rest) <= limit:
            return rest, None
        last = rest[limit - 1].audience_id
        return rest[:limit], json.dumps([values[last], last])

    def _place(self, value: _Value, audience_id: int) -> _Place:
        if value is None:
            return True, 0, audience_id
        if not self.is_descending:
            return False, value, audience_id
        # The 1 puts a text before those that it begins.
        return False, (*(-ord(each) for each in value), 1) if isinstance(value, str) else -value, audience_id

    def _parse_place(self, text: str) -> _Place:
        try:
            value, audience_id = json.loads(text)
            is_one = value is None or isinstance(value, str if self.key is SortKey.NAME else int | float)
            if is_one and isinstance(audience_id, int):
                return self._place(value, audience_id)
        except (ValueError, TypeError):
            pass
        raise InvalidInputError("the cursor does not belong to this listing", (("/query/next", "unknown cursor"),))


def volatility(counts: AudienceCounts) -> float | None:
    """The share of the audience that came or went in the last 24 hours; None when nobody is in it."""
    return (counts.adds_24h + counts.drops_24h) / counts.size if counts.size else None


def _value(key: SortKey, audience: AudienceOutline, counts: AudienceCounts | None) -> _Value:
    if key in _OF_AUDIENCE:
        return _OF_AUDIENCE[key](audience)
    return None if counts is None else _OF_COUNTS[key](counts)


_OF_AUDIENCE: Mapping[SortKey, Callable[[AudienceOutline], _Value]] = {
    SortKey.ID: lambda audience: audience.audience_id,
    SortKey.NAME: lambda audience: fold(audience.name),
    SortKey.UPDATED: lambda audience: audience.updated_at.timestamp(),
    SortKey.CREATED: lambda audience: audience.created_at.timestamp(),
}
_OF_COUNTS: Mapping[SortKey, Callable[[AudienceCounts], _Value]] = {
    SortKey.SIZE: lambda counts: counts.size,
    SortKey.ADDS: lambda counts: counts.adds_24h,
    SortKey.DROPS: lambda counts: counts.drops_24h,
    SortKey.VOLATILITY: volatility,
}
