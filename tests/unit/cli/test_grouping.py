"""Rows become events and events become chunks; reading can begin again at a chunk's end."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from audience_cli.importer.grouping import chunks, groups
from audience_cli.importer.mapping import Mapping
from audience_cli.importer.plan import Plan
from audience_cli.importer.rows import Head, Row

keys = st.lists(st.integers(0, 6), max_size=80)


def rows_of(keys: list[int], start: int = 0) -> list[Row]:
    return [
        Row(number, (key,), key, False, {"n": number}, lambda: Head({}, {}, {}, None, {}, {}, {}, ()))
        for number, key in enumerate(keys)
        if number >= start
    ]


def shape(found) -> list[list[list[int]]]:
    return [[[product["n"] for product in group.products] for group in chunk.groups] for chunk in found]


def test_rows_of_one_key_are_one_group_though_others_stand_between() -> None:
    found = [group for group, _ in groups(rows_of([1, 2, 1, 3, 2]))]

    assert [[product["n"] for product in group.products] for group in found] == [[0, 2], [1, 4], [3]]


def test_a_key_that_comes_again_much_later_is_another_group() -> None:
    found = [group for group, _ in groups(rows_of([1, 2, 3, 1]), window=2)]

    assert [group.first for group in found] == [0, 1, 2, 3]


@given(keys=keys, window=st.integers(1, 5), size=st.integers(1, 6))
def test_reading_can_begin_again_where_a_chunk_says(keys: list[int], window: int, size: int) -> None:
    found = list(chunks(groups(rows_of(keys), window), max_groups=size))

    for number, chunk in enumerate(found):
        if chunk.restart is not None:
            again = chunks(groups(rows_of(keys, chunk.restart), window), max_groups=size)
            assert shape(again) == shape(found[number + 1 :])


@given(keys=keys, window=st.integers(1, 5), size=st.integers(1, 6))
def test_every_row_is_in_exactly_one_group(keys: list[int], window: int, size: int) -> None:
    found = shape(chunks(groups(rows_of(keys), window), max_groups=size))

    assert sorted(row for chunk in found for group in chunk for row in group) == list(range(len(keys)))


def test_a_plan_goes_on_from_every_position_it_gives(tmp_path: Path) -> None:
    mapping = Mapping.model_validate(
        {
            "identities": {"customer_id": "c"},
            "event": {
                "type": "commerce_event",
                "action": "purchase",
                "timestamp": {"column": "t", "format": "ms"},
                "group_by": ["c", "t"],
                "products": {"name": "p"},
            },
        }
    )
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for place, file in enumerate(files):
        # Every other row belongs to the event begun two rows before.
        rows = [f"c{(row // 2) % 9 + row % 2},{row // 4 * 60_000 + place},p{row}" for row in range(800)]
        file.write_text("c,t,p\n" + "\n".join(rows) + "\n")
    steps = list(Plan(files, mapping, chunk_groups=20).steps())

    for number, step in enumerate(steps):
        rest = Plan(files, mapping, chunk_groups=20).steps(step.after)
        assert [each.body for each in rest] == [each.body for each in steps[number + 1 :]]
    assert any(step.after.row for step in steps)
    assert len({step.after for step in steps}) > 40
