"""What a profile holds after batches told it identities, in any order."""

from hypothesis import given
from hypothesis import strategies as st

from audience_core.domain.account import LoginStrategy
from audience_core.domain.event import Identity
from audience_core.identity.merge import MAX_DEVICE_IDENTITIES, merge_identities, release
from tests.unit.identity.population import ids

DEFAULT = LoginStrategy()


def test_a_new_value_of_a_user_type_replaces_the_old_one() -> None:
    held, changed = merge_identities({Identity("email", "old"): 10}, ids("email=new"), 20, DEFAULT)

    assert held == {Identity("email", "new"): 20}
    assert changed == {"email"}


def test_a_value_from_an_older_batch_does_not_replace_a_newer_one() -> None:
    held, changed = merge_identities({Identity("email", "new"): 20}, ids("email=old"), 10, DEFAULT)

    assert held == {Identity("email", "new"): 20}
    assert changed == set()


def test_devices_add_up() -> None:
    held, changed = merge_identities({Identity("ios_idfv", "a"): 10}, ids("ios_idfv=b push_token=t"), 20, DEFAULT)

    assert held == {Identity("ios_idfv", "a"): 10, Identity("ios_idfv", "b"): 20, Identity("push_token", "t"): 20}
    assert changed == {"ios_idfv", "push_token"}


def test_repeating_an_identity_moves_its_time_and_changes_nothing() -> None:
    held, changed = merge_identities({Identity("email", "a"): 10}, ids("email=a"), 20, DEFAULT)

    assert held == {Identity("email", "a"): 20}
    assert changed == set()


def test_an_immutable_value_is_never_replaced() -> None:
    held, changed = merge_identities({Identity("customer_id", "c1"): 10}, ids("customer_id=c2"), 20, DEFAULT)

    assert held == {Identity("customer_id", "c1"): 10}
    assert changed == set()


def test_the_input_is_left_as_it_is() -> None:
    before = {Identity("email", "old"): 10}

    merge_identities(before, ids("email=new"), 20, DEFAULT)

    assert before == {Identity("email", "old"): 10}


def test_only_the_latest_hundred_devices_are_kept() -> None:
    devices = {Identity("push_token", f"t{at:03d}"): at for at in range(MAX_DEVICE_IDENTITIES)}

    held, changed = merge_identities(devices | {Identity("email", "e"): 0}, ids("push_token=new"), 500, DEFAULT)

    del devices[Identity("push_token", "t000")]
    assert held == devices | {Identity("email", "e"): 0, Identity("push_token", "new"): 500}
    assert changed == {"push_token"}


def test_a_device_older_than_a_full_set_is_not_taken() -> None:
    devices = {Identity("push_token", f"t{at:03d}"): at for at in range(100, 100 + MAX_DEVICE_IDENTITIES)}

    held, changed = merge_identities(devices, ids("push_token=old"), 50, DEFAULT)

    assert held == devices
    assert changed == set()


def test_of_devices_told_at_one_instant_the_same_are_kept_in_any_order() -> None:
    told = [(Identity("push_token", f"t{number:03d}"), 10) for number in range(MAX_DEVICE_IDENTITIES + 20)]

    assert _merged(told) == _merged(told[::-1])


def test_a_released_identity_is_gone() -> None:
    held, changed = release({Identity("email", "e"): 10, Identity("ios_idfv", "a"): 10}, Identity("email", "e"), 10)

    assert held == {Identity("ios_idfv", "a"): 10}
    assert changed == {"email"}


def test_an_identity_told_after_its_release_stays() -> None:
    held, changed = release({Identity("email", "e"): 11}, Identity("email", "e"), 10)

    assert held == {Identity("email", "e"): 11}
    assert changed == set()


def test_releasing_what_is_not_held_changes_nothing() -> None:
    assert release({}, Identity("email", "e"), 10) == ({}, set())


tellings = st.lists(
    st.tuples(
        st.sampled_from(["email", "other", "ios_idfv", "push_token"]), st.integers(0, 130), st.integers(0, 5)
    ).map(lambda t: (Identity(t[0], f"v{t[1]:03d}"), t[2])),
    max_size=250,
)


@given(tellings, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(told: list[tuple[Identity, int]], random) -> None:
    shuffled = told + told[: len(told) // 2]
    random.shuffle(shuffled)

    assert _merged(told) == _merged(shuffled)


def _merged(told: list[tuple[Identity, int]]) -> dict[Identity, int]:
    held: dict[Identity, int] = {}
    for identity, at in told:
        held, _ = merge_identities(held, (identity,), at, DEFAULT)
    return held
