"""Turns what `sam deploy` would send into what the emulator can host; plain data in, plain data out."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from local.templates import Template

# What the emulator cannot create, and why the product works without it. Left out by the local deployment alone.
UNHOSTED = {
    "AWS::ApplicationAutoScaling::ScalableTarget": "tables are on demand here, so there is no capacity to scale",
    "AWS::ApplicationAutoScaling::ScalingPolicy": "tables are on demand here, so there is no capacity to scale",
    "AWS::CodeDeploy::Application": "a new version takes over at once here",
    "AWS::CodeDeploy::DeploymentGroup": "a new version takes over at once here",
    "AWS::Budgets::Budget": "nothing is billed here",
    "AWS::CloudWatch::AnomalyDetector": "it learns from weeks of metrics",
    "AWS::CloudWatch::CompositeAlarm": "single alarms are hosted, their combinations are not",
    "AWS::Cognito::ManagedLoginBranding": "sign-in pages are plain here",
    "AWS::Cognito::UserPoolUICustomizationAttachment": "sign-in pages are plain here",
    "AWS::Logs::QueryDefinition": "saved queries belong to the AWS console",
    "AWS::ResourceGroups::Group": "groups belong to the AWS console",
    "AWS::SecretsManager::ResourcePolicy": "permissions are not enforced here",
    "AWS::SecretsManager::RotationSchedule": "secrets are not rotated here",
}


@dataclass(frozen=True)
class Omission:
    """A resource or output the local deployment leaves out."""

    logical_id: str
    reason: str


def without_versions(template: Template) -> Template:
    """The template without versions of functions and their aliases: whatever calls one calls the function itself."""
    functions = {
        logical_id: resource["Properties"]["FunctionName"]["Ref"]
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Alias"
    }
    kept = {
        logical_id: resource
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] not in ("AWS::Lambda::Alias", "AWS::Lambda::Version")
    }
    unversioned: Template = _called_directly({**template, "Resources": kept}, functions)
    return unversioned


def _called_directly(value: Any, functions: dict[str, str]) -> Any:
    match value:
        case {"Ref": str(name)} if name in functions:
            return {"Fn::GetAtt": [functions[name], "Arn"]}
        case {"Fn::Sub": str(text)}:
            for alias, function in functions.items():
                text = text.replace(f"${{{alias}}}", f"${{{function}.Arn}}")
            return {"Fn::Sub": text}
        case dict():
            return {name: _called_directly(each, functions) for name, each in value.items()}
        case list():
            return [_called_directly(each, functions) for each in value]
    return value


def without_unhosted(template: Template) -> tuple[Template, list[Omission]]:
    """The template without unhosted resources, and without whatever names one of them."""
    kept = copy.deepcopy(template)
    omissions: list[Omission] = []
    while doomed := _next_unhosted(kept, {each.logical_id for each in omissions}):
        omissions.append(doomed)
        kept["Resources"].pop(doomed.logical_id)
    gone = {each.logical_id for each in omissions}
    for resource in kept["Resources"].values():
        _forget_dependencies(resource, gone)
    for name in [name for name, value in kept.get("Outputs", {}).items() if gone & set(references(value))]:
        omissions.append(Omission(name, "an output of something left out"))
        kept["Outputs"].pop(name)
    return kept, omissions


def _next_unhosted(template: Template, gone: set[str]) -> Omission | None:
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] in UNHOSTED:
            return Omission(logical_id, f"{resource['Type']}: {UNHOSTED[resource['Type']]}")
        if missing := gone & set(references(resource.get("Properties"))):
            return Omission(logical_id, f"{resource['Type']}: needs {', '.join(sorted(missing))}")
    return None


def _forget_dependencies(resource: dict[str, Any], gone: set[str]) -> None:
    named = resource.get("DependsOn", [])
    left = [each for each in ([named] if isinstance(named, str) else named) if each not in gone]
    resource.pop("DependsOn", None)
    if left:
        resource["DependsOn"] = left


def references(value: Any) -> Iterator[str]:
    """Logical ids that a value names through Ref, Fn::GetAtt or Fn::Sub."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case {"Fn::GetAtt": str(text)}:
            yield text.split(".")[0]
        case {"Fn::Sub": str(text)}:
            yield from _substituted(text)
        case {"Fn::Sub": [str(text), variables]}:
            yield from chain(_substituted(text), references(variables))
        case dict():
            yield from chain.from_iterable(map(references, value.values()))
        case list():
            yield from chain.from_iterable(map(references, value))


def _substituted(text: str) -> Iterator[str]:
    for part in text.split("${")[1:]:
        yield part.split("}")[0].split(".")[0]


def as_text(value: Any) -> str:
    """One text per value, whatever the order of its keys."""
    return json.dumps(value, sort_keys=True)
