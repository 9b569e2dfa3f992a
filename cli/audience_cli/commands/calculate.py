"""`audiences calculate`: has lifetime audiences calculated, and watches."""

import time
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from audience_cli import settings
from audience_cli.api import Api, Json
from audience_cli.errors import CliError
from audience_cli.output import AsJson, Local, messages, print_json, print_table

_PAUSE_S = 2.0
_UNDER_WAY = ("queued", "running")


def calculate(
    audience_ids: Annotated[list[int], typer.Argument(help="Lifetime audiences: drafts, or ready ones to do anew.")],
    wait: Annotated[bool, typer.Option(help="Watch until it has ended.")] = True,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.", hidden=True)] = _PAUSE_S,
    as_json: AsJson = False,
    local: Local = False,
) -> None:
    """Calculate lifetime audiences, all of them in one scan of the archive."""
    with Api(settings.load(local=local)) as api:
        found = api.post("lifetime-calculations", {"audience_ids": audience_ids})
        messages().print(f"Calculation {found['id']} takes {found['credits']} credits.")
        if wait:
            found = _watched(api, found, every)
    if as_json:
        print_json(found)
    else:
        rows = [(each["audience_id"], each["size"]) for each in found["audiences"]]
        print_table(("Audience", "Members so far" if found["state"] in _UNDER_WAY else "Members"), rows)
    if found["state"] not in ("succeeded", *_UNDER_WAY):
        raise CliError(f"The calculation is {found['state']}: {found['error'] or 'restart it'}")


def _watched(api: Api, found: Json, every: float) -> Json:
    columns = (TextColumn("Scanning"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=messages(), transient=True) as progress:
        task = progress.add_task("scan", total=1.0)
        while found["state"] in _UNDER_WAY:
            time.sleep(every)
            found = api.get(f"lifetime-calculations/{found['id']}")
            progress.update(task, completed=found["progress"])
    return found
