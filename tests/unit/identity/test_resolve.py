"""Stories of who is who (docs/identity.md)."""

from dataclasses import replace

from audience_core.domain.account import LoginStrategy
from audience_core.domain.ids import Mpid
from audience_core.domain.stores import IdentityRow
from audience_core.identity.claims import MAX_HOLDERS
from audience_core.identity.resolve import candidates, nobody, resolve
from tests.unit.identity.population import ACCOUNT, ENVIRONMENT, Population, a_batch, finish, ids

UNIQUE_EMAIL = LoginStrategy(
    login=frozenset({"customer_id"}), unique=frozenset({"customer_id", "email"}), immutable=frozenset({"customer_id"})
)
EMAIL_LOGIN = LoginStrategy(login=frozenset({"email"}), unique=frozenset({"email"}), immutable=frozenset())
BEST_MATCH = LoginStrategy(login=frozenset(), unique=frozenset(), immutable=frozenset())


def test_one_customer_on_two_devices_and_inputs_has_one_profile() -> None:
    users = Population()

    app = finish(users.processing(a_batch("customer_id=john ios_advertising_id=phone", 10, input_id="i-app")))
    site = finish(users.processing(a_batch("customer_id=john ios_advertising_id=tablet", 20, input_id="i-site")))

    assert app == site
    assert users.held(app) == {"customer_id=john", "ios_advertising_id=phone", "ios_advertising_id=tablet"}


def test_an_anonymous_device_keeps_its_profile_at_login() -> None:
    users = Population()
    anonymous = users.receive("mp_deviceid=d", 10)

    known = users.receive("mp_deviceid=d customer_id=john", 20)

    assert known == anonymous
    assert users.held(known) == {"mp_deviceid=d", "customer_id=john"}


def test_another_customer_on_the_same_device_has_a_profile_of_their_own() -> None:
    users = Population()
    john = users.receive("mp_deviceid=d customer_id=john", 10)

    mary = users.receive("mp_deviceid=d customer_id=mary", 20)

    assert mary != john
    assert users.held(john) == {"mp_deviceid=d", "customer_id=john"}
    assert users.held(mary) == {"mp_deviceid=d", "customer_id=mary"}


def test_after_logout_the_device_has_one_anonymous_profile() -> None:
    users = Population()
    john = users.receive("mp_deviceid=d customer_id=john", 10)

    logged_out = [users.receive("mp_deviceid=d", at) for at in (20, 30)]

    assert logged_out[0] == logged_out[1] != john
    assert users.receive("mp_deviceid=d customer_id=john", 40) == john


def test_a_known_profile_is_not_given_to_those_who_know_an_email_only() -> None:
    users = Population()
    john = users.receive("customer_id=john email=j@x", 10)

    assert users.receive("email=j@x", 20) != john


def test_a_changed_email_leads_to_the_profile_and_the_old_one_no_longer() -> None:
    users = Population(BEST_MATCH)
    john = users.receive("customer_id=john email=old@x", 10)

    users.receive("customer_id=john email=new@x", 20)

    assert users.held(john) == {"customer_id=john", "email=new@x"}
    assert _row(users, "email=old@x").holders == {}
    assert users.receive("email=new@x", 30) == john
    assert users.receive("email=old@x", 40) != john


def test_an_email_from_a_late_batch_leads_nowhere() -> None:
    users = Population(BEST_MATCH)
    john = users.receive("customer_id=john email=new@x", 20)

    users.receive("customer_id=john email=old@x", 10)

    assert users.held(john) == {"customer_id=john", "email=new@x"}
    assert users.last is not None
    assert users.last.writes == ()
    assert users.receive("email=old@x", 30) != john


def test_an_old_claim_does_not_outlive_the_value_that_replaced_it() -> None:
    users = Population(BEST_MATCH)
    john = users.receive("customer_id=john email=old@x", 10)
    users.receive("customer_id=john email=new@x", 20)
    users.identities.write(ACCOUNT, ENVIRONMENT, [_claim(users, "email=old@x", {john: 10})])

    assert users.receive("email=old@x", 30) != john


def test_a_lapsed_claim_is_swept_out_with_the_next_one() -> None:
    users = Population(BEST_MATCH)
    john = users.receive("customer_id=john email=old@x", 10)
    users.receive("customer_id=john email=new@x", 20)
    users.identities.write(ACCOUNT, ENVIRONMENT, [_claim(users, "email=old@x", {john: 10})])

    mary = users.receive("customer_id=mary email=old@x", 30)

    assert (
        _claim(users, "email=old@x", {mary: 30})
        == users.identities.rows(ACCOUNT, ENVIRONMENT, ids("email=old@x"))[ids("email=old@x")[0]]
    )


