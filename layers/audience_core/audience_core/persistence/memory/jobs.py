"""Jobs and the files of their runs in memory."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from audience_core.domain.ids import AccountId
from audience_core.domain.job import Job, JobState, JobStep, Part
from audience_core.domain.lifetime import CreditBook
from audience_core.errors import NotFoundError, StaleVersionError

type _PartKey = tuple[AccountId, str, JobStep, str]


class MemoryJobStore:
    def __init__(self) -> None:
        self._jobs: dict[tuple[AccountId, str], Job] = {}
        self._parts: dict[_PartKey, Part] = {}
        self._backfilled: dict[AccountId, int] = {}
        self._books: dict[AccountId, CreditBook] = {}

    def get(self, account_id: AccountId, job_id: str) -> Job:
        if (account_id, job_id) not in self._jobs:
            raise NotFoundError(f"there is no job {job_id}")
        return self._jobs[account_id, job_id]

    def list(self, account_id: AccountId) -> tuple[Job, ...]:
        jobs = [job for job in self._jobs.values() if job.account_id == account_id]
        return tuple(sorted(jobs, key=lambda job: (job.created_at, job.job_id), reverse=True))

    def save(self, job: Job) -> Job:
        stored = self._jobs.get((job.account_id, job.job_id))
        if (stored.version if stored else 0) != job.version:
            raise StaleVersionError("somebody else changed it in between: load it again")
        saved = job.model_copy(update={"version": job.version + 1})
        self._jobs[job.account_id, job.job_id] = saved
        return saved

    def prolong(self, job: Job, lease_until: int) -> bool:
        stored = self._jobs.get((job.account_id, job.job_id))
        if stored is None or (stored.state, stored.token) != (JobState.RUNNING, job.token):
            return False
        self._jobs[job.account_id, job.job_id] = stored.model_copy(update={"lease_until": lease_until})
        return True

    def claim(self, part: Part) -> Part:
        stored = self._parts.get(_key(part), part)
        claimed = stored.model_copy(update={"token": stored.token + 1})
        self._parts[_key(part)] = claimed
        return claimed

    def save_part(self, part: Part) -> None:
        stored = self._parts.get(_key(part))
        if stored is None or stored.token != part.token:
            raise StaleVersionError("somebody else works on this part")
        self._parts[_key(part)] = part

    def parts(self, account_id: AccountId, job_id: str) -> tuple[Part, ...]:
        keys = sorted(key for key in self._parts if key[:2] == (account_id, job_id))
        return tuple(self._parts[key] for key in keys)

    def credit_book(self, account_id: AccountId) -> CreditBook:
        return self._books.get(account_id, CreditBook(account_id=account_id))

    def save_credit_book(self, book: CreditBook) -> CreditBook:
        if self.credit_book(book.account_id).version != book.version:
            raise StaleVersionError("somebody else changed it in between: load it again")
        self._books[book.account_id] = book.model_copy(update={"version": book.version + 1})
        return self._books[book.account_id]

    def save_paid(self, job: Job, book: CreditBook) -> Job:
        before = self.credit_book(book.account_id)
        self.save_credit_book(book)
        try:
            return self.save(job)
        except StaleVersionError:
            self._books[book.account_id] = before
            raise

    def backfilled(self, account_id: AccountId) -> int:
        return self._backfilled.get(account_id, 0)

    def set_backfilled(self, account_id: AccountId, program_version: int) -> None:
        self._backfilled[account_id] = max(program_version, self.backfilled(account_id))


class MemoryRunFiles:
    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}

    def put_lines(self, name: str, lines: Sequence[Mapping[str, Any]]) -> str:
        self._texts[name] = [json.dumps(line) for line in lines]
        return "memory"

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.texts(name)]

    def texts(self, name: str) -> list[str]:
        if name not in self._texts:
            raise NotFoundError(f"there is no file {name}")
        return list(self._texts[name])

    def names(self, prefix: str) -> Sequence[str]:
        return sorted(name for name in self._texts if name.startswith(prefix))


def _key(part: Part) -> _PartKey:
    return part.account_id, part.job_id, part.step, part.name
