"""Identities that only one profile may hold: how they move, and that nothing is lost or told twice on the way."""

from audience_core.domain.account import LoginStrategy
from tests.unit.identity.population import Population, a_batch, finish, ids

UNIQUE_EMAIL = LoginStrategy(
    login=frozenset({"customer_id"}), unique=frozenset({"customer_id", "email"}), immutable=frozenset({"customer_id"})
)
EMAIL_LOGIN = LoginStrategy(login=frozenset({"email"}), unique=frozenset({"email"}), immutable=frozenset())
BEST_MATCH = LoginStrategy(login=frozenset(), unique=frozenset(), immutable=frozenset())


def test_a_unique_email_moves_to_whoever_told_it_last() -> None:
    users = Population(UNIQUE_EMAIL)
    john = users.receive("customer_id=john email=j@x", 10)

    mary = users.receive("customer_id=mary email=j@x", 20)

    assert users.held(john) == {"customer_id=john"}
    assert users.held(mary) == {"customer_id=mary", "email=j@x"}


def test_a_batch_older_than_the_holder_of_a_unique_email_does_not_take_it() -> None:
    users = Population(UNIQUE_EMAIL)
    mary = users.receive("customer_id=mary email=j@x", 20)

    john = users.receive("customer_id=john email=j@x", 10)

    assert users.held(john) == {"customer_id=john"}
    assert users.held(mary) == {"customer_id=mary", "email=j@x"}
    assert users.last is not None
    assert users.last.granted == ids("customer_id=john")


def test_a_unique_email_may_be_shared_when_emails_are_not_unique() -> None:
    users = Population()
    john = users.receive("customer_id=john email=j@x", 10)

    mary = users.receive("customer_id=mary email=j@x", 20)

    assert "email=j@x" in users.held(john) & users.held(mary)


def test_a_late_repeat_leaves_a_unique_email_with_its_holder() -> None:
    users = Population(UNIQUE_EMAIL)
    john = users.receive("customer_id=john email=j@x", 20)

    users.receive("customer_id=john email=j@x", 10)

    assert users.held(john) == {"customer_id=john", "email=j@x"}


def test_a_crash_before_the_former_holder_was_told_is_made_good_by_the_repeat() -> None:
    users = Population(UNIQUE_EMAIL)
    john = users.receive("customer_id=john email=j@x", 10)
    crashing = users.processing(a_batch("customer_id=mary email=j@x", 20))
    for _ in range(3):  # the row is written, the profile is not
        next(crashing)
    crashing.close()

    mary = users.receive("customer_id=mary email=j@x", 20)

    assert users.held(john) == {"customer_id=john"}
    assert users.held(mary) == {"customer_id=mary", "email=j@x"}


def test_a_profile_overtaken_while_it_takes_a_unique_email_lets_go_of_it() -> None:
    users = Population(UNIQUE_EMAIL)
    john = users.receive("customer_id=john", 5)
    taking = users.processing(a_batch("customer_id=john email=j@x", 10))
    for _ in range(3):
        next(taking)
    mary = finish(users.processing(a_batch("customer_id=mary email=j@x", 20)))

    finish(taking)
    users.let_go()

    assert users.held(john) == {"customer_id=john"}
    assert users.held(mary) == {"customer_id=mary", "email=j@x"}


def test_a_profile_that_let_go_gets_a_unique_email_back_by_telling_it_again() -> None:
    users = Population(UNIQUE_EMAIL)
    john = users.receive("customer_id=john email=j@x", 10)
    mary = users.receive("customer_id=mary email=j@x", 20)

    users.receive("customer_id=john email=j@x", 30)

    assert users.held(john) == {"customer_id=john", "email=j@x"}
    assert users.held(mary) == {"customer_id=mary"}


def test_a_unique_email_leads_to_whoever_told_it_last_before_the_others_let_go() -> None:
    users = Population(LoginStrategy(login=frozenset(), unique=frozenset({"email"}), immutable=frozenset()))
    john, mary = users.receive("customer_id=john", 1), users.receive("customer_id=mary", 2)
    for text, at in (("customer_id=john", 10), ("customer_id=mary", 20), ("customer_id=john", 30)):
        finish(users.processing(a_batch(f"{text} email=j@x", at)))

    assert mary > john == users.receive("email=j@x", 40)


def test_nobody_is_told_twice_to_let_go() -> None:
    users = Population(UNIQUE_EMAIL)
    users.receive("customer_id=john email=j@x", 10)
    users.receive("customer_id=mary email=j@x", 20)

    users.receive("customer_id=mary email=j@x", 30)

    assert users.last is not None
    assert users.last.releases == ()
