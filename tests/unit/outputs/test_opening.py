"""Tokens of a log-in: renewed before they expire, once, and asked for anew when the partner takes them back."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from audience_core.domain.event import Identity
from audience_core.domain.ids import AudienceId, Mpid
from audience_core.domain.output import Forward, Grant, Output, Target
from audience_core.errors import NotFoundError, RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.connector import Receipt, Subscription
from audience_core.outputs.log_in import grant_as_secret, grant_from_secret
from audience_core.outputs.opening import open_output
from audience_core.persistence.memory.control import MemorySecretStore
from audience_core.persistence.memory.log_ins import MemoryLogInStore
from tests.support.control import ACCOUNT, OUTPUT, an_output
from tests.support.fake_servers import Answer
from tests.support.login import HOST as LOGIN_HOST
from tests.support.login import REGISTRATION, FakeLogIn
from tests.support.mailchimp import HOST, LIST, RESULTS_HOST, FakeMailchimp
from tests.support.redirect import Redirected

NOW = 1_795_430_000_000
HOUR = 3_600_000
MARGIN = 300_000
NOTHING = Subscription(ACCOUNT, AudienceId(0), "", {})
AGAIN = "log in again"
FACTS = {"api_endpoint": f"https://{HOST}"}


@dataclass
class World:
    """An output whose tokens the partner has given for an hour."""

    partner: FakeMailchimp
    login: FakeLogIn
    secrets: MemorySecretStore = field(default_factory=MemorySecretStore)
    log_ins: MemoryLogInStore = field(default_factory=MemoryLogInStore)

    def __post_init__(self) -> None:
        self.send = Redirected({HOST: self.partner.url, LOGIN_HOST: self.login.url})
        self.secrets.registrations["mailchimp"] = REGISTRATION
        self.login.lifetime_s = HOUR // 1000
        self.keep(Grant("first", "refresh-1", NOW + HOUR, FACTS))

    def keep(self, grant: Grant) -> None:
        self.partner.tokens.add(grant.access_token)
        if grant.refresh_token:
            self.login.refresh_tokens.add(grant.refresh_token)
        reference = self.secrets.put(ACCOUNT, "o-log-in", grant_as_secret(grant))
        self.output: Output = an_output(connector="mailchimp", settings={}, log_in_ref=reference)

    @property
    def grant(self) -> Grant:
        return grant_from_secret(self.secrets.get(str(self.output.log_in_ref)))

    def ping(self, now_ms: int) -> Receipt:
        return open_output(self, self.output, self.send, now_ms).forward(NOTHING, (), now_ms)

    def fault(self, now_ms: int) -> tuple[str, str]:
        """Kind and message of what stands in the way."""
        with pytest.raises(TerminalDeliveryError) as error:
            self.ping(now_ms)
        return error.value.fault_kind, str(error.value)


@pytest.fixture
def world() -> Iterator[World]:
    with FakeMailchimp().serving() as partner, FakeLogIn(partner.tokens, "https://api.example/").serving() as login:
        yield World(partner, login)


def test_a_token_is_used_as_long_as_it_lasts(world: World) -> None:
    world.ping(NOW + HOUR - MARGIN - 1)

    assert (world.login.heard, world.grant.access_token) == ([], "first")


def test_a_token_is_renewed_before_it_expires(world: World) -> None:
    at = NOW + HOUR - MARGIN

    world.ping(at)

    grant = world.grant
    assert grant.access_token not in ("first", None)
    assert grant.refresh_token not in ("refresh-1", None)
    assert (grant.expires_at, grant.facts) == (at + HOUR, FACTS)
    assert world.partner.heard[-1].headers["authorization"] == f"Bearer {grant.access_token}"
    assert world.ping(at + HOUR - MARGIN) == Receipt()


def test_a_refresh_token_that_is_not_replaced_goes_on(world: World) -> None:
    world.partner.tokens.add("second")
    world.login.replies.append(Answer(200, b'{"access_token": "second", "expires_in": 3600, "token_type": "bearer"}'))

    world.ping(NOW + HOUR)

    assert (world.grant.access_token, world.grant.refresh_token) == ("second", "refresh-1")


def test_a_token_without_end_is_never_renewed(world: World) -> None:
    world.keep(Grant("for ever", "refresh-1", None, FACTS))

    world.ping(NOW + 1000 * HOUR)

    assert world.login.heard == []


def test_an_expired_token_that_cannot_be_renewed_asks_to_log_in_again(world: World) -> None:
    world.keep(Grant("short", None, NOW + MARGIN, FACTS))
    world.ping(NOW + MARGIN - 1)

    kind, message = world.fault(NOW + MARGIN)

    assert (kind, AGAIN in message, world.login.heard) == ("authentication", True, [])


def test_a_refused_renewal_asks_to_log_in_again(world: World) -> None:
    world.login.revoke()

    kind, message = world.fault(NOW + HOUR)

    assert (kind, AGAIN in message) == ("authentication", True)
    assert "ann@example.com" not in message


def test_a_revoked_token_asks_to_log_in_again(world: World) -> None:
    world.login.revoke()

    kind, message = world.fault(NOW)

    assert (kind, AGAIN in message, world.login.heard) == ("authentication", True, [])


def test_a_registration_that_the_partner_does_not_know_is_no_fault_of_whoever_logged_in(world: World) -> None:
    world.secrets.registrations["mailchimp"] = {**REGISTRATION, "client_secret": "wrong"}

    kind, message = world.fault(NOW + HOUR)

    assert (kind, AGAIN in message) == ("configuration", False)


def test_a_partner_that_cannot_renew_now_is_asked_again(world: World) -> None:
    world.login.replies.extend([Answer(503)] * 2)

    assert world.ping(NOW + HOUR - 1) == Receipt()
    with pytest.raises(RetryableDeliveryError):
        world.ping(NOW + HOUR + 30_000)

    assert world.grant.access_token == "first"
    assert world.ping(NOW + HOUR + 60_000) == Receipt()


def test_workers_side_by_side_renew_once(world: World) -> None:
    """The refresh token is good once: a second use would end the log-in."""
    at, together = NOW + HOUR - 1, threading.Barrier(8)

    def ping(_: int) -> Receipt:
        together.wait(5)
        return world.ping(at)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ping, range(8)))

    assert answers == [Receipt()] * 8
    assert world.login.calls == ["POST /oauth2/token"]


def test_whoever_cannot_wait_for_the_renewal_comes_back(world: World) -> None:
    assert world.log_ins.claim_renewal(ACCOUNT, OUTPUT, NOW + HOUR, 30_000)

    with pytest.raises(RetryableDeliveryError, match="being renewed") as error:
        world.ping(NOW + HOUR)

    assert error.value.retry_after_s == 5
    assert world.login.heard == []


def test_a_token_that_somebody_else_has_just_renewed_is_not_renewed_again(world: World) -> None:
    """Between looking at the tokens and claiming their renewal, another worker may have done it all."""
    fresh = Grant("fresh", "refresh-2", NOW + 2 * HOUR, FACTS)
    world.partner.tokens.add("fresh")

    class Late(MemoryLogInStore):
        def claim_renewal(self, *claim: object) -> bool:
            world.keep(fresh)
            return True

    world.log_ins = Late()

    world.ping(NOW + HOUR)

    assert (world.login.heard, world.grant) == ([], fresh)


def test_tokens_that_are_gone_are_said_to_be_gone(world: World) -> None:
    world.secrets.delete(str(world.output.log_in_ref))

    with pytest.raises(NotFoundError):
        world.ping(NOW)


def test_the_results_of_a_batch_are_fetched_without_the_token(world: World) -> None:
    """They lie elsewhere, and whoever keeps them there must not get it."""
    world.send = Redirected({HOST: world.partner.url, RESULTS_HOST: world.partner.url})
    world.partner.polls = 1
    fans = Subscription(ACCOUNT, AudienceId(1), "Fans", {"list_id": LIST}, "1.1")
    leavers = [Forward(Mpid(n), Target((Identity("email", f"user-{n}@example.com"),)), None) for n in range(11)]

    open_output(world, world.output, world.send, NOW).forward(fans, leavers, NOW)

    with_token = {each.path for each in world.partner.heard if "authorization" in each.headers}
    assert with_token == {"/3.0/batches", "/3.0/batches/b0"}
    assert world.partner.calls[-1] == "GET /results/b0.tar.gz"


def test_no_token_is_shown_by_accident(world: World) -> None:
    assert "first" not in repr(world.grant)
    assert "refresh-1" not in repr(world.grant)
