"""A connection to Meta from its making to its end, through the ledger, whatever breaks on the way."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audience_core.domain.event import Identity
from audience_core.domain.output import ConnectionStatus, SubscriptionState, Target
from audience_core.errors import NotFoundError, RetryableDeliveryError
from audience_core.outputs.connectors.meta import FLUSH_AFTER_S
from audience_core.outputs.http import HttpSend, TimeLimits
from audience_core.pipeline.deliver import deliver
from audience_core.pipeline.update_subscription import Work, finish_deletion, update_subscription
from tests.support.control import ACCOUNT, CONNECTION, OUTPUT
from tests.support.delivery import ANN, BOB, EVE, LANE, LATER, T, World, email
from tests.support.fake_servers import Fault, answering, hanging_up, losing_the_answer, obeying
from tests.support.long_run import examples
from tests.support.meta_partner import TOKEN, MetaPartner, graph_error, sha

SEND = HttpSend(allow_private=True, limits=TimeLimits(2, 2, 4))
NOW = datetime.fromtimestamp(T / 1000, UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[MetaPartner]:
    with MetaPartner().serving() as partner:
        yield partner


@pytest.fixture
def partner(server: MetaPartner) -> MetaPartner:
    return emptied(server)


def emptied(partner: MetaPartner) -> MetaPartner:
    partner.audiences.clear()
    partner.heard.clear()
    partner.faults.clear()
    return partner


def connected(partner: MetaPartner) -> World:
    world = World(subscription=SubscriptionState.NONE)
    output = world.outputs.get(ACCOUNT, OUTPUT)
    account = {"ad_account_id": "1234567890", "graph_url": partner.url}
    reference = world.secrets.put(ACCOUNT, OUTPUT, {"access_token": TOKEN})
    world.outputs.save(output.model_copy(update={"connector": "meta", "settings": account, "secret_ref": reference}))
    world.change(settings={"customer_file_source": "USER_PROVIDED_ONLY", "forward_phones": False})
    return world


def announce(world: World, attempt: int = 1) -> Work:
    return update_subscription(world, SEND, ACCOUNT, CONNECTION, attempt, NOW)


def run(world: World, now_ms: int = T + 1000 * FLUSH_AFTER_S) -> None:
    deliver(world, SEND, LANE, 1, lambda: now_ms, now_ms + LATER - T)


def test_from_the_first_word_to_the_last(partner: MetaPartner) -> None:
    world = connected(partner)
    world.desire(ANN, email("ann"))
    announce(world)
    run(world, T + 1000 * FLUSH_AFTER_S - 1)
    assert partner.named("Fans (email)").entries == {}
    run(world)
    assert partner.names == ["Fans (IDFA/GAID)", "Fans (email)"]
    assert world.connection.subscription_settings["forward_phones"] == "false"
    assert CONNECTION in partner.named("Fans (email)").description
    assert partner.named("Fans (email)").values("EMAIL") == {sha("ann@example.com")}

    audience = world.audiences.get(ACCOUNT, world.connection.audience_id)
    world.audiences.save(audience.model_copy(update={"external_name": "Friends"}))
    announce(world)
    assert partner.names == ["Friends (IDFA/GAID)", "Friends (email)"]

    world.change(status=ConnectionStatus.DELETING)
    world.desire(ANN, None)
    run(world)
    assert partner.named("Friends (email)").entries == {}
    assert finish_deletion(world, SEND, ACCOUNT, CONNECTION, 1, NOW)
    assert partner.audiences == {}
    with pytest.raises(NotFoundError):
        world.connection  # noqa: B018  # reading it is what fails


def test_a_crash_before_the_ids_are_remembered_makes_no_second_audience(partner: MetaPartner) -> None:
    world = connected(partner)
    before = world.connection
    announce(world)
    made = set(partner.audiences)
    world.outputs.save_connection(before.model_copy(update={"version": world.connection.version}))

    announce(world)

    assert set(partner.audiences) == made
    assert {v for k, v in world.connection.subscription_settings.items() if k.startswith("remote_")} == made


def test_no_audience_is_left_at_meta_by_a_connection_deleted_after_a_lost_answer(partner: MetaPartner) -> None:
    world = connected(partner)
    partner.faults.extend([obeying, losing_the_answer])
    with pytest.raises(RetryableDeliveryError):
        announce(world)
    assert partner.audiences

    world.change(status=ConnectionStatus.DELETING)
    assert announce(world) is Work.FINISH
    assert finish_deletion(world, SEND, ACCOUNT, CONNECTION, 1, NOW)

    assert partner.audiences == {}


def test_an_audience_deleted_at_meta_is_a_configuration_fault(partner: MetaPartner) -> None:
    world = connected(partner)
    announce(world)
    partner.audiences.clear()
    world.desire(ANN, email("ann"))

    run(world)

    assert world.connection.fault is not None
    assert world.connection.fault.kind == "configuration"
    assert world.is_dirty(ANN)


def test_an_address_that_two_members_share_stays_until_the_last_leaves(partner: MetaPartner) -> None:
    world = connected(partner)
    announce(world)
    for mpid in (ANN, BOB):
        world.hold(mpid, email("family"))
        world.desire(mpid, email("family"))
    run(world)

    world.desire(ANN, None)
    run(world)
    assert partner.named("Fans (email)").values("EMAIL") == {sha("family@example.com")}

    world.desire(BOB, None)
    run(world)
    assert partner.named("Fans (email)").entries == {}


people = {
    ANN: (None, email("a1"), email("a2"), Target((*email("a1").identities, *email("a2").identities))),
    BOB: (None, email("b1"), Target((*email("b1").identities, Identity("ios_advertising_id", "bb")))),
    EVE: (None, email("e1")),
}
FAULTS: tuple[Fault, ...] = (
    obeying,
    hanging_up,
    losing_the_answer,
    answering(503),
    lambda heard, obey: graph_error(17, None, 400),
)
steps = st.lists(
    st.one_of(
        *[st.tuples(st.just(mpid), st.sampled_from(targets)) for mpid, targets in people.items()],
        st.lists(st.sampled_from(FAULTS), min_size=1, max_size=3),
    ),
    max_size=20,
)


@settings(deadline=None, max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_meta_ends_up_with_what_is_desired(server: MetaPartner, steps: list[Any]) -> None:
    partner = emptied(server)
    world, wanted = connected(partner), dict[Any, Target | None]()
    announce(world)
    for step in steps:
        if isinstance(step, tuple):
            world.desire(*step)
            wanted[step[0]] = step[1]
            continue
        partner.faults.extend(step)
        try:
            run(world)
        except RetryableDeliveryError:
            continue
    partner.faults.clear()

    run(world)

    held = [identity for target in wanted.values() if target for identity in target.identities]
    emails = {sha(each.value) for each in held if each.type == "email"}
    assert partner.named("Fans (email)").values("EMAIL") == emails
    assert not any(world.is_dirty(mpid) for mpid in people)
