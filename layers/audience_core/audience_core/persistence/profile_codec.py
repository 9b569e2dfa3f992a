"""The packed form of a profile: two small binary attributes, one with its state and one with its timeline.

Both are msgpack in raw DEFLATE, primed with words that most profiles contain; instants are relative to an anchor. The
ids of events follow the timeline as they are: they are hashes, which DEFLATE makes longer, and all around them too.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it ships no types

from audience_core.domain.definition import EventKind
from audience_core.domain.event import Event, Identity, Scalar
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

FORMAT = 2
_ID_BYTES = 8
_DECIMALS, _MOST_DIGITS = range(1, 5), 9
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
            _pack_members(sorted(profile.memberships)),
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
    profile.memberships = _unpack_members(members)
    profile.agenda = tuple(
        (anchor + at, AudienceId(who)) for at, who in zip(accumulate(agenda[0]), agenda[1], strict=True)
    )
    profile.agenda_until = NEVER if until is None else anchor + until
    profile.changes = tuple(
        MembershipChange(AudienceId(audience), is_member, anchor + at, _REASONS[reason])
        for audience, is_member, at, reason in changes
    )


def pack_timeline(tracks: Iterable[tuple[TrackKey, Sequence[Event]]]) -> bytes:
    """Events by kind and name, each track ascending by (at, event id).

    Instants are those of all tracks in one order, because what a user does comes in visits: short gaps pack small.
    """
    sources: dict[tuple[WorkspaceId, InputId], int] = {}
    filled = [(key, track) for key, track in tracks if track]
    order = sorted((event.at, place) for place, (_, track) in enumerate(filled) for event in track)
    packed = [_pack_track(key, track, sources) for key, track in filled]
    instants = [_gaps([at for at, _ in order]), [place for _, place in order]]
    ids = b"".join(event.event_id for _, track in filled for event in track)
    return _pack([FORMAT, [list(source) for source in sources], instants, packed]) + ids


def unpack_timeline(data: bytes) -> dict[TrackKey, Track]:
    (form, *packed), ids = _unpack_before(data)
    if form != FORMAT:
        raise ValueError(f"timeline format {form} is not known to this version")
    packed_sources, (gaps, places), tracks = packed
    sources = [(WorkspaceId(workspace), InputId(source)) for workspace, source in packed_sources]
    instants: list[list[int]] = [[] for _ in tracks]
    for at, place in zip(accumulate(gaps), places, strict=True):
        instants[place].append(at)
    each_id = (ids[at : at + _ID_BYTES] for at in range(0, len(ids), _ID_BYTES))
    return dict(_unpack_track(track, of, sources, each_id) for track, of in zip(tracks, instants, strict=True))


def _pack_track(key: TrackKey, track: Sequence[Event], sources: dict[tuple[WorkspaceId, InputId], int]) -> list[Any]:
    places = [sources.setdefault((event.workspace_id, event.input_id), len(sources)) for event in track]
    return [
        _KIND_CODES[key[0]],
        key[1],
        places if any(places) else 0,
        [_brief(event.attributes) for event in track],
        [list(map(_brief, event.products)) for event in track] if any(event.products for event in track) else 0,
    ]


def _unpack_track(
    packed: list[Any], instants: Sequence[int], sources: Sequence[tuple[WorkspaceId, InputId]], ids: Iterator[bytes]
) -> tuple[TrackKey, Track]:
    code, name, places, attributes, products = packed
    kind = _KINDS[code]
    return (kind, name), [
        Event(
            kind,
            name,
            at,
            next(ids),
            *sources[places[i] if places else 0],
            attributes[i],
            tuple(products[i]) if products else (),
        )
        for i, at in enumerate(instants)
    ]


def _pack_members(ascending: Sequence[AudienceId]) -> Any:
    """The first of them and a bit for each that follows, or the gaps between them: whichever has fewer bytes."""
    if not ascending or ascending[-1] - ascending[0] > 8 * len(ascending):
        return _gaps(ascending)
    first, bits = ascending[0], 0
    for audience in ascending:
        bits |= 1 << (audience - first)
    return [first, bits.to_bytes(bits.bit_length() // 8 + 1, "little")]


def _unpack_members(packed: list[Any]) -> set[AudienceId]:
    if len(packed) != 2 or not isinstance(packed[1], bytes):
        return {AudienceId(each) for each in accumulate(packed)}
    first, bits = packed[0], f"{int.from_bytes(packed[1], 'little'):b}"
    return {AudienceId(first + place) for place, bit in enumerate(reversed(bits)) if bit == "1"}


def _brief(values: Mapping[str, Scalar]) -> dict[str, Any]:
    return {name: _decimal(value) if type(value) is float else value for name, value in values.items()}


def _decimal(value: float) -> Any:
    """A price's digits as a whole number are two or three bytes, where a float has nine that look like chance."""
    whole, _, decimals = repr(value).partition(".")
    digits = whole + decimals
    if len(decimals) not in _DECIMALS or len(digits) > _MOST_DIGITS or not digits.isdecimal():
        return value
    number = int(digits)
    return msgpack.ExtType(len(decimals), number.to_bytes(number.bit_length() // 8 + 1))


def _number(decimals: int, digits: bytes) -> float:
    return float(f"{int.from_bytes(digits)}e-{decimals}")


def _gaps(values: Sequence[int]) -> list[int]:
    """First value and the differences that follow: small numbers pack small."""
    return [*values[:1], *(after - before for before, after in pairwise(values))]


def _pack(value: Any) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15, zdict=_WORDS)
    return packer.compress(msgpack.packb(value)) + packer.flush()


def _unpack(data: bytes) -> Any:
    return _unpack_before(data)[0]


def _unpack_before(data: bytes) -> tuple[Any, bytes]:
    """A packed value, and what follows it."""
    unpacker = zlib.decompressobj(-15, zdict=_WORDS)
    value = msgpack.unpackb(unpacker.decompress(data), strict_map_key=False, ext_hook=_number)
    return value, unpacker.unused_data
