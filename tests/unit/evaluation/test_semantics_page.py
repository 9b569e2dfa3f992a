"""docs/semantics.md says what the evaluators do, and speaks of the whole language."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, get_args

import pytest

from audience_core.domain import definition as d
from audience_core.domain import value_tests as v
from audience_core.domain import windows as w
from audience_core.domain.ids import NEVER
from audience_core.evaluation.compiler import compile_program
from audience_core.evaluation.view import View
from tests.support.semantics import AUDIENCE, EVALUATORS, Evaluator, Example, examples, headings, instant, naive

EXAMPLES = examples()


def tags(union: Any) -> list[str]:
    """The `type` of each member of a discriminated union."""
    members = get_args(get_args(union)[0])
    return [member.model_fields["type"].default for member in members]


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """All JSON objects within, with those inside them."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(inner)


def parts(example: Example) -> list[dict[str, Any]]:
    return [part for written in example.definitions().values() for part in objects(written)]


@pytest.mark.parametrize("evaluator", EVALUATORS.values(), ids=EVALUATORS.keys())
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.title)
def test_every_evaluator_says_what_the_page_says(example: Example, evaluator: Evaluator) -> None:
    portfolio = example.portfolio()

    for user, profile in example.users():
        member = evaluator(portfolio, profile, example.at, example.look_back_days)

        assert member is user["member"], user


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.title)
def test_membership_turns_when_the_page_says(example: Example) -> None:
    portfolio = example.portfolio()
    program = compile_program(1, portfolio.values(), example.look_back_days)

    for user, profile in example.users():
        if "until" in user:
            _, until = program.next_change(AUDIENCE, View(profile), example.at)

            assert until == (NEVER if user["until"] is None else instant(user["until"])), user
            if until < NEVER:
                assert naive(portfolio, profile, until - 1, example.look_back_days) is user["member"]
                assert naive(portfolio, profile, until, example.look_back_days) is not user["member"]


@pytest.mark.parametrize("tag", tags(d.Criterion))
def test_each_criterion_has_a_heading_and_under_it_an_example(tag: str) -> None:
    under_it = [example for example in EXAMPLES if example.headings[-1] == f"`{tag}`"]

    assert any(part.get("type") == tag for example in under_it for part in parts(example))


@pytest.mark.parametrize(
    ("family", "tag"), [("Test", tag) for tag in tags(v.Test)] + [("Window", t) for t in tags(w.Window)]
)
def test_each_family_of_operators_has_a_heading_and_under_it_an_example(family: str, tag: str) -> None:
    under_it = [example for example in EXAMPLES if example.headings[-1] == f"{family} `{tag}`"]

    assert any(part.get("type") == tag for example in under_it for part in parts(example))


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("operator", v.PresenceOperator),
        ("operator", v.StringOperator),
        ("operator", v.MembershipOperator),
        ("operator", v.NumberOperator),
        ("operator", v.ListOperator),
        ("function", d.AggregateFunction),
        ("which", d.Occurrence),
        ("state", d.Consent),
        ("level", d.AttributeLevel),
    ],
)
def test_each_word_of_the_language_is_used_in_an_example(field: str, words: type[StrEnum]) -> None:
    used = {part[field] for example in EXAMPLES for part in parts(example) if isinstance(part.get(field), str)}
    by_default = {d.AttributeLevel.WORKSPACE, d.Consent.PRESENT}

    assert set(words) - used <= by_default


def test_no_heading_is_there_twice() -> None:
    found = headings()

    assert len(found) == len(set(found))
