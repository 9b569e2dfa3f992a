"""One part of an export: members of some buckets, page by page, written as pieces of the file they belong to."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from audience_core.domain.audience import AudienceStatus
from audience_core.domain.event import Environment
from audience_core.domain.export import Export, Pieces
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.job import Job, JobStep, Part
from audience_core.domain.membership import PastMembership
from audience_core.domain.mpid_order import share_of_bucket
from audience_core.domain.past_members import Stretch
from audience_core.domain.profile import BUCKETS, Profile
from audience_core.errors import NotOursError, StaleVersionError
from audience_core.exports.csv_rows import CsvLayout
from audience_core.exports.rows import Choice
from audience_core.pipeline.export import Exporter, export_of, pieces_folder, require_ours

PAGE = 1000
# About so much is gathered before it is written: a piece is what is lost when a worker dies, and what a reader holds.
PIECE_BYTES = 8_000_000

type Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Order:
    """Which part of an export a worker is to write.

    Args:
        token: of the run that gives the order.
        file: place of its file among those of the export.
        first, last: the buckets, both ends inclusive.
    """

    account_id: AccountId
    export_id: str
    token: int
    file: int
    first: int
    last: int


@dataclass(slots=True)
class _Piece:
    """Rows that are gathered in memory."""

    choice: Choice
    layout: CsvLayout
    lines: list[str] = field(default_factory=list)
    rows: Counter[str] = field(default_factory=Counter)
    size: int = 0
    users: int = 0

    def add(self, profile: Profile) -> None:
        rows = self.choice.rows(profile)
        for value, identity_type in rows:
            line = self.layout.line(profile.mpid, value, identity_type)
            self.lines.append(line)
            self.size += len(line)
            self.rows[identity_type] += 1
        self.users += bool(rows)


def work(stores: Exporter, order: Order, clock: Clock, until_ms: int) -> Part:
    """Go on with a part until it is done, its audience must be waited for, or the time is up.

    Args:
        clock: now, UTC ms.
        until_ms: no page begins after this instant, but the first one.

    Raises:
        NotOursError: the job was cancelled or is another run's now.
        StaleVersionError: another worker has begun with this part.
        NotFoundError: the audience was deleted.
    """
    job = _require_ours(stores, order, clock())
    part = stores.jobs.claim(_new_part(job, order))
    while not part.is_done:
        before = part.bucket, part.last
        part = _write_piece(stores, job, order, part, clock, until_ms)
        if clock() >= until_ms or (part.bucket, part.last) == before:
            break
    return part


def note_error(stores: Exporter, order: Order, error: str) -> None:
    """Tell watchers why the latest attempt at a part failed, unless another one has begun."""
    with suppress(NotOursError):
        job = _require_ours(stores, order, 0)
        for part in stores.jobs.parts(order.account_id, job.parts_id):
            if (part.step, part.name) == (JobStep.WRITE, _name(order)):
                with suppress(StaleVersionError):
                    stores.jobs.save_part(part.model_copy(update={"error": error}))


def _write_piece(stores: Exporter, job: Job, order: Order, part: Part, clock: Clock, until_ms: int) -> Part:
    export, written = export_of(job), part.pieces or Pieces()
    part, piece = _gather(stores, order, export, part, clock, until_ms)
    key = f"{pieces_folder(job)}{_name(order)}-{len(written.keys):05d}-{part.token}.csv"
    content = "".join(piece.lines).encode()
    new = Pieces(
        keys=(key,) if content else (), users=piece.users, rows_by_identity=dict(piece.rows), bytes=len(content)
    )
    part = part.model_copy(
        update={
            "pieces": written.and_then(new),
            "written": part.written + piece.users,
            "progress": _progress(part, order),
            "is_done": part.bucket > order.last,
            "error": "",
        }
    )
    if content:
        stores.files.put(key, content)
    try:
        # Whoever cancels the job removes its files: those that come later must be removed by whoever wrote them.
        _require_ours(stores, order, clock())
        stores.jobs.save_part(part)
    except (NotOursError, StaleVersionError):
        stores.files.delete(new.keys)
        raise
    return part


def _gather(
    stores: Exporter, order: Order, export: Export, part: Part, clock: Clock, until_ms: int
) -> tuple[Part, _Piece]:
    """The rows of the next pages, and the part as it is behind them."""
    spaces, safe = export.legacy_header_spaces, export.spreadsheet_safe
    layout = CsvLayout(export.at, header_spaces=spaces, spreadsheet_safe=safe)
    piece = _Piece(Choice(export.identity_types), layout)
    audience_id = export.files[order.file].audience_id
    while part.bucket <= order.last and piece.size < PIECE_BYTES:
        found = _members(stores, order.account_id, audience_id, part, export.at)
        if found is None:
            break
        members, last = found
        profiles = _profiles(stores, order.account_id, members)
        for member in members:
            if member.mpid in profiles:
                piece.add(profiles[member.mpid])
        is_behind = last is None
        changes = {"bucket": part.bucket + is_behind, "last": last, "looked_at": part.looked_at + len(members)}
        part = part.model_copy(update=changes)
        now_ms = clock()
        if now_ms >= until_ms:
            break
        _require_ours(stores, order, now_ms)
    return part, piece


def _members(
    stores: Exporter, account_id: AccountId, audience_id: AudienceId, part: Part, at_ms: int
) -> tuple[list[PastMembership], Mpid | None] | None:
    """A page of those who were members, and where it ends; None while an edit of the audience takes over.

    The member set that is live may change at any time, and the list of the one before is then emptied: so what was read
    counts only if the same set was live before and after.
    """
    live_set = _settled_set(stores, account_id, audience_id)
    if live_set is None:
        return None
    stretch = Stretch(stores.memberships, stores.history, account_id, audience_id, live_set, part.bucket)
    pasts, last = stretch.read(part.last, PAGE)
    if _settled_set(stores, account_id, audience_id) != live_set:
        return None
    return stretch.members(pasts, at_ms), last


def _settled_set(stores: Exporter, account_id: AccountId, audience_id: AudienceId) -> AudienceId | None:
    """The member set that is live; None while profiles are still told that it is."""
    audience = stores.audiences.get(account_id, audience_id)
    is_active = audience.status is AudienceStatus.ACTIVE
    if is_active and stores.jobs.backfilled(account_id) < audience.program_version:
        return None
    return audience.live_set


def _profiles(stores: Exporter, account_id: AccountId, members: Sequence[PastMembership]) -> dict[Mpid, Profile]:
    mpids = [member.mpid for member in members]
    return stores.profiles.load_outlines(account_id, Environment.PRODUCTION, mpids) if mpids else {}


def _require_ours(stores: Exporter, order: Order, now_ms: int) -> Job:
    return require_ours(stores.jobs, order.account_id, order.export_id, order.token, now_ms)


def _name(order: Order) -> str:
    return f"{order.file:03d}-{order.first:02d}"


def _new_part(job: Job, order: Order) -> Part:
    return Part(
        account_id=order.account_id,
        job_id=job.parts_id,
        step=JobStep.WRITE,
        name=_name(order),
        bucket=order.first,
        share=(order.last - order.first + 1) / BUCKETS / len(export_of(job).files),
    )


def _progress(part: Part, order: Order) -> float:
    within = 0.0 if part.last is None else share_of_bucket(part.last)
    return min(1.0, (part.bucket - order.first + within) / (order.last - order.first + 1))
