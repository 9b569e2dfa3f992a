"""Mapping files: what is wrong is said in the file's own words."""

from pathlib import Path

import pytest

from audience_cli.errors import UsageError
from audience_cli.importer.mapping import load_mapping
from audience_cli.importer.rows import columns_of

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"


def load(tmp_path: Path, text: str):
    file = tmp_path / "m.toml"
    file.write_text(text)
    return load_mapping(file)[0]


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.mapping.toml")), ids=lambda file: file.name)
def test_documented_mappings_can_be_used(file: Path) -> None:
    assert columns_of(load_mapping(file)[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[identities]\ncustomer = 'c'", "identities.customer: 'customer' is no identity type"),
        ("[identities]", "identities: "),
        ("[identities]\nemail = 'm'\n[atributes]\na = 'b'", "atributes: Extra inputs"),
        ("[identities]\nemail = 3", "identities.email: write a column's name"),
        ("[identities]\nemail = { column = 'm', format = '%Y' }", "identities.email: `format` is for times"),
        (
            "[identities]\nemail = 'm'\n[event]\ntype = 'commerce_event'\ntimestamp = 't'",
            "event: a commerce_event needs an action",
        ),
        (
            "[identities]\nemail = 'm'\n[event]\ntype = 'screen_view'\ntimestamp = 't'",
            "event: a screen_view needs a name",
        ),
        ("[identities]\nemail = 'm'\n[event]\ntype = 'visit'\ntimestamp = 't'", "event.type: Input should be"),
        ("[identities]\nemail = 'm'\n[[filter]]\ncolumn = 'c'", "filter.0: give exactly one of"),
        ("[identities]\nemail = 'm'\n[source]\ntime_zone = 'Mars/Base'", "there is no time zone 'Mars/Base'"),
        ("identities = ", "is not TOML"),
    ],
)
def test_a_mistake_is_named_by_its_place(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(UsageError) as raised:
        load(tmp_path, text)

    assert expected in str(raised.value)


def test_every_column_that_is_read_is_known(tmp_path: Path) -> None:
    mapping = load(
        tmp_path,
        """
        [[filter]]
        column = "f"
        at_least = 3
        [identities]
        email = "m"
        [attributes]
        a = { multiply = ["x", "y"] }
        [device]
        platform = { constant = "web" }
        [event]
        type = "custom_event"
        name = "n"
        timestamp = "t"
        group_by = ["g"]
        id = ["i"]
        sign = { column = "s", negative = "Undo" }
        attributes = { p = "q" }
        """,
    )

    assert columns_of(mapping) == frozenset("fmxyntgisq")
