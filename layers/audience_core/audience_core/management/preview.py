"""What a definition would select, measured on a sample of the account's users before anything is stored."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field

from audience_core.domain.account import Record
from audience_core.domain.audience import Audience
from audience_core.domain.control_stores import AccountStore, AudienceStore, OutputStore, WorkspaceStore
from audience_core.domain.definition import Definition
from audience_core.domain.ids import AccountId, AudienceId, InputId, WorkspaceId
from audience_core.domain.output import Output
from audience_core.domain.profile import Profile
from audience_core.domain.stores import ProfileStore
from audience_core.evaluation.compiler import compile_program
from audience_core.evaluation.lint import Finding, lint
from audience_core.evaluation.relevance import population
from audience_core.evaluation.scope import Scope
from audience_core.evaluation.values import to_ms
from audience_core.evaluation.view import View
from audience_core.evaluation.vocabulary import Vocabulary
from audience_core.evaluation.wording import spelled_out
from audience_core.management import definitions, sampling
from audience_core.management.audiences import require_sound
from audience_core.management.explain import active
from audience_core.management.lifetime import refuse
from audience_core.outputs.projection import identities_for
from audience_core.outputs.registry import acceptance_of

MAX_MEMBERS_SHOWN = 20
# Of an audience that is not stored; stored ones begin with 1.
_UNSAVED = AudienceId(0)


class Draft(Record):
    """A definition that is not stored, and whose users and events it reads."""

    model_config = ConfigDict(extra="forbid")

    workspaces: Annotated[tuple[WorkspaceId, ...], Field(min_length=1, max_length=50)]
    inputs: Annotated[tuple[InputId, ...], Field(min_length=1, max_length=500)]
    definition: Definition


class Reach(Record):
    """How many members an output could be told of: those with an identity that it accepts.

    Args:
        low, high: as of the preview.
    """

    output_id: str
    name: str
    connector: str
    identity_types: tuple[str, ...]
    size: int
    low: int
    high: int


class Preview(Record):
    """Args:
    size: how many members there are, or probably are; `low` and `high` hold the truth 95 times in 100.
    is_exact: every profile was read, so all three are the same and true.
    sampled: how many profiles were read; `population`: how many there probably are in the account.
    members_sample: mpids of some members.
    says: the definition in words.
    """

    at: datetime
    says: str
    size: int
    low: int
    high: int
    is_exact: bool
    sampled: int
    population: int
    members_sample: tuple[str, ...]
    reach: tuple[Reach, ...]
    lint: tuple[Finding, ...]


def preview(
    accounts: AccountStore,
    audiences: AudienceStore,
    workspaces: WorkspaceStore,
    outputs: OutputStore,
    profiles: ProfileStore,
    account_id: AccountId,
    draft: Draft,
    now: datetime,
) -> Preview:
    """Raise `InvalidInputError` when the inputs or the definition cannot be used."""
    audience = Audience(
        account_id=account_id,
        audience_id=_UNSAVED,
        name="Preview",
        workspaces=draft.workspaces,
        inputs=draft.inputs,
        definition=draft.definition,
        created_by="",
        created_at=now,
        updated_at=now,
    )
    require_sound(audiences, workspaces, account_id, audience, None)
    return _measured(accounts, audiences, outputs, profiles, audience, now)


def estimate(
    accounts: AccountStore,
    audiences: AudienceStore,
    outputs: OutputStore,
    profiles: ProfileStore,
    account_id: AccountId,
    audience_id: AudienceId,
    now: datetime,
) -> Preview:
    """The same for a stored audience, drafts included, by its definition and not by its member list.

    Raises:
        ConflictError: it is a lifetime audience, which sees more than profiles hold.
    """
    audience = audiences.get(account_id, audience_id)
    refuse(audience, "estimated")
    return _measured(accounts, audiences, outputs, profiles, audience, now)


def _measured(
    accounts: AccountStore,
    audiences: AudienceStore,
    outputs: OutputStore,
    profiles: ProfileStore,
    audience: Audience,
    now: datetime,
) -> Preview:
    account_id, look_back_days = audience.account_id, accounts.get(audience.account_id).look_back_days
    census = _Census(audience, active(audiences, account_id), outputs.list(account_id), look_back_days, to_ms(now))
    sample = sampling.read(profiles, account_id, census.visit)
    found = sampling.estimate(census.members, sample.share)
    names = {each.audience_id: each.name for each in census.others.values()}
    return Preview(
        at=now,
        says=spelled_out(audience.definition.root, names),
        size=found.size,
        low=found.low,
        high=found.high,
        is_exact=sample.share == 1,
        sampled=sample.read,
        population=round(sample.read / sample.share),
        members_sample=tuple(census.shown),
        reach=census.reach(sample.share),
        lint=lint(audience.definition.root, look_back_days, to_ms(now), census.vocabulary),
    )


class _Census:
    """Counts the members among the profiles it visits, and those whom each output could be told of."""

    def __init__(
        self,
        audience: Audience,
        others: Mapping[AudienceId, Audience],
        outputs: tuple[Output, ...],
        look_back_days: int,
        now: int,
    ) -> None:
        self.members, self.shown, self.others = 0, list[str](), others
        scope = Scope(frozenset(audience.workspaces), frozenset(audience.inputs))
        self.vocabulary = Vocabulary(audience.definition.root, scope)
        nested = [others[each] for each in definitions.nested(audience.definition) if each in others]
        self._program = compile_program(0, [audience, *nested], look_back_days)
        self._audience_id, self._now = audience.audience_id, now
        self._outputs = [(output, acceptance_of(output)) for output in outputs]
        self._reached = [0] * len(outputs)

    def visit(self, profile: Profile) -> None:
        self.vocabulary.learn(profile)
        if self._audience_id not in population(self._program, profile):
            return
        if not self._program.holds(self._audience_id, View(profile), self._now):
            return
        self.members += 1
        if len(self.shown) < MAX_MEMBERS_SHOWN:
            self.shown.append(str(profile.mpid))
        for place, (_, acceptance) in enumerate(self._outputs):
            self._reached[place] += bool(identities_for(profile, acceptance))

    def reach(self, share: float) -> tuple[Reach, ...]:
        found = [sampling.estimate(reached, share) for reached in self._reached]
        return tuple(
            Reach(
                output_id=output.output_id,
                name=output.name,
                connector=output.connector,
                identity_types=tuple(sorted(acceptance.accepted_identities)),
                size=each.size,
                low=each.low,
                high=each.high,
            )
            for (output, acceptance), each in zip(self._outputs, found, strict=True)
        )
