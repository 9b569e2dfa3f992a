"""The command `explain`: why a user is in an audience or not, as a tree."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from audience_cli import settings
from audience_cli.api import Api, Json
from audience_cli.commands.audiences import AudienceId
from audience_cli.errors import UsageError
from audience_cli.output import AsJson, Local, print_json, shown


def explain(
    audience_id: AudienceId,
    customer: Annotated[str | None, typer.Option("--customer", help="The user's customer id.")] = None,
    mpid: Annotated[str | None, typer.Option("--mpid", help="The user's profile, in place of a customer id.")] = None,
    at: Annotated[str | None, typer.Option("--at", help="As of this instant, RFC 3339; now by default.")] = None,
    as_json: AsJson = False,
    local: Local = False,
) -> None:
    """Say why a user is in an audience or not, and when that changes if nothing happens.

    The profile is taken as it is known now, also for an instant of the past.
    """
    if (customer is None) is (mpid is None):
        raise UsageError("say whose membership: either --customer ID or --mpid M")
    given = {"customer_id": customer, "mpid": mpid, "at": at}
    with Api(settings.load(local=local)) as api:
        found = api.get(f"audiences/{audience_id}/explain", **{name: text for name, text in given.items() if text})
    if as_json:
        print_json(found)
        return
    Console().print(tree(found), highlight=False)


def tree(found: Json) -> Tree:
    """A line per criterion, with what it saw, the events that decided, and its next change."""
    verb = "is" if found["is_member"] else "is not"
    headline = f"Profile {found['mpid']} {verb} in audience {found['audience_id']} at {_instant(found['at'])}"
    top = Tree(f"[bold]{headline}[/bold]{_change(found['next_change'])}")
    _grow(top, found["population"])
    _grow(top, found["root"])
    return top


def _grow(above: Tree, node: Json) -> None:
    mark = "[green]yes[/green]" if node["value"] else "[red]no[/red] "
    branch = above.add(f"{mark} {escape(node['summary'])}{_saw(node['saw'])}{_change(node['next_change'])}")
    for event in node["deciding"]:
        branch.add(f"[dim]{escape(_event(event))}[/dim]")
    for child in node["children"]:
        _grow(branch, child)


def _saw(saw: Json | None) -> str:
    if saw is None:
        return ""
    value = "nothing" if saw["what"] == "nothing" else f"{saw['what']} {shown(saw['value'])}"
    return f" [cyan]{escape(f'saw {value}')}[/cyan]"


def _change(change: Json | None) -> str:
    return f" [yellow]turns {_yes_no(change['value'])} at {_instant(change['at'])}[/yellow]" if change else ""


def _event(event: Json) -> str:
    read = [event["attributes"], *event["products"]]
    values = [f"{name}={shown(value)}" for each in read for name, value in each.items()]
    return "  ".join([_instant(event["at"]), f"{event['kind']} {event['name']}".strip(), *values])


def _yes_no(value: bool) -> str:
    return "yes" if value else "no"


def _instant(text: Any) -> str:
    """Whole seconds without a fraction."""
    day, _, rest = str(text).partition("T")
    time, _, fraction = rest.rstrip("Z").partition(".")
    return f"{day} {time}{f'.{fraction[:3]}' if fraction.strip('0') else ''} UTC"
