"""Which AWS calls each function can come to make, and whether its policy allows exactly those: `make check` asks.

From a handler on, every function, method and property that the code names is followed; a store leads to the table,
queue or bucket that `wiring` gives it. So what happens once a year is found like what happens in every request.

    python -m local.permissions               # what is missing in policies, and what is spare
    python -m local.permissions FUNCTION_ID   # the statements that a function needs
"""

import re
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from mypy import nodes

from local.app import PRODUCT
from local.code_graph import Code, made_in
from local.templates import Template, read_template

_STORES = "audience_core.persistence."
# A call's permissions, where they are not named like it. Without the right to list a bucket, what is missing in it
# looks forbidden.
_S3 = {
    "get_object": ("GetObject", "ListBucket"),
    "head_object": ("GetObject", "ListBucket"),
    "list_objects_v2": ("ListBucket",),
    "list_multipart_uploads": ("ListBucketMultipartUploads",),
    "put_object": ("PutObject",),
    "create_multipart_upload": ("PutObject",),
    "upload_part": ("PutObject",),
    "complete_multipart_upload": ("PutObject",),
    "abort_multipart_upload": ("AbortMultipartUpload",),
    "delete_object": ("DeleteObject",),
    "delete_objects": ("DeleteObject",),
}
_RENAMED = {"send_message_batch": "SendMessage"}
_SERVICES = {"stepfunctions": "states", "sesv2": "ses"}
SECRETS, OTHERS, MAIL, CONSOLE = "secrets of outputs", "other accounts", "SenderEmail", "CONSOLE_URL_PARAMETER"
_SIGNED = {("s3:PutObject", OTHERS), ("events:PutEvents", OTHERS)}

# What the code could do with other messages than the function is ever given: logical id -> what it is not allowed.
_REEVALUATIONS = frozenset(
    {
        ("dynamodb:BatchGetItem", "IdentitiesTable", ""),
        ("dynamodb:PutItem", "IdentitiesTable", ""),
        ("dynamodb:UpdateItem", "IdentitiesTable", ""),
        ("s3:PutObject", "ArchiveBucket", "/*"),
        ("sqs:SendMessage", "EventsQueue", ""),
    }
)
# Re-evaluations claim no identity and archive nothing; batches and releases come through the events queue alone.
NEVER: Mapping[str, frozenset[tuple[str, str, str]]] = {
    "ReevaluateProfilesFunction": _REEVALUATIONS,
    "BackfillPageFunction": _REEVALUATIONS,
}

type Edge = tuple[str, str]  # what, in the name of which store
type Need = tuple[str, str, str]  # action, resource, part of it


@dataclass(frozen=True, order=True)
class Permission:
    """Args:
    setting: environment variable that names the resource, or a word for what none names.
    part: of the resource: "/*" for objects of a bucket, "/index/*" of a table.
    """

    action: str
    setting: str
    part: str = ""


