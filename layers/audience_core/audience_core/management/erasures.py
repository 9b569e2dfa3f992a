"""Privacy requests: who is known by an identity, and their erasure, watched until nothing of them is left."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from audience_core.domain.control_stores import JobStore, Workflows
from audience_core.domain.erasure import ErasureOrder, Subject
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.job import Job, JobKind, JobState
from audience_core.domain.profile import Profile
from audience_core.domain.stores import IdentityStore, ProfileStore
from audience_core.errors import NotFoundError
from audience_core.management.jobs import Report, report

_QUEUED_FOR = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class ProfileStores:
    """What looking users up, and their erasure, need of the outside world."""

    profiles: ProfileStore
    identities: IdentityStore
    jobs: JobStore
    workflows: Workflows


def find(stores: ProfileStores, account_id: AccountId, identity: Identity) -> list[Profile]:
    """Profiles that hold an identity, of both environments."""
    found = []
    for environment in Environment:
        holders = stores.identities.rows(account_id, environment, [identity])[identity].holders
        profiles = stores.profiles.load_outlines(account_id, environment, holders)
        found += [profiles[mpid] for mpid in sorted(profiles) if identity in profiles[mpid].identities]
    return found


def get(stores: ProfileStores, account_id: AccountId, mpid: Mpid) -> Profile:
    """Of production, or else of development; raise `NotFoundError`."""
    found = _of_mpid(stores, account_id, mpid)
    if not found:
        raise NotFoundError(f"there is no profile {mpid}")
    return found[0]


def erase(stores: ProfileStores, account_id: AccountId, mpid: Mpid, now: datetime, *, is_archived: bool) -> Report:
    """Begin to erase a profile.

    Args:
        is_archived: it may have been removed for not being heard of: then the archive may know it still.

    Raises:
        NotFoundError: there is no such profile.
    """
    found = _of_mpid(stores, account_id, mpid)
    if not found and not is_archived:
        raise NotFoundError(f"there is no profile {mpid}")
    return _start(stores, account_id, [(each, mpid) for each in Environment], found, now)


def erase_holders(stores: ProfileStores, account_id: AccountId, identity: Identity, now: datetime) -> Report:
    """Begin to erase all profiles that hold an identity; raise `NotFoundError` when there is none."""
    found = find(stores, account_id, identity)
    if not found:
        raise NotFoundError("nobody is known by this identity")
    return _start(stores, account_id, [(each.environment, each.mpid) for each in found], found, now)


def receipts(stores: ProfileStores, account_id: AccountId, now: datetime) -> tuple[Report, ...]:
    """Of all erasures, the latest first."""
    found = [job for job in stores.jobs.list(account_id) if job.kind is JobKind.ERASURE]
    return tuple(report(stores.jobs, job, now) for job in found)


def receipt(stores: ProfileStores, account_id: AccountId, job_id: str, now: datetime) -> Report:
    """Raise `NotFoundError`."""
    job = stores.jobs.get(account_id, job_id)
    if job.kind is not JobKind.ERASURE:
        raise NotFoundError(f"there is no erasure {job_id}")
    return report(stores.jobs, job, now)


def _of_mpid(stores: ProfileStores, account_id: AccountId, mpid: Mpid) -> list[Profile]:
    found = [stores.profiles.load_outlines(account_id, environment, [mpid]) for environment in Environment]
    return [profiles[mpid] for profiles in found if mpid in profiles]


def _start(
    stores: ProfileStores,
    account_id: AccountId,
    places: Collection[tuple[Environment, Mpid]],
    known: Sequence[Profile],
    now: datetime,
) -> Report:
    identities = {(each.type, each.value) for profile in known for each in profile.identities}
    order = ErasureOrder(
        subjects=tuple(Subject(environment=environment, mpid=mpid) for environment, mpid in places),
        identities=tuple(sorted(identities)),
        at=_ms(now),
        profiles=len(known),
    )
    job = Job(
        account_id=account_id,
        job_id=f"erasure-{secrets.token_hex(8)}",
        kind=JobKind.ERASURE,
        state=JobState.QUEUED,
        target=0,
        request=order.model_dump(mode="json"),
        lease_until=_ms(now + _QUEUED_FOR),
        created_at=now,
    )
    saved = stores.jobs.save(job)
    stores.workflows.start_erasure(account_id, saved.job_id)
    return report(stores.jobs, saved, now)


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
