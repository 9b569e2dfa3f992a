"""The size of an audience over time, walked back through its history."""

from datetime import UTC, datetime

import pytest

from audience_core.api.edge import instant
from audience_core.domain.ids import AudienceId, Mpid
from audience_core.domain.membership import HistoryEntry, Reason
from audience_core.domain.profile import bucket_of
from audience_core.domain.stores import CountStep
from audience_core.management import sizes
from audience_core.persistence.memory.control import MemoryAudienceStore
from audience_core.persistence.memory.history import MemoryHistoryStore
from audience_core.persistence.memory.memberships import MemoryMembershipStore
from tests.support.control import ACCOUNT, an_audience

HOUR, DAY = 3_600_000, 86_400_000
MIDNIGHT = int(datetime(2026, 11, 24, tzinfo=UTC).timestamp() * 1000)
NOW = MIDNIGHT + DAY // 2
AUDIENCE = AudienceId(1)


def joined(user: int, at: int) -> HistoryEntry:
    return HistoryEntry(AUDIENCE, Mpid(user), True, at, Reason.EVENT, at)


def left(user: int, at: int) -> HistoryEntry:
    return HistoryEntry(AUDIENCE, Mpid(user), False, at, Reason.TIME, at)


def series(days: int, *entries: HistoryEntry) -> sizes.SizeSeries:
    audiences, memberships, history = MemoryAudienceStore(), MemoryMembershipStore(), MemoryHistoryStore()
    audiences.publish(an_audience(audience_id=AUDIENCE))
    history.log(ACCOUNT, [(str(number), each) for number, each in enumerate(entries)], 365)
    for number, each in enumerate(sorted(entries, key=lambda one: one.at)):
        step = CountStep(bucket_of(each.mpid), str(number), each.at, int(each.is_member), int(not each.is_member))
        memberships.count(ACCOUNT, {AUDIENCE: [step]})
    return sizes.series(audiences, memberships, history, ACCOUNT, AUDIENCE, days, instant(NOW))


def test_each_day_has_the_size_at_its_end_and_what_changed_in_it() -> None:
    found = series(
        30, joined(1, MIDNIGHT - 2 * DAY), joined(2, MIDNIGHT - 2 * DAY), left(1, MIDNIGHT - 1), joined(3, NOW - 1)
    )

    assert (found.step_seconds, found.is_complete, len(found.points)) == (86_400, True, 31)
    last = [(each.at, each.size, each.adds, each.drops) for each in found.points[-4:]]
    assert last == [
        (instant(MIDNIGHT - 2 * DAY), 0, 0, 0),
        (instant(MIDNIGHT - DAY), 2, 2, 0),
        (instant(MIDNIGHT), 1, 0, 1),
        (instant(NOW), 2, 1, 0),
    ]


@pytest.mark.parametrize(("days", "step"), [(1, HOUR), (2, HOUR), (7, 6 * HOUR), (10, 6 * HOUR), (11, DAY), (365, DAY)])
def test_short_spans_have_finer_steps(days: int, step: int) -> None:
    found = series(days, joined(1, NOW - HOUR))

    assert found.step_seconds * 1000 == step
    assert found.points[-1].at == instant(NOW)
    assert found.points[0].at <= instant(NOW - days * DAY + step)


def test_what_happened_before_the_span_is_in_its_first_size() -> None:
    found = series(2, joined(1, NOW - 20 * DAY), joined(2, NOW - HOUR))

    assert found.points[0].size == 1
    assert sum(each.adds for each in found.points) == 1


def test_a_history_that_is_too_long_gives_a_shorter_series(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "MAX_CHANGES", 5)

    found = series(2, *(joined(user, NOW - user * HOUR) for user in range(1, 20)))

    assert not found.is_complete
    assert [each.size for each in found.points] == [16, 17, 18, 19, 19]
