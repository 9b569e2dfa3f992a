"""What the code of the product names, by the types of its expressions: the ground of local/permissions.py.

A method of a protocol leads to all classes that keep it, except those in memory. Nothing is run.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from mypy import build, nodes, subtypes, types
from mypy.config_parser import parse_config_file
from mypy.find_sources import create_source_list
from mypy.fscache import FileSystemCache
from mypy.options import Options
from mypy.state import state as mypy_state

ROOT = Path(__file__).parents[1]
_OURS = ("audience_core.", "functions.")
_MEMORY = "audience_core.persistence.memory"
_MAKES_CLIENTS = "audience_core.persistence.clients.client"
_MODEL, _INDEX = "pynamodb.models.Model", "pynamodb.indexes.Index"
_TRANSACTION = "pynamodb.transactions.TransactWrite"
_MODEL_CALLS = {
    "get": "GetItem",
    "query": "Query",
    "count": "Query",
    "scan": "Scan",
    "save": "PutItem",
    "update": "UpdateItem",
    "delete": "DeleteItem",
    "batch_get": "BatchGetItem",
    "batch_write": "BatchWriteItem",
}
_TRANSACTION_CALLS = {name: _MODEL_CALLS[name] for name in ("save", "update", "delete")} | {
    "condition_check": "ConditionCheckItem"
}
# Of a node: what it speaks of, not what is written in it.
_REFERENCES = {
    "node",
    "info",
    "type",
    "definition",
    "original_def",
    "analyzed",
    "def_",
    "new_type",
    "names",
    "var",
    "variable",
    "expanded",
}
_INDIRECT = ("get_paginator", "generate_presigned_url")


@dataclass
class Body:
    """What a function, method or global names, and which AWS calls are in it.

    Args:
        calls: service, call, and the model of a table or "".
        keys: of `self._arns`, by which stores know state machines.
    """

    names: set[str] = field(default_factory=set)
    calls: set[tuple[str, str, str]] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)


class Code:
    """The product's code with the type of every expression in it."""

    def __init__(self) -> None:
        options = Options()
        parse_config_file(options, lambda: None, str(ROOT / "pyproject.toml"), sys.stderr, sys.stderr)
        options.export_types = options.preserve_asts = True
        options.incremental, options.cache_dir = False, "/dev/null"
        options.plugins = []
        paths = [str(ROOT / "functions"), str(ROOT / "layers/audience_core/audience_core")]
        sources = create_source_list(paths, options, FileSystemCache())
        self._result = build.build(sources, options)
        self.types = self._result.types
        self.bodies: dict[str, list[nodes.Node]] = {}
        self.classes: dict[str, nodes.TypeInfo] = {}
        for name, tree in self._result.files.items():
            if name.startswith(_OURS) and not name.startswith(_MEMORY):
                self._index(name, tree.defs)

    def _index(self, prefix: str, defs: list[nodes.Statement]) -> None:
        for each in defs:
            match each:
                case nodes.ClassDef():
                    self.classes[f"{prefix}.{each.name}"] = each.info
                    self._index(f"{prefix}.{each.name}", each.defs.body)
                case nodes.FuncDef() | nodes.Decorator() | nodes.OverloadedFuncDef():
                    self.bodies.setdefault(f"{prefix}.{each.name}", []).append(each)
                case nodes.AssignmentStmt():
                    for target in each.lvalues:
                        if isinstance(target, nodes.NameExpr):
                            self.bodies.setdefault(f"{prefix}.{target.name}", []).append(each.rvalue)
                case nodes.ExpressionStmt():
                    self.bodies.setdefault(f"{prefix}.<module>", []).append(each)

    @cache  # noqa: B019 - one object for as long as it is needed
    def body(self, name: str) -> Body:
        reader = _Reader(self, name)
        for node in self.bodies.get(name, ()):
            reader.read(node)
        return reader.found

    @cache  # noqa: B019
    def service(self, place: str) -> str | None:
        """Of the client that a class or module makes."""
        for name, found in self.bodies.items():
            if name.startswith(f"{place}."):
                for node in chain.from_iterable(map(walk, found)):
                    if service := client_service(node):
                        return service
        return None

    def followed(self, name: str) -> Iterator[str]:
        """What running or making something may run."""
        if name in self.classes:
            info = self.classes[name]
            yield from (f"{name}.{each}" for each in info.names if each.startswith("__"))
        else:
            yield name

    def implementations(self, info: nodes.TypeInfo, member: str) -> Iterator[str]:
        """Full names of the members that a look-up on an object of a class of ours can find."""
        if info.fullname not in self.classes:
            return
        of_kind = self._keepers(info.fullname) if info.is_protocol else self._kinds(info.fullname)
        for name in of_kind:
            yield from self._member(self.classes[name], member)

    def _member(self, info: nodes.TypeInfo, member: str) -> Iterator[str]:
        for base in info.mro:
            if member in base.names:
                yield f"{base.fullname}.{member}"
                return

    @cache  # noqa: B019
    def _kinds(self, name: str) -> tuple[str, ...]:
        """A class and those that inherit from it."""
        return tuple(each for each, info in self.classes.items() if any(base.fullname == name for base in info.mro))

    @cache  # noqa: B019
    def _keepers(self, protocol: str) -> tuple[str, ...]:
        """Classes that keep a protocol; those in memory are not the product's."""
        info = self.classes[protocol]
        wanted = types.Instance(info, [types.AnyType(types.TypeOfAny.special_form)] * len(info.type_vars))
        found = []
        with mypy_state.strict_optional_set(True):
            for name, each in self.classes.items():
                if not each.is_protocol and all(each.get(member) for member in info.protocol_members):
                    given = types.Instance(each, [types.AnyType(types.TypeOfAny.special_form)] * len(each.type_vars))
                    if subtypes.is_subtype(given, wanted):
                        found.append(name)
        return tuple(found)


