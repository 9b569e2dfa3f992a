"""How a partner compares with its audience, as the API shows it."""

from datetime import datetime

from audience_core.api.edge import instant
from audience_core.api.output_views import FaultView
from audience_core.api.views import View
from audience_core.domain.output import Connection, ConnectionStatus
from audience_core.pipeline.convergence import Comparison, Obstacle, Tally, Undelivered


class TallyView(View):
    """Args:
    members: delivered, waiting, rejected and not forwardable ones together.
    waiting: on their way, faulted, inactive, or sent with an outcome that is not known yet.
    not_forwardable: without an identity that the output accepts.
    removals: who is no member any more and not known to be forgotten by the partner.
    desired_digest, acknowledged_digest: equal when the partner has all that it should, and nothing else.
    """

    members: int
    delivered: int
    waiting: int
    rejected: int
    not_forwardable: int
    removals: int
    desired_digest: str
    acknowledged_digest: str


class BucketView(TallyView):
    bucket: int


class UndeliveredView(View):
    """Args:
    is_removal: the partner should forget the member.
    reason: what stands in the way; `detail` says more of a rejection.
    since: how long it has waited; null when nothing was written down yet.
    """

    mpid: str
    is_removal: bool
    reason: Obstacle
    detail: str | None
    since: datetime | None


class ReconciliationView(View):
    """Args:
    is_complete: whether the figures are of all members; otherwise of those on the pages up to this one.
    is_converged: whether the digests are equal; null until complete.
    fault: why a faulted connection forwards nothing.
    """

    connection_id: str
    status: ConnectionStatus
    fault: FaultView | None
    is_complete: bool
    is_converged: bool | None
    total: TallyView
    buckets: tuple[BucketView, ...]
    items: tuple[UndeliveredView, ...]
    next: str | None


def reconciliation_view(
    connection: Connection, fault: FaultView | None, found: Comparison, cursor: str | None
) -> ReconciliationView:
    is_complete = found.next is None
    return ReconciliationView(
        connection_id=connection.connection_id,
        status=connection.status,
        fault=fault,
        is_complete=is_complete,
        is_converged=found.total.is_converged if is_complete else None,
        total=_tally_view(found.total),
        buckets=tuple(
            BucketView(bucket=bucket, **dict(_tally_view(tally))) for bucket, tally in enumerate(found.tallies)
        ),
        items=tuple(map(_undelivered_view, found.undelivered)),
        next=cursor,
    )


def _tally_view(tally: Tally) -> TallyView:
    return TallyView(
        members=tally.members,
        delivered=tally.delivered,
        waiting=tally.waiting,
        rejected=tally.rejected,
        not_forwardable=tally.not_forwardable,
        removals=tally.removals,
        desired_digest=f"{tally.desired:016x}",
        acknowledged_digest=f"{tally.acknowledged:016x}",
    )


def _undelivered_view(row: Undelivered) -> UndeliveredView:
    return UndeliveredView(
        mpid=str(row.mpid),
        is_removal=row.is_removal,
        reason=row.obstacle,
        detail=row.detail,
        since=None if row.since is None else instant(row.since),
    )
