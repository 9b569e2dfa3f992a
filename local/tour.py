"""What `make run` shows once the product is deployed: the sample shop, played through the real APIs."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from audience_cli.api import Api, Json
from audience_cli.errors import CliError
from local.app import STATE, LocalError
from local.deploy import Outputs
from local.sample_shop import CUSTOMERS, ShopBatch, batches
from local.shop import partner_process, person
from local.shop.audiences import AUDIENCES
from local.shop.play import phases, play
from local.shop.provision import Credentials, account, provision, settings_of
from local.shop.settle import DRAINED_SECONDS, queued, settle, sizes

NEXT = (
    ("the console: define audiences and watch them; sign in as {user}, password {password}", "{console}"),
    ("the audiences", ".venv/bin/audiences list --local"),
    ("who is in one", ".venv/bin/audiences members {audience} --local"),
    ("the same with curl", 'curl -H "Authorization: Bearer $(.venv/bin/audiences token --local)" {url}/v1/audiences'),
    ("what the partner was told", "curl {partner}"),
    ("import your own history (docs/cli.md)", ".venv/bin/audiences import FILE --mapping MAPPING.toml --local"),
    ("messages that failed", ".venv/bin/audiences redrive --local"),
)


def run(
    outputs: Outputs,
    open_console: Callable[[Outputs], str] | None = None,
    directory: Path = STATE,
    customers: int = CUSTOMERS,
) -> None:
    """Set up, play, wait, show. On a stack that has had its tour, nothing is created or counted twice.

    Args:
        open_console: starts the console and tells its address; without it there is none.
        directory: receives `credentials.json`, which `audiences --local` reads, and the partner's files.

    Raises:
        LocalError: an API refused.
    """
    try:
        _run(outputs, open_console, directory, customers, Console())
    except CliError as error:
        raise LocalError(f"the tour ended: {error}") from error


def _run(
    outputs: Outputs,
    open_console: Callable[[Outputs], str] | None,
    directory: Path,
    customers: int,
    console: Console,
) -> None:
    parts = urlsplit(outputs["ApiUrl"])
    endpoint = f"{parts.scheme}://{parts.netloc}"
    file = Credentials(directory / "credentials.json")
    credentials, is_known = account(outputs, endpoint, file.read(), directory)
    person.ensure(outputs, endpoint, int(credentials["account_id"]))
    credentials["console"] = open_console(outputs) if open_console else ""
    with Api(settings_of(credentials), directory) as api:
        _start_partner(credentials, directory, parts.port or 0, is_known=is_known)
        provisioned = provision(api, credentials, credentials["partner_url"])
        file.write(credentials)
        shop = phases(batches(time.time_ns() // 1_000_000, customers))
        _play(shop, credentials["url"], provisioned.inputs, lambda: queued(outputs, endpoint), console)
        _wait(lambda: _look(outputs, endpoint, api, credentials["partner_url"]), console)
        _show(api, credentials, provisioned.audiences, console)


def _start_partner(credentials: Json, directory: Path, aws_port: int, *, is_known: bool) -> None:
    if is_known and partner_process.is_alive(directory, credentials.get("partner_url", "")):
        return
    secret = credentials["partner_secret"]
    credentials["partner_url"] = partner_process.start(directory, aws_port, secret, keep_log=is_known)


def _play(
    shop: tuple[list[ShopBatch], ...],
    url: str,
    inputs: dict[str, tuple[str, str]],
    queued_now: Callable[[], int],
    console: Console,
) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("playing the sample shop", total=sum(map(len, shop)))
        for phase in shop:
            play(phase, url, inputs, lambda accepted: progress.advance(task, accepted))
            settle(lambda: (queued_now(), None), quiet_seconds=DRAINED_SECONDS)


def _look(outputs: Outputs, endpoint: str, api: Api, partner_url: str) -> tuple[int, Any]:
    return queued(outputs, endpoint), (sizes(api), partner_process.told(partner_url))


def _wait(look: Callable[[], tuple[int, Any]], console: Console) -> None:
    with console.status("working it off") as status:
        if settle(look, lambda count: status.update(f"working it off: {count} messages queued")):
            return
    console.print("Not all is worked off yet: the figures below will still change.", style="yellow")


def _show(api: Api, credentials: Json, audiences: tuple[int, ...], console: Console) -> None:
    told = (partner_process.told(credentials["partner_url"]) or {}).get("audiences", {})
    table = Table("Audience", "Who", box=None, pad_edge=False, header_style="bold")
    for name in ("Size", "Adds 24 h", "Forwarded"):
        table.add_column(name, justify="right")
    for sample, audience_id in zip(AUDIENCES, audiences, strict=True):
        found = api.get(f"audiences/{audience_id}")
        forwarded = told.get(str(audience_id), {}).get("members", 0)
        figures = [f"{each or 0:,}" for each in (found["size"], found["adds_24h"], forwarded)]
        table.add_row(f"{sample.name} ({audience_id})", sample.says, *figures)
    console.print(table)
    console.print("Forwarded are those of whom the partner can be told an identity.")
    _show_next(credentials, audiences[0], console)


def _show_next(credentials: Json, audience: int, console: Console) -> None:
    console.print("\nWhat to try next:")
    known = {
        "audience": audience,
        "url": credentials["url"],
        "partner": credentials["partner_url"],
        "console": credentials["console"],
        "user": person.EMAIL,
        "password": person.PASSWORD,
    }
    for what, command in NEXT if credentials["console"] else NEXT[1:]:
        text = f"  # {what}\n  {command}".format(**known)
        console.print(text, markup=False, highlight=False, soft_wrap=True)
