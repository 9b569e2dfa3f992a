"""The packed form of a profile: two small binary attributes, one with its state and one with its timeline.

Both are msgpack in raw DEFLATE, primed with words that most profiles contain; instants are relative to an anchor.
"""

import zlib
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it ships no types

from audience_core.domain.definition import EventKind
from audience_core.domain.event import Event, Identity
from audience_core.domain.ids import NEVER, AudienceId, InputId, WorkspaceId
from audience_core.domain.membership import MembershipChange, Reason
from audience_core.domain.profile import (
    ChunkRef,
    Profile,
    Register,
    RegisterKey,
    RegisterKind,
    Seen,
    Track,
    TrackKey,
)

FORMAT = 1
_ID_BYTES = 8
_KINDS = tuple(EventKind)
_KIND_CODES = {kind: code for code, kind in enumerate(_KINDS)}
_REASONS = tuple(Reason)
_REASON_CODES = {reason: code for code, reason in enumerate(_REASONS)}
# Changing this makes stored profiles unreadable: a new dictionary needs a new FORMAT.
_WORDS = (
    b"facebookgooglemobile_numberotherandroid_uuidpush_tokenandroid_advertising_idios_idfvios_advertising_id"
    b"device_application_stampcustomer_idemail@example.comgmail.comis_tabletlocale_countrylocale_languagedevice_model"
    b"network_carrieros_versionplatformiOSAndroidwebcountryregioncitypostal_codelatitudelongitudeUSGBDEtruefalse"
    b"$app_version$platform$session_duration_ms$custom_event_type$transaction_id$currencyUSDGBPEUR$total_amount"
    b"variantcouponpositioncategorybrandtotal_amountquantitypricenameidadd_to_cartview_detailcheckoutpurchase"
)


def pack_state(profile: Profile) -> bytes:
    """Everything but the timeline."""
    anchor = min((seen.first for seen in profile.seen.values()), default=0)
    workspaces = sorted({key.workspace_id for key in profile.registers} | profile.seen.keys())
    place = {workspace: at for at, workspace in enumerate(workspaces)}
    return _pack(
        [
            FORMAT,
            anchor,
            workspaces,
            [[i.type, i.value, at - anchor] for i, at in sorted(profile.identities.items())],
            [
                [place[key.workspace_id], key.kind, key.name, register.at - anchor]
                + ([] if register.is_deleted else [register.value])
                for key, register in sorted(profile.registers.items())
            ],
            [[place[w], seen.first - anchor, seen.last - anchor] for w, seen in sorted(profile.seen.items())],
            [[ref.name, ref.first_at - anchor, ref.last_at - anchor, ref.count] for ref in profile.sealed],
            _gaps(sorted(profile.memberships)),
            [_gaps([at - anchor for at, _ in profile.agenda]), [audience for _, audience in profile.agenda]],
            None if profile.agenda_until >= NEVER else profile.agenda_until - anchor,
            [
                [change.audience_id, change.is_member, change.at - anchor, _REASON_CODES[change.reason]]
                for change in profile.changes
            ],
        ]
    )


def unpack_state(data: bytes, profile: Profile) -> None:
    """Fill in what `pack_state` packed."""
    form, anchor, workspaces, identities, registers, seen, sealed, members, agenda, until, changes = _unpack(data)
    if form != FORMAT:
        raise ValueError(f"profile format {form} is not known to this version")
    profile.identities = {Identity(kind, value): anchor + at for kind, value, at in identities}
    profile.registers = {
        RegisterKey(WorkspaceId(workspaces[place]), RegisterKind(kind), name): Register(
            value[0] if value else None, anchor + at, not value
        )
        for place, kind, name, at, *value in registers
    }
    profile.seen = {WorkspaceId(workspaces[p]): Seen(anchor + first, anchor + last) for p, first, last in seen}
    profile.sealed = tuple(ChunkRef(name, anchor + first, anchor + last, n) for name, first, last, n in sealed)
    profile.memberships = {AudienceId(each) for each in accumulate(members)}
    profile.agenda = tuple(
        (anchor + at, AudienceId(who)) for at, who in zip(accumulate(agenda[0]), agenda[1], strict=True)
    )
    profile.agenda_until = NEVER if until is None else anchor + until
    profile.changes = tuple(
        MembershipChange(AudienceId(audience), is_member, anchor + at, _REASONS[reason])
        for audience, is_member, at, reason in changes
    )


def pack_timeline(tracks: Iterable[tuple[TrackKey, Sequence[Event]]]) -> bytes:
    """Events by kind and name, each track ascending by (at, event id)."""
    sources: dict[tuple[WorkspaceId, InputId], int] = {}
    packed = [_pack_track(key, track, sources) for key, track in tracks if track]
    return _pack([FORMAT, [list(source) for source in sources], packed])


def unpack_timeline(data: bytes) -> dict[TrackKey, Track]:
    form, sources, tracks = _unpack(data)
    if form != FORMAT:
        raise ValueError(f"timeline format {form} is not known to this version")
    return dict(_unpack_track(track, [(WorkspaceId(w), InputId(i)) for w, i in sources]) for track in tracks)


def _pack_track(key: TrackKey, track: Sequence[Event], sources: dict[tuple[WorkspaceId, InputId], int]) -> list[Any]:
    return [
        _KIND_CODES[key[0]],
        key[1],
        _gaps([event.at for event in track]),
        [sources.setdefault((event.workspace_id, event.input_id), len(sources)) for event in track],
        b"".join(event.event_id for event in track),
        [dict(event.attributes) for event in track],
        [list(event.products) for event in track] if any(event.products for event in track) else 0,
    ]


def _unpack_track(packed: list[Any], sources: list[tuple[WorkspaceId, InputId]]) -> tuple[TrackKey, Track]:
    code, name, gaps, places, ids, attributes, products = packed
    kind = _KINDS[code]
    return (kind, name), [
        Event(
            kind,
            name,
            at,
            ids[i * _ID_BYTES : (i + 1) * _ID_BYTES],
            sources[places[i]][0],
            sources[places[i]][1],
            attributes[i],
            tuple(products[i]) if products else (),
        )
        for i, at in enumerate(accumulate(gaps))
    ]


def _gaps(values: Sequence[int]) -> list[int]:
    """First value and the differences that follow: small numbers pack small."""
    return [*values[:1], *(after - before for before, after in pairwise(values))]


def _pack(value: Any) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15, zdict=_WORDS)
    return packer.compress(msgpack.packb(value)) + packer.flush()


def _unpack(data: bytes) -> Any:
    return msgpack.unpackb(zlib.decompressobj(-15, zdict=_WORDS).decompress(data), strict_map_key=False)
