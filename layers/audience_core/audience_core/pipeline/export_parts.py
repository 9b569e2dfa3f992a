"""One part of an export: members of some buckets, page by page, written as pieces of the file they belong to."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from audience_core.domain.export import Export, Pieces
from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.job import Job, JobStep, Part
from audience_core.domain.profile import Profile
from audience_core.errors import NotOursError, StaleVersionError
from audience_core.exports.csv_rows import CsvLayout
from audience_core.exports.rows import Choice
from audience_core.outputs.projection import is_in
from audience_core.pipeline.export import Exporter, export_of, pieces_folder, places_of, require_ours, require_shared
from audience_core.pipeline.export_members import source_of, source_share

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
        first, last: the buckets, or the places of shards among those of the calculation; both ends inclusive.
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
        ConflictError: the audience was shared with the account, and is no more.
    """
    job = _require_ours(stores, order, clock())
    require_shared(stores.sharing, job)
    part = stores.jobs.claim(_new_part(stores, job, order))
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
            "progress": _progress(part, order, source_share(export.files[order.file])),
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
    piece, file = _Piece(Choice(export.identity_types), layout), export.files[order.file]
    source = source_of(stores, order.account_id, file, export.at)
    while part.bucket <= order.last and piece.size < PIECE_BYTES:
        page = source.read(part, PAGE)
        if page is None:
            break
        members = [mpid for mpid in page.members if is_in(file.variant, mpid)]
        profiles = source.profiles(members)
        for mpid in members:
            if mpid in profiles:
                piece.add(profiles[mpid])
        changes = {"bucket": part.bucket + (page.last is None), "last": page.last, "cursor": page.cursor}
        part = part.model_copy(update={**changes, "looked_at": part.looked_at + len(members)})
        now_ms = clock()
        if now_ms >= until_ms:
            break
        require_shared(stores.sharing, _require_ours(stores, order, now_ms))
    return part, piece


def _require_ours(stores: Exporter, order: Order, now_ms: int) -> Job:
    return require_ours(stores.jobs, order.account_id, order.export_id, order.token, now_ms)


def _name(order: Order) -> str:
    return f"{order.file:03d}-{order.first:05d}"


def _new_part(stores: Exporter, job: Job, order: Order) -> Part:
    files = export_of(job).files
    places = places_of(stores, order.account_id, files[order.file])
    return Part(
        account_id=order.account_id,
        job_id=job.parts_id,
        step=JobStep.WRITE,
        name=_name(order),
        bucket=order.first,
        share=(order.last - order.first + 1) / places / len(files),
    )


def _progress(part: Part, order: Order, share: Callable[[Mpid], float]) -> float:
    within = 0.0 if part.last is None else share(part.last)
    return min(1.0, (part.bucket - order.first + within) / (order.last - order.first + 1))
