"""`audiences import`: history from files, through the ingest API."""

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from audience_cli import settings
from audience_cli.errors import UsageError
from audience_cli.importer import resume
from audience_cli.importer.mapping import Mapping, load_mapping
from audience_cli.importer.plan import Plan, Step, latest_instant, total_rows
from audience_cli.importer.resume import State
from audience_cli.importer.run import Summary, rehearse, send
from audience_cli.importer.values import UnreadableError, as_instant
from audience_cli.ingest import BULK, HISTORICAL, IngestClient
from audience_cli.output import AsJson, Local, messages, print_json, print_table

HISTORY_MIN_AGE_MS = 72 * 3_600_000
INTERRUPTED = 130

type Advance = Callable[[int], None]


def import_files(
    files: Annotated[list[Path], typer.Argument(help="CSV, Parquet or JSON lines, earlier first.", metavar="FILE...")],
    mapping: Annotated[Path, typer.Option("--mapping", "-m", help="What the columns mean; see docs/cli.md.")],
    input_key: Annotated[str, typer.Option(envvar="AUDIENCES_INPUT_KEY", help="Key of the input.")] = "",
    input_secret: Annotated[str, typer.Option(envvar="AUDIENCES_INPUT_SECRET", help="Its secret.")] = "",
    historical: Annotated[
        bool, typer.Option("--historical", help="For data of the past: older than 72 hours, and not forwarded.")
    ] = False,
    shift_to: Annotated[
        str, typer.Option(help="Move all times so that the latest is this: `now`, or a time like 2026-01-31T12:00Z.")
    ] = "",
    resume_file: Annotated[
        Path | None, typer.Option(help="Where to remember how far it came. By default below ~/.local/state/audiences.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=32, help="Requests under way at once.")] = 4,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read everything, send nothing, show a batch.")] = False,
    url: Annotated[str, typer.Option(help="Address of the API; by default that of the login.")] = "",
    as_json: AsJson = False,
    local: Local = False,
) -> None:
    """Import events and attributes from files.

    Interrupted, it goes on where it was when called again. Called once more after that, it changes nothing: every event
    has an id made of its content and place, and repeats are dropped.
    """
    chosen = settings.load(local=local, url=url, input_key=input_key, input_secret=input_secret)
    if not dry_run:
        chosen.require("url", "input_key", "input_secret")
    path = HISTORICAL if historical else BULK
    read, text = load_mapping(mapping)
    _require_sensible(files, read, historical)
    rows = total_rows(files, read)
    identity = resume.import_id(files, text, f"{chosen.url}{path} {chosen.input_key} {shift_to}")
    place = resume_file or resume.default_path(identity)
    known = resume.load(place, identity)
    with _bar("looking for the latest time", rows) as advance:
        state = known or _new_state(identity, files, read, shift_to, historical, advance)
    with _bar("reading" if dry_run else "importing", rows) as advance:
        plan = Plan(files, read, state.shift_ms, state.cutoff_ms, progress=advance)
        if dry_run:
            summary = rehearse(plan, state, _Sample().show)
        else:
            with IngestClient(chosen.url, chosen.input_key, chosen.input_secret, path, concurrency) as client:
                summary = _send(plan, state, place, client)
    _report(summary, as_json)


def _require_sensible(files: list[Path], mapping: Mapping, historical: bool) -> None:
    missing = [str(each) for each in files if not each.is_file()]
    if missing:
        raise UsageError(f"no such file: {', '.join(missing)}")
    if historical and mapping.event is None:
        raise UsageError("--historical takes events only: the mapping has no [event]")


def _new_state(
    identity: str, files: list[Path], mapping: Mapping, shift_to: str, historical: bool, advance: Advance
) -> State:
    now_ms = time.time_ns() // 1_000_000
    shift_ms = _target(shift_to, now_ms) - latest_instant(files, mapping, advance) if shift_to else 0
    return State(import_id=identity, shift_ms=shift_ms, cutoff_ms=now_ms - HISTORY_MIN_AGE_MS if historical else None)


def _target(shift_to: str, now_ms: int) -> int:
    if shift_to == "now":
        return now_ms
    try:
        return as_instant(shift_to, None, "UTC")
    except UnreadableError as error:
        raise UsageError(f"--shift-to takes `now` or a time like 2026-01-31T12:00Z, not {shift_to!r}") from error


def _send(plan: Plan, state: State, place: Path, client: IngestClient) -> Summary:
    try:
        return send(plan, state, place, client)
    except KeyboardInterrupt:
        messages().print(f"Stopped. Call it again to go on where it was ({place}).", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None


class _Sample:
    """Shows the first batch of a dry run."""

    def __init__(self) -> None:
        self._is_shown = False

    def show(self, step: Step) -> None:
        if not self._is_shown:
            self._is_shown = True
            text = json.dumps(json.loads(step.body)[0], indent=2)
            messages().print("The first batch:", text[:4000], sep="\n", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[Advance]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("rows"))
    speed = TextColumn("{task.fields[speed]}")
    with Progress(*columns, speed, TimeElapsedColumn(), console=messages(), transient=True) as progress:
        task = progress.add_task(what, total=total, speed="")
        began = time.monotonic()

        def advance(rows: int) -> None:
            progress.advance(task, rows)
            done = progress.tasks[0].completed
            progress.update(task, speed=f"{done / max(time.monotonic() - began, 1e-3):,.0f} rows/s")

        yield advance


def _report(summary: Summary, as_json: bool) -> None:
    if as_json:
        print_json(dataclasses.asdict(summary))
        return
    profiles = f"{summary.profiles:,}" if summary.counts_all_profiles else f"over {summary.profiles:,}"
    rate = f"{summary.rows / max(summary.seconds, 1e-3):,.0f} rows/s"
    lines = [
        ("rows read", summary.rows),
        *((f"  skipped, {why}", count) for why, count in sorted(summary.skipped.items())),
        ("events", summary.events),
        ("batches", summary.batches),
        ("profiles", profiles),
        ("requests", summary.requests),
        ("  of them repeated", summary.retries),
        ("seconds", f"{summary.seconds:.1f} ({rate})"),
    ]
    if summary.resumed:
        messages().print("An earlier run had sent a part; these are the figures of this one.")
    print_table(("", ""), lines)
