"""How an audience is split: the same way for ever, everybody once, in the shares that were asked for."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audience_core.domain.ab_test import SLICES, slice_of, variant_of
from audience_core.domain.ids import Mpid
from tests.support.ab_tests import an_ab_test

mpids = st.integers(-(2**63), 2**63 - 1).map(Mpid)
shares = st.lists(st.integers(1, 100), min_size=1, max_size=5).filter(lambda found: sum(found) <= SLICES)


# Worked out with sha256sum: the split of a test that runs must never change.
@pytest.mark.parametrize(("mpid", "place"), [(1, 30), (-5, 16), (2**63 - 1, 91), (-(2**63), 67), (42, 51)])
def test_a_profile_keeps_its_slice_for_ever(mpid: int, place: int) -> None:
    assert slice_of("t-known", Mpid(mpid)) == place


@given(shares, mpids)
def test_everybody_is_in_exactly_one_variant(percentages: list[int], mpid: Mpid) -> None:
    test = an_ab_test(*percentages)

    found = [variant for variant in test.variants if variant.has(mpid)]

    assert found == [variant_of(test.variants, mpid)]


@given(shares)
def test_variants_are_consecutive_ranges_and_control_is_the_rest(percentages: list[int]) -> None:
    test = an_ab_test(*percentages)

    slices = [place for variant in test.variants for place in range(variant.first, variant.until)]

    assert slices == list(range(SLICES))
    assert [variant.percentage for variant in test.variants] == [*percentages, SLICES - sum(percentages)]
    assert test.control.name == "Control"


@pytest.mark.parametrize("step", [1, 64, -64, 8, 3])
def test_shares_are_those_asked_for_whatever_the_mpids_have_in_common(step: int) -> None:
    """Profiles of one bucket or one delivery lane, say; within five standard deviations."""
    test, users = an_ab_test(30, 15, 5), 20_000

    found = Counter(variant_of(test.variants, Mpid(step * number)).percentage for number in range(1, users + 1))

    for percentage in (30, 15, 5, 50):
        share = percentage / SLICES
        assert abs(found[percentage] - users * share) < 5 * math.sqrt(users * share * (1 - share))


def test_one_test_says_nothing_of_another() -> None:
    """Of those in the first half of one test, half are in the first half of another."""
    one, other, users = an_ab_test(50), an_ab_test(50, test_id="t-0000000000000002"), 20_000

    in_one = [Mpid(number) for number in range(1, users + 1) if one.variants[0].has(Mpid(number))]
    in_both = sum(other.variants[0].has(mpid) for mpid in in_one)

    assert abs(in_both - len(in_one) / 2) < 5 * math.sqrt(len(in_one) / 4)


def test_a_control_of_nothing_has_nobody() -> None:
    test = an_ab_test(60, 40)

    assert not any(test.control.has(Mpid(number)) for number in range(1000))
