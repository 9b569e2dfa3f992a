"""`audiences redrive`: what lies in the dead-letter queues, and sending it back."""

from typing import Annotated, Any

import typer

from audience_cli import settings
from audience_cli.errors import UsageError
from audience_cli.output import AsJson, Local, messages, print_json, print_table
from audience_cli.queues import DeadLetters, Queues


def redrive(
    queue: Annotated[str, typer.Argument(help="Name of a queue; without one, all are listed.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Every queue that has dead letters.")] = False,
    preview: Annotated[int, typer.Option(min=0, max=10, help="Show so many messages and change nothing.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go where, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    stack_name: Annotated[str, typer.Option(envvar="AUDIENCES_STACK", help="The CloudFormation stack.")] = "audiences",
    as_json: AsJson = False,
    local: Local = False,
) -> None:
    """List dead-letter queues, look at messages, and send them back to where they failed.

    Needs AWS credentials that may read and change the queues of the stack; they are found as the AWS CLI finds them.
    """
    queues = Queues(settings.load(local=local).aws_endpoint, is_local=local)
    found = queues.dead_letters(stack_name)
    if not found:
        raise UsageError(f"the stack {stack_name!r} has no queues here: check --stack-name, the region and the account")
    if not queue and not every:
        _list(found, as_json)
        return
    chosen = _chosen(found, queue, every)
    if dry_run:
        _list_moves(chosen, queues, as_json)
        return
    for each in chosen:
        if preview:
            print_json(queues.preview(each, preview))
        elif each.count and (yes or typer.confirm(f"Send {each.count} messages back to {each.name}?")):
            messages().print(f"{each.name}: {queues.redrive(each)}")


def _list(found: list[DeadLetters], as_json: bool) -> None:
    if as_json:
        print_json([{"queue": each.name, "dead_letters": each.count} for each in found])
        return
    print_table(("Queue", "Dead letters"), [(each.name, each.count) for each in found], ("Dead letters",))


def _list_moves(chosen: list[DeadLetters], queues: Queues, as_json: bool) -> None:
    """What a redrive of these queues would send back, by kind as far as a look at some of it tells."""
    moves: list[dict[str, Any]] = [
        {"queue": each.name, "messages": each.count, "to": each.source_arn, "kinds": queues.kinds(each)}
        for each in chosen
    ]
    if as_json:
        print_json(moves)
        return
    rows = [(each["queue"], each["messages"], each["to"], ", ".join(each["kinds"])) for each in moves]
    print_table(("Queue", "Messages", "Would go to", "Among them"), rows, ("Messages",))


def _chosen(found: list[DeadLetters], name: str, every: bool) -> list[DeadLetters]:
    chosen = [each for each in found if every or each.name.casefold() == name.casefold()]
    if not chosen:
        raise UsageError(f"no queue {name!r}; there are {', '.join(each.name for each in found) or 'none'}")
    return chosen
