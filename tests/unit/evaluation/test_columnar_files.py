"""The files of a shard hold what they promise, and are read no further than needed."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from audience_core.domain import definition as d
from audience_core.domain import value_tests as v
from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.event import Environment, Event, Scalar
from audience_core.domain.ids import AccountId, AudienceId, InputId, Mpid, WorkspaceId
from audience_core.domain.profile import Profile, Seen
from audience_core.evaluation.columnar.evaluate import evaluate
from audience_core.evaluation.columnar.parquet import ParquetGroups
from audience_core.evaluation.columnar.shard import EventRange, look_back
from tests.support.results import members_of
from tests.support.shards import shard_of, stored_shard_of, tables_of
from tests.support.worlds import HOUR, NOW

WORKSPACE, INPUT = WorkspaceId("w-a"), InputId("i-1")
VIEW = d.EventSelector(kind=d.EventKind.CUSTOM, name="view")


def an_event(number: int, at: int, name: str = "view", **attributes: Scalar) -> Event:
    return Event(d.EventKind.CUSTOM, name, at, number.to_bytes(8), WORKSPACE, INPUT, attributes)


def a_profile(mpid: int, *events: Event) -> Profile:
    profile = Profile(AccountId(1), Environment.PRODUCTION, Mpid(mpid))
    profile.seen[WORKSPACE] = Seen(NOW - HOUR, NOW)
    for event in events:
        profile.timeline.setdefault((event.kind, event.name), []).append(event)
    return profile


def an_audience(root: Any) -> Audience:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return Audience(
        account_id=AccountId(1),
        audience_id=AudienceId(1),
        name="audience",
        status=AudienceStatus.ACTIVE,
        workspaces=(WORKSPACE,),
        inputs=(INPUT,),
        definition=d.Definition(root=root),
        created_by="test",
        created_at=moment,
        updated_at=moment,
    )


def last_value_is(text: str, event: d.EventSelector) -> d.AggregateCriterion:
    test = v.StringTest(operator=v.StringOperator.EQUALS, value=text)
    return d.AggregateCriterion(event=event, function=d.AggregateFunction.LAST_VALUE, attribute="color", test=test)


def viewed_in(color: str) -> d.EventCriterion:
    test = v.StringTest(operator=v.StringOperator.EQUALS, value=color)
    return d.EventCriterion(event=VIEW.model_copy(update={"where": (v.Condition(attribute="color", test=test),)}))


def test_each_event_name_is_a_row_group_sorted_by_user_and_time(tmp_path: Path) -> None:
    population = [
        a_profile(7, an_event(1, NOW - 5), an_event(2, NOW - 9, "buy")),
        a_profile(8, an_event(3, NOW - 7), an_event(4, NOW - 6)),
    ]

    stored_shard_of(population, tmp_path, 64)

    file = pq.ParquetFile(tmp_path / "events.parquet")
    groups = [file.read_row_group(place).select(["name", "user", "at"]).to_pylist() for place in range(2)]
    assert sorted(groups, key=len) == [
        [{"name": "buy", "user": 0, "at": NOW - 9}],
        [
            {"name": "view", "user": 0, "at": NOW - 5},
            {"name": "view", "user": 1, "at": NOW - 7},
            {"name": "view", "user": 1, "at": NOW - 6},
        ],
    ]


def test_users_and_instants_are_stored_as_differences_and_event_ids_not_at_all(tmp_path: Path) -> None:
    stored_shard_of([a_profile(7, an_event(1, NOW))], tmp_path, 64)

    group = pq.read_metadata(tmp_path / "events.parquet").row_group(0)

    columns = {group.column(place).path_in_schema: group.column(place) for place in range(group.num_columns)}
    assert sorted(columns) == ["at", "input", "kind", "name", "tie", "user", "workspace"]
    assert all("DELTA_BINARY_PACKED" in columns[name].encodings for name in ("user", "at"))


def test_only_the_columns_asked_for_are_read(tmp_path: Path) -> None:
    shard = stored_shard_of([a_profile(7, an_event(1, NOW, color="red", price=5))], tmp_path, 64)

    group = shard.events.read(("custom_event", "view"), ("user",), (), ("color", "size"))

    assert (list(group.integers), list(group.labels), list(group.values)) == (["user"], [], ["color"])


@pytest.mark.parametrize("inputs", [("i-1", "i-1"), ("i-1", "i-2"), ("i-2", "i-1")])
def test_labels_are_those_of_the_rows_whether_one_or_several(tmp_path: Path, inputs: tuple[str, str]) -> None:
    events = [replace(an_event(number, NOW), input_id=InputId(each)) for number, each in enumerate(inputs)]
    shard = stored_shard_of([a_profile(7, events[0]), a_profile(8, events[1])], tmp_path, 64)

    labels = shard.events.read(("custom_event", "view"), ("user",), ("input",), ()).labels["input"]

    assert tuple(labels.values[code] for code in labels.codes) == inputs


def test_a_label_that_is_the_same_in_all_rows_is_known_without_reading_it(tmp_path: Path) -> None:
    stored_shard_of([a_profile(7, an_event(1, NOW))], tmp_path, 64)
    events = ParquetGroups.open(tmp_path / "events.parquet")

    assert list(events.constants(("custom_event", "view"), ("input", "workspace"))) == ["input", "workspace"]


@pytest.mark.parametrize("promoted", [0, 1, 64])
@pytest.mark.parametrize("color", ["red", "Straße", "", "null", "12"])
def test_attributes_are_found_in_columns_of_their_own_and_in_the_rest(
    tmp_path: Path, promoted: int, color: str
) -> None:
    population = [a_profile(7, an_event(1, NOW, color=color, price=1)), a_profile(8, an_event(2, NOW, price=2.5))]

    shard = stored_shard_of(population, tmp_path, promoted)

    found = evaluate(shard, [an_audience(viewed_in(color))], NOW, look_back(NOW, 30))
    assert found.mpids(AudienceId(1)) == [7]


@pytest.mark.parametrize("name", ["a.b", "number:x", "user", "rest", "\udfff", ""])
def test_attributes_may_have_any_name(tmp_path: Path, name: str) -> None:
    population = [a_profile(7, an_event(1, NOW, **{name: "red", "color": "red"}))]

    shard = stored_shard_of(population, tmp_path, 64)

    group = shard.events.read(("custom_event", "view"), ("user",), (), (name,))
    assert list(group.values) == [name]


@pytest.mark.parametrize("names", [("view", "buy"), ("buy", "view")])
def test_events_of_one_instant_and_several_names_keep_their_order(tmp_path: Path, names: tuple[str, str]) -> None:
    # The first user's events decide the order of the groups, the second's of one instant have their own.
    population = [
        a_profile(7, an_event(1, NOW, "view", color="red"), an_event(2, NOW, "buy", color="blue")),
        a_profile(8, an_event(3, NOW, names[0], color="blue"), an_event(4, NOW, names[1], color="red")),
    ]
    red_at_last = an_audience(last_value_is("red", d.EventSelector(kind=d.EventKind.CUSTOM)))

    for shard in (shard_of(population), stored_shard_of(population, tmp_path, 64)):
        found = evaluate(shard, [red_at_last], NOW, look_back(NOW, 30))
        assert found.mpids(AudienceId(1)) == [8]


def test_an_event_range_includes_both_its_ends() -> None:
    population = [a_profile(mpid, an_event(1, NOW - HOUR + mpid)) for mpid in (1, 2, 3, 4)]
    viewed = an_audience(d.EventCriterion(event=VIEW))

    found = evaluate(shard_of(population), [viewed], NOW, EventRange(NOW - HOUR + 2, NOW - HOUR + 3))

    assert found.mpids(AudienceId(1)) == [2, 3]


def test_a_shard_without_users_has_no_members(tmp_path: Path) -> None:
    found = evaluate(stored_shard_of([], tmp_path, 64), [an_audience(viewed_in("red"))], NOW, look_back(NOW, 30))

    assert found.mpids(AudienceId(1)) == []
    assert members_of(found.found(), AudienceId(1)) == []


@pytest.mark.parametrize("mpids", [(-3, 5, 9), (9, -3, 5)])
def test_all_members_come_ascending_however_the_shard_has_its_users(mpids: tuple[int, ...]) -> None:
    viewed = an_audience(d.EventCriterion(event=VIEW))
    population = [*(a_profile(mpid, an_event(1, NOW)) for mpid in mpids), a_profile(-7), a_profile(7)]

    found = evaluate(shard_of(population), [viewed], NOW, look_back(NOW, 30))

    assert members_of(found.found(), AudienceId(1)) == [-3, 5, 9]


def test_tables_list_no_group_twice() -> None:
    events, _, users = tables_of([a_profile(7, an_event(1, NOW)), a_profile(8, an_event(2, NOW))])

    assert list(events) == [("custom_event", "view")]
    assert sorted(users) == [("mpid", ""), ("seen", "w-a")]