def test_a_value_told_again_survives_the_late_forgetting_of_its_first_telling() -> None:
    users = Population(BEST_MATCH)
    john = users.receive("customer_id=john email=a@x", 10)
    replacing = users.processing(a_batch("customer_id=john email=b@x", 20))
    for _ in range(4):  # it has stored the profile and has yet to forget a@x
        next(replacing)
    users.receive("customer_id=john email=a@x", 30)

    finish(replacing)

    assert users.held(john) == {"customer_id=john", "email=a@x"}
    assert users.receive("email=a@x", 40) == john


def test_lower_identities_decide_between_several_holders_of_a_higher_one() -> None:
    users = Population(BEST_MATCH)
    first, second = users.receive("customer_id=a", 10), users.receive("customer_id=b", 20)
    users.receive("customer_id=a email=shared@x", 30)
    users.receive("customer_id=b email=shared@x ios_idfv=d", 40)

    assert users.receive("email=shared@x ios_idfv=d", 50) == second != first


def test_a_lower_identity_held_by_somebody_else_does_not_decide() -> None:
    users = Population(BEST_MATCH)
    first, second = users.receive("customer_id=a", 10), users.receive("customer_id=b", 20)
    users.receive("customer_id=a email=shared@x", 30)
    users.receive("customer_id=b email=shared@x", 40)
    third = users.receive("customer_id=c ios_idfv=d", 50)

    assert users.receive("email=shared@x ios_idfv=d", 60) == first
    assert len({first, second, third}) == 3


def test_of_several_candidates_the_one_seen_first_is_taken() -> None:
    users = Population(BEST_MATCH)
    late, early = users.receive("customer_id=a", 50), users.receive("customer_id=b", 20)
    users.receive("customer_id=a email=shared@x", 60)
    users.receive("customer_id=b email=shared@x", 70)

    assert users.receive("email=shared@x", 80) == early != late


def test_with_email_as_login_a_new_email_on_a_known_device_is_somebody_else() -> None:
    users = Population(EMAIL_LOGIN)
    john = users.receive("email=j@x ios_idfv=d", 10)

    assert users.receive("email=m@x ios_idfv=d", 20) != john


def test_the_given_mpid_wins() -> None:
    users = Population()
    john = users.receive("customer_id=john ios_idfv=d", 10)
    mary = users.receive("customer_id=mary", 20)

    assert users.receive("ios_idfv=d", 30, mpid=mary) == mary
    assert users.receive("", 40, mpid=john) == john


def test_a_given_mpid_that_does_not_exist_is_ignored() -> None:
    users = Population()
    john = users.receive("customer_id=john", 10)

    assert users.receive("customer_id=john", 20, mpid=999) == john
    assert users.receive("customer_id=mary", 30, mpid=999) not in (john, 999)


def test_a_given_mpid_that_contradicts_the_customer_id_is_overruled() -> None:
    users = Population()
    john, mary = users.receive("customer_id=john", 10), users.receive("customer_id=mary", 20)

    assert users.receive("customer_id=mary", 30, mpid=john) == mary
    stranger = users.receive("customer_id=ann email=a@x", 40, mpid=john)
    assert stranger not in (john, mary)
    assert users.held(stranger) == {"customer_id=ann", "email=a@x"}
    assert users.held(john) == {"customer_id=john"}


def test_a_customer_id_told_for_an_anonymous_mpid_moves_there() -> None:
    users = Population()
    john, anonymous = users.receive("customer_id=john", 10), users.receive("mp_deviceid=d", 20)

    users.receive("customer_id=john", 30, mpid=anonymous)

    assert users.held(anonymous) == {"customer_id=john", "mp_deviceid=d"}
    assert users.held(john) == set()
    assert users.receive("customer_id=john", 40) == anonymous


def test_the_first_of_two_immutable_identities_decides() -> None:
    both = frozenset({"customer_id", "other"})
    users = Population(LoginStrategy(login=both, unique=both, immutable=both))
    john = users.receive("customer_id=john other=1", 10)

    assert users.receive("customer_id=john other=2", 20) == john
    assert users.held(john) == {"customer_id=john", "other=1"}
    assert users.receive("customer_id=mary other=1", 30) != john


def test_a_batch_without_identities_has_the_same_profile_on_every_delivery() -> None:
    users = Population()
    anonymous = users.receive("", 10)

    assert users.receive("", 10) == anonymous == nobody(a_batch("", 10)) != 0
    assert users.receive("", 20) != anonymous


