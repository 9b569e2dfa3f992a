"""Log-ins at partners that are under way, in memory."""

from audience_core.domain.ids import AccountId, OutputId
from audience_core.domain.output import PendingLogIn
from audience_core.errors import NotFoundError


class MemoryLogInStore:
    def __init__(self) -> None:
        self._log_ins: dict[tuple[AccountId, str], PendingLogIn] = {}
        self._renewals: dict[tuple[AccountId, OutputId], int] = {}

    def begin(self, log_in: PendingLogIn) -> None:
        self._log_ins[log_in.account_id, log_in.state] = log_in

    def take(self, account_id: AccountId, state: str) -> PendingLogIn:
        found = self._log_ins.pop((account_id, state), None)
        if found is None:
            raise NotFoundError("there is no such log-in under way")
        return found

    def claim_renewal(self, account_id: AccountId, output_id: OutputId, now_ms: int, for_ms: int) -> bool:
        if self._renewals.get((account_id, output_id), now_ms) > now_ms:
            return False
        self._renewals[account_id, output_id] = now_ms + for_ms
        return True
