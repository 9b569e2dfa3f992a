"""The scenario file: what audiences there are, what happens, and who must be a member when."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from audience_core.domain.definition import Definition

Name = Annotated[str, Field(min_length=1, max_length=100)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScenarioAudience(_Part):
    """An audience from the start.

    Args:
        workspaces, inputs: names; left out: all that the steps use.
    """

    name: Name
    definition: Definition
    workspaces: tuple[Name, ...] = ()
    inputs: tuple[Name, ...] = ()


class NamedDefinition(_Part):
    name: Name
    definition: Definition


class Step(_Part):
    """One thing that happens at an instant: exactly one of `batch`, `define` and `expect`.

    Args:
        batch: an ingest batch as clients send it; `input`, written "workspace/name", received it ("main/main").
        define: a new definition of an audience, or a new audience.
        expect: audience -> customer ids of all its members.
    """

    at: AwareDatetime
    batch: dict[str, Any] | None = None
    input: Name | None = None
    define: NamedDefinition | None = None
    expect: dict[Name, tuple[str, ...]] | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> "Step":
        if sum(each is not None for each in (self.batch, self.define, self.expect)) != 1:
            raise ValueError("a step has exactly one of batch, define and expect")
        if self.input is not None and self.batch is None:
            raise ValueError("input goes with batch")
        return self

    @property
    def at_ms(self) -> int:
        since = self.at.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
        return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


class Scenario(_Part):
    """A story; steps in the order of their instants."""

    name: str
    look_back_days: Literal[30, 60, 90] = 30
    audiences: tuple[ScenarioAudience, ...] = ()
    steps: tuple[Step, ...]

    @model_validator(mode="after")
    def _in_order(self) -> "Scenario":
        instants = [step.at_ms for step in self.steps]
        if instants != sorted(instants):
            raise ValueError("steps must be in the order of their instants")
        known = {each.name for each in self.audiences} | {step.define.name for step in self.steps if step.define}
        asked = {name for step in self.steps for name in step.expect or ()}
        if unknown := sorted(asked - known):
            raise ValueError(f"expected of audiences that nobody defines: {', '.join(unknown)}")
        return self
