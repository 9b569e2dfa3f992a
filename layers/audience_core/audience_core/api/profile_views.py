"""Profiles, and receipts of their erasure, as the API shows them."""

from collections.abc import Iterable
from datetime import datetime

from audience_core.api.edge import instant
from audience_core.api.views import View
from audience_core.domain.audience import AudienceOutline
from audience_core.domain.event import AttributeValue, Environment
from audience_core.domain.job import JobState
from audience_core.domain.profile import Profile, RegisterKind
from audience_core.management.jobs import Report

_PARTNER = "partner "


class IdentityView(View):
    type: str
    value: str


class WorkspaceProfileView(View):
    """What was told in one workspace.

    Args:
        consents: regulation/purpose -> whether it was given.
        is_opted_out: null when the user never said.
    """

    id: str
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    attributes: dict[str, AttributeValue]
    consents: dict[str, bool]
    is_opted_out: bool | None


class ProfileView(View):
    """Args:
    audiences: active ones of which it is a member.
    """

    mpid: str
    environment: Environment
    identities: tuple[IdentityView, ...]
    workspaces: tuple[WorkspaceProfileView, ...]
    audiences: tuple[int, ...]


class ErasedStoreView(View):
    """Args:
    removed: how many items or files went, or were written anew.
    detail: what it waits for; null when it is done.
    at: of the latest visit.
    """

    name: str
    is_done: bool
    removed: int
    detail: str | None
    at: datetime


class ErasedPartnerView(View):
    """Args:
    is_done: the partner has acknowledged that it forgets the user, or never knew them, or its connection is gone.
    """

    connection_id: str
    output_id: str | None
    is_done: bool
    detail: str | None
    at: datetime


class ErasureView(View):
    """The receipt of an erasure. It names nobody: keep its id with the request that you answer.

    Args:
        state: `succeeded` only when every store and every partner is done.
        profiles: how many were found.
    """

    id: str
    state: JobState
    progress: float
    profiles: int
    stores: tuple[ErasedStoreView, ...]
    partners: tuple[ErasedPartnerView, ...]
    error: str | None
    requested_at: datetime
    ended_at: datetime | None


def profile_view(profile: Profile, audiences: Iterable[AudienceOutline]) -> ProfileView:
    workspaces = sorted({key.workspace_id for key in profile.registers} | profile.seen.keys())
    return ProfileView(
        mpid=str(profile.mpid),
        environment=profile.environment,
        identities=tuple(IdentityView(type=each.type, value=each.value) for each in sorted(profile.identities)),
        workspaces=tuple(_workspace_view(profile, each) for each in workspaces),
        audiences=tuple(each.audience_id for each in audiences if each.live_set in profile.memberships),
    )


def erasure_view(report: Report) -> ErasureView:
    job, results = report.job, [each for each in report.results if "name" in each]
    return ErasureView(
        id=job.job_id,
        state=report.state,
        progress=report.progress,
        profiles=job.request["profiles"],
        stores=tuple(
            ErasedStoreView(
                name=each["name"],
                is_done=not each["detail"],
                removed=each["removed"],
                detail=each["detail"] or None,
                at=each["at"],
            )
            for each in results
            if not each["name"].startswith(_PARTNER)
        ),
        partners=tuple(
            ErasedPartnerView(
                connection_id=each["name"].removeprefix(_PARTNER),
                output_id=each.get("output_id"),
                is_done=not each["detail"],
                detail=each["detail"] or None,
                at=each["at"],
            )
            for each in results
            if each["name"].startswith(_PARTNER)
        ),
        error=job.error or None,
        requested_at=job.created_at,
        ended_at=job.ended_at,
    )


def _workspace_view(profile: Profile, workspace_id: str) -> WorkspaceProfileView:
    own = {key: each for key, each in profile.registers.items() if key.workspace_id == workspace_id}
    told = {key: each.value for key, each in own.items() if not each.is_deleted}
    seen = next((each for workspace, each in profile.seen.items() if workspace == workspace_id), None)
    opt_outs = [value is True for key, value in told.items() if key.kind is RegisterKind.OPT_OUT]
    return WorkspaceProfileView(
        id=workspace_id,
        first_seen_at=None if seen is None else instant(seen.first),
        last_seen_at=None if seen is None else instant(seen.last),
        attributes={key.name: value for key, value in told.items() if key.kind is RegisterKind.ATTRIBUTE},
        consents={key.name: value is True for key, value in told.items() if key.kind is RegisterKind.CONSENT},
        is_opted_out=opt_outs[0] if opt_outs else None,
    )