class _Reader:
    """Reads one function, method or global."""

    def __init__(self, code: Code, owner: str) -> None:
        self._code, self._owner = code, owner
        self.found = Body()

    def read(self, root: nodes.Node) -> None:
        for node in walk(root):
            if isinstance(node, nodes.RefExpr):
                self._name(node)
            match node:
                case nodes.SuperExpr(info=nodes.TypeInfo() as info):
                    inherited = (base.fullname for base in info.mro[1:] if node.name in base.names)
                    self.found.names.update(f"{base}.{node.name}" for base in list(inherited)[:1])
                case nodes.MemberExpr():
                    for info in self._infos(node.expr):
                        self.found.names.update(self._code.implementations(info, node.name))
                case nodes.IndexExpr(base=nodes.MemberExpr(name="_arns"), index=nodes.StrExpr(value=key)):
                    self.found.keys.add(key)
                case nodes.CallExpr(callee=nodes.MemberExpr() as callee):
                    self._call(node, callee)

    def _call(self, node: nodes.CallExpr, callee: nodes.MemberExpr) -> None:
        call = callee.name
        if service := self._service(callee.expr):
            if call in _INDIRECT and isinstance(node.args[0], nodes.StrExpr):
                call = node.args[0].value
            self.found.calls.add((service, call, ""))
        for info in self._infos(callee.expr):
            self._on_table(info, node, callee)

    def _on_table(self, info: nodes.TypeInfo, node: nodes.CallExpr, callee: nodes.MemberExpr) -> None:
        call = callee.name
        if info.has_base(_MODEL) and call in _MODEL_CALLS:
            self.found.calls.add(("dynamodb", _MODEL_CALLS[call], info.fullname))
        if info.has_base(_INDEX) and call in _MODEL_CALLS and isinstance(callee.expr, nodes.MemberExpr):
            for owner in self._infos(callee.expr.expr):
                self.found.calls.add(("dynamodb index", _MODEL_CALLS[call], owner.fullname))
        if info.fullname == _TRANSACTION and call in _TRANSACTION_CALLS:
            for model in self._infos(node.args[0]):
                self.found.calls.add(("dynamodb", _TRANSACTION_CALLS[call], model.fullname))

    def _name(self, o: nodes.RefExpr) -> None:
        if o.fullname in self._code.bodies or o.fullname in self._code.classes:
            self.found.names.add(o.fullname)

    def _infos(self, o: nodes.Expression) -> Iterator[nodes.TypeInfo]:
        """Classes whose objects, or which themselves, an expression may be."""
        pending = [self._code.types[o]] if o in self._code.types else []
        while pending:
            match types.get_proper_type(pending.pop()):
                case types.UnionType(items=items):
                    pending += items
                case types.TypeType(item=item):
                    pending.append(item)
                case types.Instance(type=info):
                    yield info
                case types.TypeVarType(upper_bound=bound):
                    pending.append(bound)
                case types.TupleType(partial_fallback=fallback):
                    pending.append(fallback)
                case types.CallableType() as function if function.is_type_obj():
                    yield function.type_object()

    def _service(self, receiver: nodes.Expression) -> str | None:
        """Of the client that a call goes to: of this class, or else of this module."""
        if isinstance(receiver, nodes.MemberExpr) and receiver.name == "_client":
            owner = self._owner.rpartition(".")[0]
            return self._code.service(owner) or self._code.service(owner.rpartition(".")[0])
        return client_service(receiver)


def walk(root: nodes.Node) -> Iterator[nodes.Node]:
    """All that is written in it, itself first; mypy's own visitors are compiled, and no class of ours can be one."""
    pending: list[Any] = [root]
    while pending:
        match pending.pop():
            case list() | tuple() as several:
                pending += several
            case dict() as several:
                pending += several.values()
            case nodes.Node() as node:
                yield node
                names = {name for base in type(node).__mro__ for name in getattr(base, "__mypyc_attrs__", ())}
                pending += [getattr(node, name, None) for name in sorted(names - _REFERENCES)]


def client_service(o: nodes.Node) -> str | None:
    """Of `client("service", region)`."""
    match o:
        case nodes.CallExpr(callee=nodes.RefExpr(fullname=made), args=[nodes.StrExpr(value=service), *_]):
            return str(service) if made == _MAKES_CLIENTS else None
    return None


def made_in(root: nodes.Node) -> Iterator[tuple[str, list[tuple[str | None, nodes.Expression]]]]:
    for node in walk(root):
        match node:
            case nodes.CallExpr(callee=nodes.RefExpr(fullname=made)):
                yield made, list(zip(node.arg_names, node.args, strict=True))
