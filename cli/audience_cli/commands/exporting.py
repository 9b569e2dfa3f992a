"""`audiences export`: the members of audiences as a file, or as a link that is mailed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
)

from audience_cli import settings
from audience_cli.api import Api, Json
from audience_cli.errors import CliError, UnreachableError, UsageError
from audience_cli.output import AsJson, Local, messages, print_json

# Between two looks at an export: short at first, for small audiences.
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 10.0
INTERRUPTED = 130
_ENDED = ("failed", "cancelled", "dead")


def export(
    audience_ids: Annotated[list[int] | None, typer.Argument(help="The audiences' numbers.", metavar="ID...")] = None,
    identity: Annotated[
        list[str] | None, typer.Option("--identity", "-i", help="An identity type, like email; may be repeated.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="csv or parquet.")] = "csv",
    email: Annotated[str, typer.Option(help="Mail the link to this address.")] = "",
    legacy_header_spaces: Annotated[
        bool, typer.Option("--legacy-header-spaces", help="CSV with a blank after every comma.")
    ] = False,
    spreadsheet_safe: Annotated[
        bool, typer.Option("--spreadsheet-safe", help="CSV in which no value is run as a formula.")
    ] = False,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to download into.")] = Path(),
    known: Annotated[str, typer.Option("--export", help="Go on with this export instead of asking for another.")] = "",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Ask for it, and do not wait or download.")] = False,
    as_json: AsJson = False,
    local: Local = False,
) -> None:
    """Export the members of audiences as they are now: a ZIP of one file an audience, a row for each identity."""
    wanted = {
        "audiences": [{"id": each} for each in audience_ids or ()],
        "identity_types": identity or [],
        "format": form,
        "email": email or None,
        "legacy_header_spaces": legacy_header_spaces,
        "spreadsheet_safe": spreadsheet_safe,
    }
    if not known and not (audience_ids and identity):
        raise UsageError("name at least one audience and one --identity, for example: audiences export 7 -i email")
    if not output.is_dir():
        raise UsageError(f"there is no folder {output}")
    with Api(settings.load(local=local)) as api:
        found = api.get(f"exports/{known}") if known else api.post("exports", wanted)
        if no_wait:
            _report(found, as_json, f"Export {found['id']} is {found['state']}.")
            return
        found = _wait(api, found)
        file = _download(api, found, output)
    _report({**found, "file": str(file)}, as_json, _summary(found, file))


def _wait(api: Api, found: Json) -> Json:
    """The export when it is complete.

    Raises:
        CliError: it ended without an archive.
    """
    try:
        with _bar("exporting", TaskProgressColumn()) as at:
            pause = FIRST_WAIT_SECONDS
            while found["state"] not in ("succeeded", *_ENDED):
                at(found["progress"], 1.0)
                time.sleep(pause)
                pause = min(pause * 1.5, LONGEST_WAIT_SECONDS)
                found = api.get(f"exports/{found['id']}")
    except KeyboardInterrupt:
        messages().print(f"The export goes on. Get it with: audiences export --export {found['id']}", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    if found["state"] in _ENDED:
        raise CliError(f"the export is {found['state']}: {found.get('error') or 'nobody works on it any more'}")
    return found


def _download(api: Api, found: Json, folder: Path) -> Path:
    """A file appears under its name only when it is whole."""
    archive = found["archive"]
    # The name comes from the server, and must not lead out of the folder.
    place = folder / Path(archive["name"]).name
    unfinished = place.with_name(place.name + ".part")
    url = api.get(f"exports/{found['id']}/download")["url"]
    try:
        with _bar("downloading", DownloadColumn()) as at, unfinished.open("wb") as file:
            for size in _bytes_into(file.write, url):
                at(size, archive["bytes"])
        unfinished.replace(place)
    finally:
        unfinished.unlink(missing_ok=True)
    return place


def _bytes_into(write: Callable[[bytes], object], url: str) -> Iterator[int]:
    """How much there is so far.

    Raises:
        UnreachableError: the file did not come whole.
    """
    size = 0
    try:
        with httpx.stream("GET", url) as answer:
            answer.raise_for_status()
            for chunk in answer.iter_bytes():
                write(chunk)
                size += len(chunk)
                yield size
    except httpx.HTTPError as error:
        # Its message would show the address, which opens the file for whoever reads it.
        raise UnreachableError(f"the file could not be downloaded: {type(error).__name__}") from None


@contextmanager
def _bar(what: str, figures: ProgressColumn) -> Iterator[Callable[[float, float], None]]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), figures)
    with Progress(*columns, console=messages(), transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _summary(found: Json, file: Path) -> str:
    archive = found["archive"]
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in archive["rows_by_identity"].items()) or "no rows"
    return f"{file}: {archive['users']:,} users ({kinds})."


def _report(found: Json, as_json: bool, sentence: str) -> None:
    if as_json:
        print_json(found)
    else:
        messages().print(sentence, soft_wrap=True, markup=False, highlight=False)
