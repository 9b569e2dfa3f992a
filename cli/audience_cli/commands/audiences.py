"""Commands about audiences: list, show, create, activate, members, history."""

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from audience_cli import settings
from audience_cli.api import Api, Json
from audience_cli.errors import UsageError
from audience_cli.output import UNKNOWN, AsJson, Local, messages, print_json, print_table

AudienceId = Annotated[int, typer.Argument(help="The audience's number, as `audiences list` shows it.")]
COLUMNS = ("Id", "Name", "Status", "Size", "Adds", "Drops", "Volatility", "Outputs", "Tags", "Updated (UTC)")
SORTS = "By id, name, size, adds, drops, volatility, updated or created; --sort=-size is the largest first."
# As many as a page may have.
PAGE = 100
Limit = Annotated[int, typer.Option(min=1, help="At most so many.")]
NUMBERS = ("Id", "Size", "Adds", "Drops", "Volatility", "Outputs")


def list_audiences(
    query: Annotated[str, typer.Option("--query", "-q", help="Only those whose name contains this.")] = "",
    tag: Annotated[
        list[str] | None, typer.Option(help="Only those with this tag; may be repeated: all of them.")
    ] = None,
    status: Annotated[str, typer.Option(help="Only those of this status: draft or active.")] = "",
    scope: Annotated[str, typer.Option(help="Only those of one workspace (single), or of several (multi).")] = "",
    sort: Annotated[str, typer.Option(help=SORTS)] = "",
    as_json: AsJson = False,
    local: Local = False,
) -> None:
    """List the account's audiences; adds, drops and volatility are those of the last 24 hours, % marks A/B tests."""
    given = {"q": query, "tag": tag, "status": status, "scope": scope, "sort": sort}
    wanted = {name: value for name, value in given.items() if value}
    with Api(settings.load(local=local)) as api:
        found = list(api.pages("audiences", limit=PAGE, **wanted))
    if as_json:
        print_json(found)
        return
    print_table(COLUMNS, [_row(each) for each in found], NUMBERS)


def show(audience_id: AudienceId, as_json: AsJson = False, local: Local = False) -> None:
    """Show one audience: its figures, inputs and definition."""
    with Api(settings.load(local=local)) as api:
        found = api.get(f"audiences/{audience_id}")
    if as_json:
        print_json(found)
        return
    plain = {name: value for name, value in found.items() if name != "definition"}
    print_table(("", ""), [(name, _line(value)) for name, value in plain.items()])
    print_json(found.get("definition"))


def create(
    file: Annotated[Path, typer.Option("--file", "-f", help="JSON: an audience, or its definition alone.")],
    name: Annotated[str, typer.Option(help="The audience's name.")] = "",
    workspace: Annotated[list[str] | None, typer.Option(help="A workspace id; may be repeated.")] = None,
    input_: Annotated[list[str] | None, typer.Option("--input", help="An input id; may be repeated.")] = None,
    start: Annotated[bool, typer.Option("--activate", help="Start populating it at once.")] = False,
    as_json: AsJson = False,
    local: Local = False,
) -> None:
    """Create an audience from a file.

    The file holds what POST /v1/audiences takes ({"name", "workspaces", "inputs", "definition"}), or a definition alone
    ({"version": 1, "root": ...}); options replace what the file says. Without workspaces, or without inputs, all of the
    account are chosen.
    """
    body = audience_from(_json_file(file), name, workspace or (), input_ or ())
    with Api(settings.load(local=local)) as api:
        found = api.post("audiences", _scoped(api, body))
        if start:
            found = api.post(f"audiences/{found['id']}/activate")
    _report(found, as_json, f"Created audience {found['id']} ({found['status']}).")


def activate(audience_id: AudienceId, as_json: AsJson = False, local: Local = False) -> None:
    """Start populating a draft."""
    with Api(settings.load(local=local)) as api:
        found = api.post(f"audiences/{audience_id}/activate")
    _report(found, as_json, f"Audience {audience_id} is {found['status']}.")


def members(
    audience_id: AudienceId,
    at: Annotated[str, typer.Option("--at", help="Those of this past instant, RFC 3339; now by default.")] = "",
    limit: Limit = 100,
    as_json: AsJson = False,
    local: Local = False,
) -> None:
    """List an audience's members, now or at a past instant."""
    wanted: dict[str, str | int] = {"limit": min(limit, 100)} | ({"at": at} if at else {})
    with Api(settings.load(local=local)) as api:
        found = list(islice(api.pages(f"audiences/{audience_id}/members", **wanted), limit))
    if as_json:
        print_json(found)
        return
    print_table(("Profile", "Since (UTC)"), [(each["mpid"], _instant(each["since"])) for each in found])


def history(
    audience_id: AudienceId,
    mpid: Annotated[str, typer.Option("--mpid", help="Only this profile's.")] = "",
    limit: Limit = 100,
    as_json: AsJson = False,
    local: Local = False,
) -> None:
    """List who joined and left an audience, newest first, each with the exact instant and the reason."""
    wanted: dict[str, str | int] = {"limit": min(limit, 100)} | ({"mpid": mpid} if mpid else {})
    with Api(settings.load(local=local)) as api:
        found = list(islice(api.pages(f"audiences/{audience_id}/history", **wanted), limit))
    if as_json:
        print_json(found)
        return
    rows = [(_instant(each["at"]), each["change"], each["reason"], each["mpid"]) for each in found]
    print_table(("At (UTC)", "Change", "Reason", "Profile"), rows)


def audience_from(body: Any, name: str, workspaces: Sequence[str], inputs: Sequence[str]) -> Json:
    """The body of a create request.

    Raises:
        UsageError: the file holds neither an audience nor a definition.
    """
    if isinstance(body, dict) and "root" in body:
        body = {"definition": body}
    if not isinstance(body, dict) or "definition" not in body:
        raise UsageError('the file must hold an audience ({"name", "definition", ...}) or a definition ({"root"})')
    given = {"name": name, "workspaces": list(workspaces), "inputs": list(inputs)}
    merged = {**body, **{key: value for key, value in given.items() if value}}
    if not merged.get("name"):
        raise UsageError("the audience has no name: add one to the file, or use --name")
    return merged


def _scoped(api: Api, body: Json) -> Json:
    """With all workspaces, and all inputs of its workspaces, where the body names none."""
    workspaces = body.get("workspaces") or [each["id"] for each in api.pages("workspaces")]
    inputs = body.get("inputs") or [
        each["id"] for workspace in workspaces for each in api.pages(f"workspaces/{workspace}/inputs")
    ]
    return {**body, "workspaces": workspaces, "inputs": inputs}


def _json_file(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error


def _report(found: Json, as_json: bool, sentence: str) -> None:
    if as_json:
        print_json(found)
    else:
        messages().print(sentence)


def _row(audience: Json) -> tuple[Any, ...]:
    volatility = audience.get("volatility")
    return (
        str(audience["id"]),
        f"% {audience['name']}" if audience.get("ab_test") else audience["name"],
        audience["status"],
        audience.get("size"),
        audience.get("adds_24h"),
        audience.get("drops_24h"),
        UNKNOWN if volatility is None else f"{volatility:.1%}",
        f"{audience.get('connected_outputs', UNKNOWN)}{' faulted' if audience.get('faults') else ''}",
        ", ".join(audience.get("tags", ())),
        str(audience.get("updated_at", UNKNOWN))[:16].replace("T", " "),
    )


def _line(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def _instant(text: str | None) -> str:
    """To the millisecond."""
    return (text or UNKNOWN).replace("T", " ").removesuffix("Z")[:23]
