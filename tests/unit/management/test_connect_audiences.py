"""Many audiences connected at once, against stores in memory and a partner that answers when it is told to."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from audience_core.domain.audience import AudienceKind, AudienceStatus
from audience_core.domain.ids import AudienceId
from audience_core.domain.job import Job, JobState
from audience_core.domain.output import Connection, ConnectionStatus, Fault, FaultKind, SubscriptionState
from audience_core.errors import NotFoundError, NotOursError
from audience_core.management import bulk_connect, jobs
from audience_core.management.bulk_connect import BulkConnection
from audience_core.management.connect_audiences import PATIENCE, ConnectStores, Progress, fail, work_on
from audience_core.management.jobs import JobStores
from audience_core.persistence.memory.control import MemoryAudienceStore, MemoryOutputStore, MemoryWorkflows
from audience_core.persistence.memory.jobs import MemoryJobStore
from tests.support.ab_tests import an_ab_test
from tests.support.control import ACCOUNT, NOW, OTHER_ACCOUNT, OUTPUT, a_connection, an_audience, an_output

NOW_MS = int(NOW.timestamp() * 1000)


class World:
    def __init__(self) -> None:
        self.audiences, self.outputs, self.jobs = MemoryAudienceStore(), MemoryOutputStore(), MemoryJobStore()
        self.workflows, self.now = MemoryWorkflows(), NOW_MS
        self.stores = ConnectStores(self.jobs, self.audiences, self.outputs, self.workflows)
        self.outputs.save(an_output())
        for number in (1, 2, 3):
            self.audiences.publish(an_audience(audience_id=AudienceId(number), status=AudienceStatus.ACTIVE))

    def start(self, *audience_ids: int, **given: Any) -> Job:
        wanted = BulkConnection(audience_ids=tuple(map(AudienceId, audience_ids)), **given)
        return bulk_connect.start(self.jobs, self.outputs, self.workflows, ACCOUNT, OUTPUT, wanted, NOW)

    def work(self, job: Job, run: str = "run-1", steps: int = 1000) -> Progress:
        """Until an invocation would end after so many audiences."""
        left = iter(range(steps))
        until = self.now + 1

        def clock() -> int:
            return self.now if next(left, None) is not None else until

        return work_on(self.stores, ACCOUNT, job.job_id, run, clock, until)

    def partner_answers(self, fault: Fault | None = None) -> None:
        for each in self.outputs.list_connections(ACCOUNT):
            if each.subscription is SubscriptionState.NONE and each.status is ConnectionStatus.ACTIVE:
                change = {"fault": fault} if fault else {"subscription": SubscriptionState.ACTIVE}
                self.outputs.save_connection(each.model_copy(update=change))

    def results(self, job: Job) -> list[tuple[int, str]]:
        return [(each["audience_id"], each["code"]) for each in self.report(job).results]

    def report(self, job: Job) -> jobs.Report:
        return jobs.get(JobStores(self.jobs, self.audiences, self.workflows), ACCOUNT, job.job_id, NOW)

    def connections(self) -> list[Connection]:
        return list(self.outputs.list_connections(ACCOUNT))


@pytest.fixture
def world() -> World:
    return World()


def test_each_audience_is_connected_once_the_partner_has_answered(world: World) -> None:
    job = world.start(2, 1, settings={"list": "7"})

    assert world.work(job) is Progress.WAIT
    assert world.results(job) == [(2, "connecting"), (1, "connecting")]
    assert world.report(job).progress == 0
    world.partner_answers()

    assert world.work(job) is Progress.DONE
    assert world.results(job) == [(2, "connected"), (1, "connected")]
    assert [each.settings for each in world.connections()] == [{"list": "7"}] * 2
    assert world.report(job).state is JobState.SUCCEEDED


def test_what_is_wrong_with_one_stops_no_other(world: World) -> None:
    world.audiences.save(an_audience(audience_id=AudienceId(4)))
    world.outputs.save_connection(a_connection(audience_id=AudienceId(2), subscription=SubscriptionState.ACTIVE))
    job = world.start(1, 2, 4, 99, status="inactive")

    assert world.work(job) is Progress.DONE

    codes = ["connected", "already_connected", "not_active", "not_found"]
    assert world.results(job) == list(zip((1, 2, 4, 99), codes, strict=True))
    assert len(world.connections()) == 2


def test_lifetime_audiences_are_connected_and_wait_to_be_sent_unless_they_are_archived(world: World) -> None:
    for number, status in ((4, AudienceStatus.DRAFT), (5, AudienceStatus.CALCULATING), (6, AudienceStatus.ARCHIVED)):
        of = {"audience_id": AudienceId(number), "kind": AudienceKind.LIFETIME, "status": status}
        world.audiences.save(an_audience(**of))
    job = world.start(4, 5, 6)

    assert world.work(job) is Progress.DONE

    assert world.results(job) == [(4, "connected"), (5, "connected"), (6, "not_active")]
    assert {each.status for each in world.connections()} == {ConnectionStatus.INACTIVE}
    assert "archived" in world.report(job).results[2]["message"]


def test_an_audience_that_is_split_is_connected_by_itself(world: World) -> None:
    stored, test = world.audiences.get(ACCOUNT, AudienceId(1)), an_ab_test(30)
    split = world.audiences.save(stored.model_copy(update={"ab_test": test}))
    job = world.start(1, 2, status="inactive")

    assert world.work(job) is Progress.DONE
    assert world.results(job) == [(1, "ab_test_active"), (2, "connected")]

    # Once the test is deleted, what is left of its connections stands in nobody's way.
    world.audiences.save(split.model_copy(update={"ab_test": None}))
    leaving = a_connection(audience_id=AudienceId(1), variant=test.control, status=ConnectionStatus.DELETING)
    world.outputs.save_connection(leaving)
    again = world.start(1, status="inactive")

    assert world.work(again, "run-2") is Progress.DONE
    assert world.results(again) == [(1, "connected")]


def test_settings_that_do_not_fit_are_named_field_by_field(world: World) -> None:
    job = world.start(1, settings={"list": 7})

    world.work(job)

    (result,) = world.report(job).results
    assert result["code"] == "invalid_settings"
    assert [each["field"] for each in result["problems"]] == ["/settings/list"]


def test_an_output_whose_account_was_refused_is_left_in_peace(world: World) -> None:
    fault = Fault(kind=FaultKind.AUTHENTICATION, message="401", at=NOW)
    world.outputs.save_connection(a_connection(audience_id=AudienceId(3), fault=fault))
    job = world.start(1, 2)

    assert world.work(job) is Progress.DONE
    assert world.results(job) == [(1, "configuration_faulted"), (2, "configuration_faulted")]


def test_a_partner_that_refuses_is_said_to(world: World) -> None:
    job = world.start(1)
    world.work(job)

    world.partner_answers(Fault(kind=FaultKind.CONFIGURATION, message="no such list", at=NOW))

    assert world.work(job) is Progress.DONE
    (result,) = world.report(job).results
    assert (result["code"], result["message"]) == ("output_rejected", "configuration: no such list")


def test_a_partner_that_does_not_answer_is_not_waited_for_for_ever(world: World) -> None:
    job = world.start(1)
    world.work(job)

    world.now += int(PATIENCE / timedelta(milliseconds=1)) + 1

    assert world.work(job) is Progress.DONE
    assert world.results(job) == [(1, "connected")]


def test_an_invocation_does_what_it_has_time_for(world: World) -> None:
    job = world.start(1, 2, 3, status="inactive")

    assert world.work(job, steps=3) is Progress.GO_ON
    assert world.results(job) == [(1, "connected")]
    assert 0.3 < world.report(job).progress < 0.4
    assert world.work(job) is Progress.DONE
    assert len(world.connections()) == 3


def test_a_run_that_died_after_connecting_knows_its_own_connection(world: World) -> None:
    job = world.start(1, status="inactive")
    world.work(job)
    (connection,) = world.connections()
    forgotten = world.start(1, status="inactive")
    world.outputs.delete_connection(connection)
    world.work(forgotten)
    (made,) = world.connections()
    # As if its result had not been written any more.
    (part,) = world.jobs.parts(ACCOUNT, forgotten.job_id)
    world.jobs.save_part(part.model_copy(update={"is_done": False, "result": {}}))
    running = world.jobs.get(ACCOUNT, forgotten.job_id)
    world.jobs.save(running.model_copy(update={"state": JobState.RUNNING}))

    assert world.work(forgotten) is Progress.DONE
    assert world.report(forgotten).results[0]["connection_id"] == made.connection_id
    assert world.results(forgotten) == [(1, "connected")]


def test_a_connection_whose_maker_died_before_its_workflow_began_is_announced_all_the_same(world: World) -> None:
    class Throttled(MemoryWorkflows):
        def start_connection_fill(self, *given: Any, **more: Any) -> str:
            raise TimeoutError

    job, world.stores = world.start(1), replace(world.stores, workflows=Throttled())
    with pytest.raises(TimeoutError):
        world.work(job)
    (made,) = world.connections()
    world.stores = replace(world.stores, workflows=world.workflows)

    assert [world.work(job) for _ in range(2)] == [Progress.WAIT] * 2
    fills = [each for each in world.workflows.started if each.startswith("fill-")]
    assert fills == [f"fill-{ACCOUNT}-{made.connection_id}-{made.version}"]


def test_a_run_whose_last_answer_was_lost_says_it_again(world: World) -> None:
    job = world.start(1, status="inactive")
    assert world.work(job) is Progress.DONE

    assert world.work(job) is Progress.DONE
    with pytest.raises(NotOursError):
        world.work(job, run="run-2")


def test_a_cancelled_job_stops_and_goes_on_when_restarted(world: World) -> None:
    job, stores = world.start(1, 2, status="inactive"), JobStores(world.jobs, world.audiences, world.workflows)
    world.work(job, steps=3)
    jobs.cancel(stores, ACCOUNT, job.job_id, NOW)

    with pytest.raises(NotOursError):
        world.work(job)

    jobs.restart(stores, ACCOUNT, job.job_id, NOW)
    assert world.work(job, "run-2") is Progress.DONE
    assert world.workflows.started[0] != world.workflows.started[1]


def test_a_failure_is_noted(world: World) -> None:
    job = world.start(1)
    world.work(job)

    fail(world.stores, ACCOUNT, job.job_id, "run-1", "TimeoutError", NOW)

    assert (world.report(job).state, world.report(job).job.error) == (JobState.FAILED, "TimeoutError")


def test_each_audience_is_named_once() -> None:
    with pytest.raises(ValidationError, match="more than once: 1"):
        BulkConnection(audience_ids=(AudienceId(1), AudienceId(2), AudienceId(1)))


def test_an_output_of_another_account_is_unknown(world: World) -> None:
    with pytest.raises(NotFoundError):
        bulk_connect.start(
            world.jobs,
            world.outputs,
            world.workflows,
            OTHER_ACCOUNT,
            OUTPUT,
            BulkConnection(audience_ids=(AudienceId(1),)),
            NOW,
        )
