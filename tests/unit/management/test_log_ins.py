"""Logging in at a partner that checks state, code and challenge as OAuth 2 asks it to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from audience_core.domain.ids import AccountId, OutputId
from audience_core.domain.output import Output
from audience_core.errors import (
    AudienceError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    RetryableDeliveryError,
    StaleVersionError,
)
from audience_core.management import log_ins, outputs
from audience_core.outputs.log_in import grant_from_secret
from audience_core.persistence.memory.control import MemoryOutputStore, MemorySecretStore
from audience_core.persistence.memory.log_ins import MemoryLogInStore
from tests.support.control import ACCOUNT, NOW, OTHER_ACCOUNT, OUTPUT, an_output
from tests.support.fake_servers import Answer
from tests.support.login import HOST as LOGIN_HOST
from tests.support.login import REGISTRATION, FakeLogIn, browse, challenge_of
from tests.support.mailchimp import HOST, KEY, FakeMailchimp
from tests.support.redirect import Redirected

CALLBACK = "https://api.example/v1/oauth/callback"
LATE = NOW + log_ins.LIFETIME


class TouchyOutputs(MemoryOutputStore):
    """Others come in between so many times when an output is saved; at the last they delete it, if they are told to."""

    intruders = 0
    deletes = False

    def save(self, output: Output) -> Output:
        if self.intruders:
            self.intruders -= 1
            stored = self.get(output.account_id, output.output_id)
            if self.deletes:
                self.delete(stored)
            else:
                super().save(stored.model_copy(update={"name": f"Name {self.intruders}"}))
            raise StaleVersionError("somebody else changed it in between")
        return super().save(output)


@dataclass
class World:
    """An output at a partner, in each of two accounts, and the partner."""

    partner: FakeMailchimp
    login: FakeLogIn
    outputs: TouchyOutputs = field(default_factory=TouchyOutputs)
    secrets: MemorySecretStore = field(default_factory=MemorySecretStore)
    log_ins: MemoryLogInStore = field(default_factory=MemoryLogInStore)

    def __post_init__(self) -> None:
        self.send = Redirected({HOST: self.partner.url, LOGIN_HOST: self.login.url})
        self.secrets.registrations["mailchimp"] = REGISTRATION
        for account_id in (ACCOUNT, OTHER_ACCOUNT):
            self.outputs.save(an_output(account_id=account_id, connector="mailchimp", settings={}))

    def begin(self, account_id: AccountId = ACCOUNT, output_id: OutputId = OUTPUT, at: datetime = NOW) -> str:
        return log_ins.begin(self, account_id, output_id, CALLBACK, at)

    def finish(self, query: Mapping[str, str], at: datetime = NOW) -> Output:
        """As a browser that comes back with this query."""
        return log_ins.finish(self, self.send, query["state"], query.get("code"), at)

    def log_in(self, account_id: AccountId = ACCOUNT) -> Output:
        return self.finish(browse(self.login, self.begin(account_id)))

    @property
    def logged_in(self) -> set[AccountId]:
        return {each for each in (ACCOUNT, OTHER_ACCOUNT) if self.outputs.get(each, OUTPUT).log_in_ref}

    def refused(self, query: Mapping[str, str], at: datetime = NOW) -> tuple[str, ...]:
        """Which parameters are refused; nobody is logged in by that, and the partner hears nothing."""
        asked = len(self.login.heard)
        with pytest.raises(InvalidInputError) as error:
            self.finish(query, at)
        assert not self.logged_in
        assert len(self.login.heard) == asked
        return tuple(pointer for pointer, _ in error.value.problems)


@pytest.fixture
def world() -> Iterator[World]:
    with FakeMailchimp().serving() as partner, FakeLogIn(partner.tokens, CALLBACK).serving() as login:
        yield World(partner, login)


def query_of(url: str) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}


def test_an_output_can_be_used_after_logging_in(world: World) -> None:
    before = outputs.check(world, world.send, ACCOUNT, OUTPUT, NOW)

    output = world.log_in()

    assert before is not None
    assert before.kind == "authentication"
    assert outputs.check(world, world.send, ACCOUNT, OUTPUT, NOW) is None
    assert output == world.outputs.get(ACCOUNT, OUTPUT)
    grant = grant_from_secret(world.secrets.get(str(output.log_in_ref)))
    assert {grant.access_token} == world.partner.tokens
    assert (grant.refresh_token, grant.expires_at) == (None, None)
    assert grant.facts == {"api_endpoint": f"https://{HOST}"}
    assert world.partner.heard[-1].headers["authorization"] == f"Bearer {grant.access_token}"


def test_the_address_holds_a_challenge_and_the_verifier_stays_here(world: World) -> None:
    first, second = world.begin(), world.begin()

    query, pending = query_of(first), world.log_ins.take(ACCOUNT, query_of(first)["state"])
    assert urlsplit(first)._replace(query="").geturl() == "https://login.mailchimp.com/oauth2/authorize"
    assert query == {
        "response_type": "code",
        "client_id": "app-1",
        "redirect_uri": CALLBACK,
        "state": pending.state,
        "code_challenge": challenge_of(pending.verifier),
        "code_challenge_method": "S256",
    }
    assert pending.verifier not in first
    assert len({query["state"], query_of(second)["state"]}) == 2
    assert query["code_challenge"] != query_of(second)["code_challenge"]


def test_a_state_that_nobody_was_given_is_refused(world: World) -> None:
    url = world.begin()
    code = browse(world.login, url)["code"]

    for state in ("", "7", "7.", "7.guess", "x.y", "²", f"8.{query_of(url)['state'].partition('.')[2]}"):
        assert world.refused({"state": state, "code": code}) == ("/query/state",)


def test_a_state_is_good_once(world: World) -> None:
    query = browse(world.login, world.begin())
    world.finish(query)
    world.outputs.save(world.outputs.get(ACCOUNT, OUTPUT).model_copy(update={"log_in_ref": None}))

    assert world.refused(query) == ("/query/state",)


def test_a_state_is_spent_even_if_the_log_in_failed(world: World) -> None:
    query = browse(world.login, world.begin())

    with pytest.raises(InvalidInputError) as error:
        world.finish({**query, "code": "another code"})

    assert [pointer for pointer, _ in error.value.problems] == ["/query/code"]
    assert world.refused(query) == ("/query/state",)


def test_another_accounts_state_ends_in_its_own_account(world: World) -> None:
    theirs = browse(world.login, world.begin(OTHER_ACCOUNT))

    output = world.finish(theirs)

    assert (output.account_id, world.logged_in) == (OTHER_ACCOUNT, {OTHER_ACCOUNT})


def test_a_state_of_another_account_cannot_be_made_ones_own(world: World) -> None:
    theirs = browse(world.login, world.begin(OTHER_ACCOUNT))

    mine = theirs["state"].replace(f"{OTHER_ACCOUNT}.", f"{ACCOUNT}.", 1)

    assert world.refused({**theirs, "state": mine}) == ("/query/state",)
    world.finish(theirs)


def test_a_state_lives_for_ten_minutes(world: World) -> None:
    late, in_time = browse(world.login, world.begin()), browse(world.login, world.begin())

    assert world.refused(late, at=LATE) == ("/query/state",)
    world.finish(in_time, at=LATE - timedelta(milliseconds=1))


def test_a_code_is_worth_nothing_without_the_verifier_it_was_asked_with(world: World) -> None:
    mine, theirs = browse(world.login, world.begin()), browse(world.login, world.begin(OTHER_ACCOUNT))

    with pytest.raises(InvalidInputError) as error:
        world.finish({**mine, "code": theirs["code"]})

    assert error.value.problems == (("/query/code", "the partner does not accept the log-in"),)
    assert not world.logged_in


def test_whoever_says_no_at_the_partner_is_not_logged_in(world: World) -> None:
    world.login.is_denied = True
    answer = browse(world.login, world.begin())

    assert answer["error"] == "access_denied"
    assert world.refused(answer) == ("/query/error",)
    assert world.refused(answer) == ("/query/state",)


def test_a_second_log_in_replaces_the_first(world: World) -> None:
    first = world.log_in()
    world.login.revoke()

    second = world.log_in()

    assert second == first
    assert outputs.check(world, world.send, ACCOUNT, OUTPUT, NOW) is None


def test_what_others_change_meanwhile_stays(world: World) -> None:
    world.outputs.intruders = 2

    output = world.log_in()

    assert output.name == "Name 0"
    assert output.log_in_ref


def test_nothing_is_kept_of_a_log_in_whose_output_was_deleted_meanwhile(world: World) -> None:
    world.outputs.intruders, world.outputs.deletes = 1, True

    with pytest.raises(NotFoundError):
        world.log_in()

    with pytest.raises(NotFoundError):
        world.secrets.get(f"{ACCOUNT}/{OUTPUT}-log-in")


def test_a_deleted_output_takes_its_log_in_with_it(world: World) -> None:
    reference = str(world.log_in().log_in_ref)

    outputs.delete(world.outputs, world.secrets, ACCOUNT, OUTPUT)

    with pytest.raises(NotFoundError):
        world.secrets.get(reference)


def test_a_log_in_must_be_possible_and_needed(world: World) -> None:
    def change(**changes: object) -> None:
        world.outputs.save(world.outputs.get(ACCOUNT, OUTPUT).model_copy(update=changes))

    with pytest.raises(NotFoundError):
        world.begin(output_id=OutputId("o-none"))
    change(secret_ref=world.secrets.put(ACCOUNT, OUTPUT, {"api_key": KEY}))
    with pytest.raises(ConflictError, match="remove it"):
        world.begin()
    change(secret_ref=None)
    world.secrets.registrations.clear()
    with pytest.raises(ConflictError, match="not registered at Mailchimp"):
        world.begin()
    change(connector="webhook")
    with pytest.raises(ConflictError, match="nobody can log in at Webhook"):
        world.begin()


def test_a_key_goes_before_a_log_in(world: World) -> None:
    output = world.log_in()
    world.login.revoke()
    reference = world.secrets.put(ACCOUNT, OUTPUT, {"api_key": KEY})

    world.outputs.save(output.model_copy(update={"secret_ref": reference}))

    assert outputs.check(world, world.send, ACCOUNT, OUTPUT, NOW) is None


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (Answer(503, b"{}"), RetryableDeliveryError),
        (Answer(429), RetryableDeliveryError),
        (Answer(200, b"<html>"), RetryableDeliveryError),
        (Answer(200, b"[]"), RetryableDeliveryError),
        (Answer(200, b"{}"), InvalidInputError),
        (Answer(401, b'{"error": "invalid_client"}'), InvalidInputError),
        (Answer(400, b'{"error": "ann@example.com"}'), InvalidInputError),
    ],
)
def test_a_partner_that_does_not_play_along_logs_nobody_in(
    world: World, answer: Answer, raised: type[AudienceError]
) -> None:
    query = browse(world.login, world.begin())
    world.login.replies.append(answer)

    with pytest.raises(raised) as error:
        world.finish(query)

    assert "ann@" not in str(error.value) + str(getattr(error.value, "problems", ""))
    assert not world.logged_in