class Permissions:
    """What handlers can come to need."""

    def __init__(self, code: Code) -> None:
        self._code = code
        self._settings: dict[str, dict[str, set[str]]] = {}
        self._machines: dict[str, str] = {}
        self._binds: dict[str, list[tuple[str, str]]] = {}
        self._inner: dict[tuple[str, str], dict[str, str]] = {}
        for name, found in code.bodies.items():
            for made, arguments in chain.from_iterable(map(made_in, found)):
                if made == f"{_STORES}tables.bind":
                    self._note_table(name, arguments)
                elif made.startswith(_STORES):
                    self._note_store(name, made, arguments)

    def of(self, handler: str) -> frozenset[Permission]:
        """Args:
        handler: module of the function's handler.
        """
        roots = [name for name in self._code.bodies if name.rpartition(".")[0] == handler]
        seen = self._reached([(root, "") for root in roots])
        return frozenset(chain.from_iterable(self._permissions(*edge) for edge in seen))

    def _reached(self, edges: list[Edge], within: str | None = None) -> set[Edge]:
        """All that some names lead to; only inside of one store if one is given."""
        seen: set[Edge] = set()
        pending = deque(edges)
        while pending:
            edge = pending.popleft()
            if edge in seen or (within is not None and edge[1] != within):
                continue
            seen.add(edge)
            for followed in chain.from_iterable(map(self._code.followed, self._code.body(edge[0]).names)):
                pending.append((followed, self._store(followed) or edge[1]))
        return seen

    @cached_property
    def _wired(self) -> frozenset[str]:
        return frozenset(self._settings) | {f"{_STORES}secrets.SecretsManagerStore"}

    def _store(self, name: str) -> str | None:
        """The wired store that a method belongs to, or the function that is given a setting."""
        if name in self._wired:
            return name
        owner = name.rpartition(".")[0]
        return owner if owner in self._wired else None

    def _note_table(self, where: str, arguments: list[tuple[str | None, nodes.Expression]]) -> None:
        model, table = arguments[0][1], arguments[1][1]
        if isinstance(model, nodes.RefExpr) and isinstance(table, nodes.NameExpr):
            self._binds.setdefault(model.fullname, []).append((where.rpartition(".")[0], table.name))

    def _note_store(self, where: str, made: str, arguments: list[tuple[str | None, nodes.Expression]]) -> None:
        names = self._parameters(made)
        for place, (keyword, value) in enumerate(arguments):
            parameter = keyword or (names[place] if place < len(names) else "")
            if setting := _setting(value):
                self._settings.setdefault(made, {}).setdefault(parameter, set()).add(setting)
            elif isinstance(value, nodes.DictExpr):
                self._settings.setdefault(made, {})
                self._machines |= {
                    key.value: machine
                    for key, each in value.items
                    if isinstance(key, nodes.StrExpr) and (machine := _setting(each))
                }
            elif isinstance(value, nodes.NameExpr) and where.endswith(".__init__"):
                self._inner.setdefault((where.rpartition(".")[0], made), {})[parameter] = value.name

    def _parameters(self, made: str) -> list[str]:
        for node in self._code.bodies.get(f"{made}.__init__", self._code.bodies.get(made, [])):
            if isinstance(node, nodes.FuncDef):
                return [name for name in node.arg_names if name and name != "self"]
        return []

    def _permissions(self, name: str, store: str) -> Iterator[Permission]:
        body = self._code.body(name)
        if name == "audience_core.outputs.aws.signed":
            yield from (Permission(action, setting) for action, setting in _SIGNED)
        for key in body.keys:
            inside = self._reached([(name, store)], within=store)
            calls = chain.from_iterable(self._code.body(each).calls for each, _ in inside)
            yield from (Permission(f"states:{_camel(call)}", self._machines[key]) for _, call, _ in calls)
        for service, call, model in body.calls:
            if service.startswith("dynamodb"):
                part = "/index/*" if service.endswith("index") else ""
                yield from (Permission(f"dynamodb:{call}", each, part) for each in self._tables(model, store))
            elif service != "stepfunctions":
                yield from self._of_service(service, call, store)

    def _of_service(self, service: str, call: str, store: str) -> Iterator[Permission]:
        given = list(chain.from_iterable(self._settings.get(store, {}).values())) or [SECRETS]
        if service == "s3":
            for action in _S3[call]:
                part = "" if action.startswith("ListBucket") else "/*"
                yield from (Permission(f"s3:{action}", setting, part) for setting in given)
        else:
            action = f"{_SERVICES.get(service, service)}:{_RENAMED.get(call) or _camel(call)}"
            yield from (Permission(action, setting) for setting in given)

    def _tables(self, model: str, store: str) -> Iterator[str]:
        given = self._settings.get(store, {})
        for owner, parameter in self._binds.get(model, ()):
            if owner == store:
                yield from given.get(parameter, ())
            elif (store, owner) in self._inner:
                yield from given.get(self._inner[store, owner].get(parameter, ""), ())


def _setting(o: nodes.Expression) -> str | None:
    """NAME of `of["NAME"]`, `settings()["NAME"]` and the like."""
    match o:
        case nodes.IndexExpr(index=nodes.StrExpr(value=name)) if name.isupper():
            return str(name)
    return None


def _camel(call: str) -> str:
    return "".join(word.capitalize() for word in call.split("_"))


# The template ---------------------------------------------------------------------------------------------------------


def functions(template: Template) -> dict[str, dict[str, Any]]:
    """Logical id -> properties."""
    resources: dict[str, dict[str, Any]] = template["Resources"]
    return {name: each["Properties"] for name, each in resources.items() if each["Type"] == "AWS::Serverless::Function"}