def test_mpids_of_batches_without_identities_spread_over_all_64_bits() -> None:
    mpids = {nobody(a_batch("", at)) for at in range(200)}

    assert len(mpids) == 200
    assert min(mpids) < -(2**60) < 2**60 < max(mpids)
    assert all(-(2**63) <= mpid < 2**63 for mpid in mpids)


def test_nothing_is_written_when_nothing_changes() -> None:
    users = Population()
    users.receive("customer_id=john email=j@x ios_idfv=d", 10)

    users.receive("customer_id=john email=j@x ios_idfv=d", 20)

    assert users.last is not None
    assert (users.last.writes, users.last.releases, users.last.forgets) == ((), (), ())
    assert not users.last.is_new


def test_a_repeat_after_a_crash_finds_the_claimed_mpid() -> None:
    users = Population()
    crashing = users.processing(a_batch("customer_id=john email=j@x", 10))
    for _ in range(3):
        next(crashing)
    crashing.close()
    assert users.last is not None
    claimed = users.last.mpid

    assert users.receive("customer_id=john", 20) == claimed
    assert users.last.is_new


def test_a_profile_about_to_become_known_is_not_given_away() -> None:
    users = Population()
    anonymous = users.receive("mp_deviceid=d", 10)
    converting = users.processing(a_batch("mp_deviceid=d customer_id=john email=j@x", 20))
    for _ in range(3):  # the rows are written, the profile is not
        next(converting)

    somebody = users.receive("email=j@x", 30)

    assert somebody != anonymous == finish(converting)
    assert users.held(somebody) == {"email=j@x"}


def test_candidates_are_all_whom_a_resolution_may_look_at() -> None:
    batch = a_batch("customer_id=john email=j@x", 10, mpid=5)
    rows = {each: IdentityRow(each, {Mpid(n): 1}) for n, each in enumerate(batch.identities, 1)}

    assert candidates(batch, rows) == {1, 2, 5}
    assert candidates(a_batch("", 10), {}) == {nobody(a_batch("", 10))}


def test_a_device_of_many_customers_keeps_a_short_row_and_finds_its_anonymous_user() -> None:
    users = Population()
    customers = [users.receive(f"mp_deviceid=kiosk customer_id=c{n}", n) for n in range(1, MAX_HOLDERS + 9)]

    anonymous = users.receive("mp_deviceid=kiosk", 100)

    assert users.receive("mp_deviceid=kiosk", 110) == anonymous
    assert users.receive("mp_deviceid=kiosk customer_id=c3", 120) == customers[2]
    assert len(_row(users, "mp_deviceid=kiosk").holders) == MAX_HOLDERS


def test_a_full_row_makes_room_at_the_cost_of_known_users() -> None:
    users = Population()
    for n in range(1, MAX_HOLDERS + 1):
        users.receive(f"mp_deviceid=kiosk customer_id=c{n}", 10 + n)
    anonymous, other = users.receive("mp_deviceid=kiosk", 1), users.receive("email=o@x", 100)

    users.receive("mp_deviceid=kiosk email=o@x", 110)

    assert users.receive("mp_deviceid=kiosk", 120) == anonymous
    assert users.held(other) == {"email=o@x", "mp_deviceid=kiosk"}


def test_a_full_row_costs_known_users_no_writes() -> None:
    users = Population()
    for n in range(1, MAX_HOLDERS + 2):
        users.receive(f"mp_deviceid=kiosk customer_id=c{n}", n)

    users.receive(f"mp_deviceid=kiosk customer_id=c{MAX_HOLDERS + 1}", 100)

    assert users.last is not None
    assert users.last.writes == ()


def test_a_device_pushed_out_by_newer_ones_leads_nowhere() -> None:
    users = Population(BEST_MATCH)
    john = users.receive("customer_id=john push_token=first", 1)
    users.receive("customer_id=john " + " ".join(f"push_token=t{n}" for n in range(100)), 2)

    assert "push_token=first" not in users.held(john)
    assert users.receive("push_token=first", 3) != john


def test_resolving_leaves_its_arguments_alone() -> None:
    batch = a_batch("customer_id=john", 10)
    rows = {each: IdentityRow(each, {}) for each in batch.identities}

    resolution = resolve(batch, rows, {}, LoginStrategy(), lambda: Mpid(9))

    assert rows == {each: IdentityRow(each, {}) for each in batch.identities}
    assert resolution.writes == (IdentityRow(batch.identities[0], {Mpid(9): 10}, known=frozenset({Mpid(9)})),)


def _row(users: Population, text: str) -> IdentityRow:
    (identity,) = ids(text)
    return users.identities.rows(ACCOUNT, ENVIRONMENT, [identity])[identity]


def _claim(users: Population, text: str, holders: dict[Mpid, int]) -> IdentityRow:
    return replace(_row(users, text), holders=holders)
