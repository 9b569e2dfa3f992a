"""The compiled active definitions of each account, kept between invocations and never used when outdated."""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audience_core.domain.account import Account
from audience_core.domain.audience import Audience, AudienceStatus, ProgramMark
from audience_core.domain.control_stores import AccountStore, AudienceStore
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.evaluation.compiler import compile_program
from audience_core.evaluation.program import Program
from audience_core.pipeline.member_sets import Tenures, as_member_set, current_sets, tenures

# So many definitions are worth setting aside.
_MANY = 200


@dataclass(frozen=True, slots=True)
class Definitions:
    """What an account's profiles are evaluated with.

    Args:
        program: over member sets: those that are live, and those of staged definitions.
        since: member set -> program version since which the program contains it as it is.
        known: which sets are, or were, the membership of which audience.
    """

    account: Account
    mark: ProgramMark
    program: Program
    since: Mapping[AudienceId, int]
    known: Tenures


class Programs:
    """Compiling a thousand definitions takes a tenth of a second, asking for their version two milliseconds."""

    def __init__(self, accounts: AccountStore, audiences: AudienceStore) -> None:
        self._accounts, self._audiences = accounts, audiences
        self._compiled: dict[AccountId, Definitions] = {}

    def current(self, account_id: AccountId) -> Definitions:
        """The account's definitions at the version that is stored now (one strongly consistent read).

        The version is read before the definitions: should one be published in between, the program is newer than it
        says, is loaded again next time, and its profiles are looked at again.
        """
        mark = self._audiences.program(account_id)
        known = self._compiled.get(account_id)
        if known is None or known.mark != mark:
            known = self._compiled[account_id] = self._load(account_id, mark)
            if len(known.program.trees) >= _MANY:
                _set_aside_what_stays()
        return known

    def _load(self, account_id: AccountId, mark: ProgramMark) -> Definitions:
        account, audiences = self._accounts.get(account_id), self._audiences.list(account_id)
        active = [each for each in audiences if each.status is AudienceStatus.ACTIVE]
        live, staged = self._live(active), self._staged(active)
        since = {each.audience_id: each.program_version for each in (*live, *staged)}
        program = compile_program(mark.version, [*live, *staged], account.look_back_days)
        return Definitions(account, mark, program, since, tenures(audiences))

    @staticmethod
    def _live(active: Sequence[Audience]) -> list[Audience]:
        sets = current_sets(active)
        return [as_member_set(each, each.live_set, sets) for each in active]

    def _staged(self, active: Sequence[Audience]) -> list[Audience]:
        """Staged definitions read the staged sets of others where there are such: all of them take over at once."""
        sets = current_sets(active)
        sets |= {each.audience_id: each.staged.member_set for each in active if each.staged}
        found = []
        for audience in active:
            if audience.staged is None:
                continue
            version = self._audiences.get_version(audience.account_id, audience.audience_id, audience.staged.number)
            changes = {
                "workspaces": version.workspaces,
                "inputs": version.inputs,
                "definition": version.definition,
                "program_version": audience.staged.program_version,
            }
            found.append(as_member_set(audience.model_copy(update=changes), audience.staged.member_set, sets))
        return found


def _set_aside_what_stays() -> None:
    """A thousand definitions compile to so many objects that looking for garbage among them holds an event up."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