def needs(permissions: Permissions, template: Template, logical_id: str) -> frozenset[Need]:
    """What a function of the template needs, by the resources that its environment names.

    A state machine of which it is not told the name it cannot start.
    """
    function = functions(template)[logical_id]
    told: dict[str, Any] = {}
    for each in (template["Globals"]["Function"], function):
        told |= each.get("Environment", {}).get("Variables", {})
    found = set()
    for each in permissions.of(f"functions.{function['CodeUri'].split('/')[-1]}.handler"):
        value = told.get(each.setting)
        if isinstance(value, dict) and "Ref" in value:
            found.add((each.action, value["Ref"], each.part))
        elif not each.setting.endswith("_STATE_MACHINE_ARN"):
            found.add((each.action, each.setting, each.part))
    return frozenset(found) - NEVER.get(logical_id, frozenset())


def allowed(function: Mapping[str, Any]) -> Iterator[Need]:
    """What the policies of a function of the template allow."""
    for policy in function.get("Policies", ()):
        if "Statement" not in policy:
            raise ValueError(f"write the statement itself, not a template of SAM's: {policy}")
        for statement in policy["Statement"]:
            for action in _listed(statement["Action"]):
                for resource in _listed(statement["Resource"]):
                    yield (action, *_named(resource, statement))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _named(resource: Any, statement: Mapping[str, Any]) -> tuple[str, str]:
    match resource:
        case {"Fn::GetAtt": [name, "Arn"]} | {"Ref": name}:
            return name, ""
        case {"Fn::Sub": text} if ":secret:audience-manager/*" in text:
            return SECRETS, ""
        case {"Fn::Sub": text} if ":ses:" in text:
            return MAIL, ""
        case {"Fn::Sub": text} if ":parameter/" in text:
            return CONSOLE, ""
        case {"Fn::Sub": text} if found := re.fullmatch(r"\$\{(\w+)\.Arn\}(/index)?/.*", text):
            return found[1], "/index/*" if found[2] else "/*"
        case {"Fn::Sub": text} if found := re.search(r":execution:\$\{(\w+)\.Name\}:\*$", text):
            return found[1], ""
        case "*" if "aws:ResourceAccount" in str(statement.get("Condition")):
            return OTHERS, ""
    raise ValueError(f"no function needs this: {resource}")


def differences(permissions: Permissions, template: Template) -> Iterator[str]:
    for name, function in functions(template).items():
        needed, given = needs(permissions, template, name), frozenset(allowed(function))
        yield from (f"{name} misses {' '.join(each)}" for each in sorted(needed - given))
        yield from (f"{name} does not need {' '.join(each)}" for each in sorted(given - needed))


def statements(needed: frozenset[Need]) -> Iterator[str]:
    """YAML of the statements that allow it."""
    by_resource: dict[tuple[str, str], list[str]] = {}
    for action, name, part in sorted(needed):
        by_resource.setdefault((name, part), []).append(action)
    for (name, part), actions in sorted(by_resource.items(), key=lambda each: (each[1][0].split(":")[0], each[0])):
        yield f"- {{Effect: Allow, Action: [{', '.join(actions)}], Resource: {_arn(name, part, actions[0])}}}"


def _arn(name: str, part: str, action: str) -> str:
    if part:
        return f'!Sub "${{{name}.Arn}}{part}"'
    if action == "states:DescribeExecution":
        return (
            f'[!Ref {name}, !Sub "arn:${{AWS::Partition}}:states:${{AWS::Region}}:${{AWS::AccountId}}'
            f':execution:${{{name}.Name}}:*"]'
        )
    return f"!Ref {name}" if action.startswith("secretsmanager:") else f"!GetAtt {name}.Arn"


def main(*names: str) -> None:
    template, permissions = read_template(PRODUCT.template), Permissions(Code())
    for name in names:
        print("\n".join(statements(needs(permissions, template, name))))
    found = [] if names else list(differences(permissions, template))
    if found:
        sys.exit("\n".join(["policies differ from what the functions can do:", *found]))


if __name__ == "__main__":
    main(*sys.argv[1:])
