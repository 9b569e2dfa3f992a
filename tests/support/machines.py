"""Plays a state machine of `statemachines/` with real handlers, without waiting and without retries."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import yaml

from tests.support.http_api import a_context

type Handler = Callable[[dict[str, Any], Any], Any]


class MachineFailedError(Exception):
    """It came to a Fail state; the text is its error and cause."""


class Machine:
    """Args:
    handlers: what a substitution such as "CompactRunFunctionArn" stands for.
    """

    def __init__(self, name: str, handlers: Mapping[str, Handler]) -> None:
        self.definition = _definition(name)
        self._handlers = {f"${{{placeholder}}}": handler for placeholder, handler in handlers.items()}
        self.visited: list[str] = []

    def run(self, given: dict[str, Any], name: str) -> dict[str, Any]:
        """The state at the end; raise `MachineFailedError`."""
        context = {"Execution": {"Name": name}, "State": {"RetryCount": 0}}
        state: dict[str, Any] = self._play(self.definition, given, context)
        return state

    def _play(self, machine: Mapping[str, Any], state: Any, context: dict[str, Any]) -> Any:
        at: str | None = machine["StartAt"]
        while at is not None:
            step = machine["States"][at]
            self.visited.append(at)
            match step["Type"]:
                case "Succeed":
                    return state
                case "Fail":
                    raise MachineFailedError(f"{state['error']['Error']}: {state['error']['Cause']}")
                case "Choice":
                    at = self._chosen(step, state)
                    continue
                case "Wait" | "Pass":
                    state = _placed(state, step["ResultPath"], step["Result"]) if "Result" in step else state
                    state, at = _at(step.get("OutputPath", "$"), state, context), step.get("Next")
                    continue
            state, at = self._attempted(step, state, context)
        return state

    def _attempted(self, step: Mapping[str, Any], state: Any, context: dict[str, Any]) -> tuple[Any, str | None]:
        try:
            result = self._map(step, state, context) if step["Type"] == "Map" else self._task(step, state, context)
        except Exception as error:
            name = type(error).__name__
            for catch in step.get("Catch", ()):
                if {name, "States.ALL"} & set(catch["ErrorEquals"]):
                    told = {"Error": name, "Cause": json.dumps({"errorMessage": str(error)})}
                    return _placed(state, catch["ResultPath"], told), catch["Next"]
            raise
        return _placed(state, step.get("ResultPath", "$"), result), step.get("Next")

    def _task(self, step: Mapping[str, Any], state: Any, context: dict[str, Any]) -> Any:
        payload = _filled(step["Parameters"], state, context) if "Parameters" in step else state
        answer = self._handlers[step["Resource"]](json.loads(json.dumps(payload)), a_context())
        return json.loads(json.dumps(answer))

    def _map(self, step: Mapping[str, Any], state: Any, context: dict[str, Any]) -> list[Any]:
        results = []
        for value in _values(step, state, context):
            inside = {**context, "Map": {"Item": {"Value": value}}}
            item = _filled(step["ItemSelector"], state, inside)
            results.append(self._play(step["ItemProcessor"], item, inside))
        return results

    @staticmethod
    def _chosen(step: Mapping[str, Any], state: Any) -> str:
        for choice in step["Choices"]:
            wanted = choice.get("StringEquals", choice.get("BooleanEquals"))
            if _at(choice["Variable"], state, {}) == wanted:
                return str(choice["Next"])
        return str(step["Default"])


@cache
def _definition(name: str) -> dict[str, Any]:
    text = (Path(__file__).parents[2] / "statemachines" / f"{name}.asl.yaml").read_text()
    definition: dict[str, Any] = yaml.safe_load(text)
    return definition


def _values(step: Mapping[str, Any], state: Any, context: dict[str, Any]) -> list[Any]:
    """Of an inline Map, and of one that reads them from a file."""
    if "ItemsPath" in step:
        return list(_at(step["ItemsPath"], state, context))
    where = _filled(step["ItemReader"]["Parameters"], state, context)
    body = boto3.client("s3").get_object(Bucket=where["Bucket"], Key=where["Key"])["Body"].read()
    return [json.loads(line) for line in body.splitlines()]


def _filled(template: Mapping[str, Any], state: Any, context: dict[str, Any]) -> dict[str, Any]:
    return {
        name.removesuffix(".$"): _at(value, state, context) if name.endswith(".$") else value
        for name, value in template.items()
    }


def _at(path: str, state: Any, context: dict[str, Any]) -> Any:
    if path.startswith("States.Format("):
        _, *arguments = path.removeprefix("States.Format(").removesuffix(")").split("', ")
        return ", ".join(str(_at(each, state, context)) for each in arguments[0].split(", "))
    found = context if path.startswith("$$") else state
    for name in path.lstrip("$").split(".")[1:]:
        found = found[name]
    return found


def _placed(state: Any, path: str, result: Any) -> Any:
    return result if path == "$" else {**state, path.removeprefix("$."): result}
