"""Whatever happens while a backfill goes on, in whatever order: in the end its members are right."""

from collections.abc import Iterator

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from audience_core.domain import definition as d
from audience_core.domain.audience import AudienceStatus
from audience_core.domain.job import JobState
from audience_core.domain.messages import Reevaluation
from audience_core.errors import ConflictError, StaleVersionError
from audience_core.pipeline import backfill_parts
from tests.support.backfills import CUSTOMERS, Story
from tests.support.long_run import examples
from tests.support.population import (
    ACCOUNT,
    HOUR,
    at_least,
    fewer_than,
)

ROOTS = (at_least(1, "view"), at_least(2, "view", days=2), fewer_than(1, "buy", days=1), at_least(1, "buy"))


class Interleaving(RuleBasedStateMachine):
    """Live events, edits, crashes and time, in any order, while a backfill goes on step by step."""

    @initialize()
    def begin(self) -> None:
        backfill_parts.PAGE = 2
        self.story = Story()
        for customer in CUSTOMERS[:4]:
            self.story.act(customer)
        self.audiences = [self.story.activate(ROOTS[0]), self.story.activate(ROOTS[2])]
        nests = d.AudienceMembershipCriterion(audience_id=self.audiences[0].audience_id)
        self.audiences.append(self.story.activate(d.Not(criterion=nests)))
        self.steps: Iterator[str] = iter(())
        self.runs = 0

    @rule(customer=st.sampled_from(CUSTOMERS), name=st.sampled_from(["view", "buy"]))
    def act(self, customer: str, name: str) -> None:
        self.story.act(customer, name)

    @rule(hours=st.integers(1, 30))
    def wait(self, hours: int) -> None:
        self.story.town.now += hours * HOUR

    @rule(records=st.integers(1, 5))
    def read_stream(self, records: int) -> None:
        self.story.town.read_stream(records)

    @rule(which=st.integers(0, 1), root=st.sampled_from(ROOTS))
    def edit(self, which: int, root: d.Criterion) -> None:
        if self.story.town.audiences.get(ACCOUNT, self.audiences[which].audience_id).status is AudienceStatus.ACTIVE:
            self.story.edit(self.audiences[which], root)

    @rule()
    def deactivate_or_activate(self) -> None:
        audience = self.story.town.audiences.get(ACCOUNT, self.audiences[1].audience_id)
        if audience.status is AudienceStatus.ACTIVE:
            self.story.deactivate(audience)
        else:
            self.story.town.audiences.publish(audience.model_copy(update={"status": AudienceStatus.ACTIVE}))

    @rule()
    def start(self) -> None:
        """Whatever ran is forgotten in the middle: its worker was killed."""
        self.runs += 1
        self.steps = self.story.town.run(f"run-{self.runs}")

    @rule(steps=st.integers(1, 40), records=st.integers(0, 5))
    def go_on(self, steps: int, records: int) -> None:
        for _ in range(steps):
            self.story.town.read_stream(records)
            try:
                if next(self.steps, None) is None:
                    return
            except (ConflictError, StaleVersionError):
                return

    @invariant()
    def nobody_is_told_twice(self) -> None:
        for audience in getattr(self, "audiences", ()):
            self.story.told(audience)

    def teardown(self) -> None:
        if not hasattr(self, "story"):
            return
        town = self.story.town
        town.settle()
        town.now += 10 * HOUR  # all leases have run out
        assert town.finish("the last run") is JobState.SUCCEEDED
        due = [Reevaluation(ACCOUNT, each.mpid) for each in town.everybody() if each.due_at <= town.now]
        town.take(due)
        town.settle()
        for audience in self.audiences:
            members = self.story.members(audience)
            assert self.story.told(audience) == members
            assert town.listed(audience) == members


TestInterleaving = Interleaving.TestCase
TestInterleaving.settings = settings(max_examples=examples(60), stateful_step_count=30, deadline=None)
