"""Builders of A/B tests."""

from datetime import timedelta
from typing import Any

from audience_core.domain.ab_test import AbTest, Measurement, Variant
from audience_core.domain.definition import Criterion, Definition
from audience_core.domain.ids import AudienceId, Mpid
from tests.support.control import AUDIENCE, INPUT, NOW, PLAYED, WORKSPACE

TEST_ID = "t-0000000000000001"


def an_ab_test(*percentages: int, test_id: str = TEST_ID, first_id: int = 101) -> AbTest:
    """Variations A, B and so on of these percentages, and Control; their audience ids count up from `first_id`."""
    bounds = [0, *(sum(percentages[: n + 1]) for n in range(len(percentages))), 100]
    names = [*(f"Variation {'ABCDE'[n]}" for n in range(len(percentages))), "Control"]
    variants = tuple(
        Variant(audience_id=AudienceId(first_id + n), test_id=test_id, name=name, first=bounds[n], until=bounds[n + 1])
        for n, name in enumerate(names)
    )
    return AbTest(test_id=test_id, variants=variants, created_at=NOW)


def mpids_in(variant: Variant, count: int, step: int = 1) -> list[Mpid]:
    """The first so many positive mpids that fall into a variant, of those that `step` divides."""
    found: list[Mpid] = []
    mpid = 0
    while len(found) < count:
        mpid += step
        if variant.has(Mpid(mpid)):
            found.append(Mpid(mpid))
    return found


def a_measurement(root: Criterion = PLAYED.root, **given: Any) -> Measurement:
    """Of the last day of a test of 30 % and 20 %."""
    test = an_ab_test(30, 20)
    defaults: dict[str, Any] = {
        "audience_id": AUDIENCE,
        "variants": test.variants,
        "baseline": test.control.audience_id,
        "criterion": Definition(root=root),
        "workspaces": (WORKSPACE,),
        "inputs": (INPUT,),
        "start": NOW - timedelta(days=1),
        "end": NOW,
    }
    return Measurement(**defaults | given)
