"""The packed form of what a partner should know of a member: msgpack, the same bytes for the same content."""

from collections.abc import Mapping
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it ships no types

from audience_core.domain.event import Identity
from audience_core.domain.ids import Mpid
from audience_core.domain.output import Target


def pack_target(target: Target | None) -> bytes:
    packed: bytes = msgpack.packb(_plain(target))
    return packed


def unpack_target(data: bytes) -> Target | None:
    return _target(msgpack.unpackb(data))


def pack_attempts(attempts: Mapping[Mpid, Target]) -> bytes:
    packed: bytes = msgpack.packb([[mpid, _plain(target)] for mpid, target in attempts.items()])
    return packed


def unpack_attempts(data: bytes) -> dict[Mpid, Target]:
    return {Mpid(mpid): _target(plain) or Target() for mpid, plain in msgpack.unpackb(data)}


def _plain(target: Target | None) -> list[Any] | None:
    if target is None:
        return None
    return [[[i.type, i.value] for i in target.identities], [list(each) for each in target.attributes]]


def _target(plain: list[Any] | None) -> Target | None:
    if plain is None:
        return None
    identities, attributes = plain
    return Target(
        tuple(Identity(kind, value) for kind, value in identities), tuple((key, value) for key, value in attributes)
    )
