"""A sample is always the same, its share is known, and its interval holds the truth as often as it says."""

import random
from bisect import bisect_right
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audience_core.domain.event import Environment
from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.mpid_order import share_of_bucket
from audience_core.domain.profile import BUCKETS, Profile, bucket_of
from audience_core.domain.stores import Page
from audience_core.management.sampling import Estimate, Sample, estimate, read

ACCOUNT = AccountId(7)


class Mpids:
    """As much of a profile store as sampling needs: mpids, each bucket in the order of their texts."""

    def __init__(self, mpids: list[int]) -> None:
        buckets: dict[int, list[str]] = defaultdict(list)
        for mpid in mpids:
            buckets[bucket_of(mpid)].append(str(mpid))
        self._buckets = {bucket: sorted(texts) for bucket, texts in buckets.items()}

    def page(
        self, account_id: AccountId, environment: Environment, bucket: int, cursor: str | None, limit: int
    ) -> Page[Profile]:
        texts = self._buckets.get(bucket, [])
        start = bisect_right(texts, cursor) if cursor else 0
        found = texts[start : start + limit]
        items = tuple(Profile(account_id, environment, Mpid(int(text))) for text in found)
        return Page(items, found[-1] if start + limit < len(texts) else None)


def mpids(generator: random.Random, count: int) -> list[int]:
    return [generator.getrandbits(64) - 2**63 for _ in range(count)]


def sampled(store: Mpids, at_least: int, page_size: int = 20) -> tuple[Sample, list[int]]:
    visited: list[int] = []
    sample = read(store, ACCOUNT, lambda p: visited.append(p.mpid), at_least, page_size)  # type: ignore[arg-type]
    return sample, visited


@pytest.mark.parametrize("share_of_members", [0.002, 0.05, 0.3, 0.7, 1.0])
def test_the_interval_holds_the_truth_at_least_93_times_in_100(share_of_members: float) -> None:
    generator, covered = random.Random(f"sampling {share_of_members}"), 0
    for _ in range(400):
        everybody = mpids(generator, generator.randint(600, 4000))
        members = {mpid for mpid in everybody if generator.random() < share_of_members}

        sample, visited = sampled(Mpids(everybody), at_least=300)
        found = estimate(len(members.intersection(visited)), sample.share)

        covered += found.low <= len(members) <= found.high

    assert covered >= 0.93 * 400


def test_estimates_are_right_on_average() -> None:
    generator, estimated, true = random.Random(5), 0, 0
    for _ in range(200):
        everybody = mpids(generator, 2000)
        sample, visited = sampled(Mpids(everybody), at_least=200)

        estimated, true = estimated + estimate(len(visited), sample.share).size, true + len(everybody)

    assert estimated == pytest.approx(true, rel=0.02)


def test_everything_read_is_exact() -> None:
    everybody = mpids(random.Random(1), 150)

    sample, visited = sampled(Mpids(everybody), at_least=2000)

    assert sample == Sample(150, 1.0)
    assert sorted(visited) == sorted(everybody)
    assert estimate(40, sample.share) == Estimate(40, 40, 40)


def test_the_same_users_are_sampled_every_time_and_no_more_than_a_page_too_many() -> None:
    store = Mpids(mpids(random.Random(2), 5000))

    (first, users), (again, same) = sampled(store, at_least=330), sampled(store, at_least=330)

    assert (first, users) == (again, same)
    assert 330 <= first.read < 350


def test_an_account_without_users_has_nobody() -> None:
    sample, _ = sampled(Mpids([]), at_least=10)

    assert (sample, estimate(0, sample.share).high) == (Sample(0, 1.0), 0)


def test_nobody_found_in_a_sample_does_not_mean_that_there_is_nobody() -> None:
    found = estimate(0, 0.1)

    assert (found.size, found.low) == (0, 0)
    assert 30 <= found.high <= 40  # 1.96**2 * 0.9 / 0.1


@given(st.integers(-(2**63), 2**63 - 1))
def test_the_share_of_a_bucket_is_where_the_text_of_an_mpid_stands_among_all_texts(mpid: int) -> None:
    others = sorted(map(str, mpids(random.Random(3), 2000)))

    expected = bisect_right(others, str(mpid)) / len(others)

    assert share_of_bucket(mpid) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(("first", "share"), [("-", 0.5), ("9", 1.0)])
def test_the_last_mpids_of_a_bucket_complete_it(first: str, share: float) -> None:
    texts = [text for mpid in mpids(random.Random(4), 20_000) if (text := str(mpid)).startswith(first)]

    assert share_of_bucket(int(max(texts))) == pytest.approx(share, abs=0.002)


def test_every_bucket_counts_the_same() -> None:
    everybody = mpids(random.Random(6), 6400)

    sample, visited = sampled(Mpids(everybody), at_least=640, page_size=10_000)

    assert {bucket_of(mpid) for mpid in visited} == set(range(round(sample.share * BUCKETS)))
