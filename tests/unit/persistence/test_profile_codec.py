"""The packed form of a profile: whatever goes in comes out, and what grows with an account stays small."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audience_core.domain.definition import EventKind
from audience_core.domain.event import Environment, Event, Scalar, by_time
from audience_core.domain.ids import AccountId, AudienceId, InputId, Mpid, WorkspaceId
from audience_core.domain.profile import Profile, Track, TrackKey
from audience_core.persistence.profile_codec import FORMAT, pack_state, pack_timeline, unpack_state, unpack_timeline

SOURCES = [(WorkspaceId("w-app"), InputId("i-1")), (WorkspaceId("w-web"), InputId("i-2"))]
# Short decimals are packed by their digits, all other numbers as they are.
prices = st.decimals(min_value=-99999, max_value=99999, places=2).map(float)
whole_numbers, texts = st.integers(-(2**63), 2**64 - 1), st.text("né€ ", max_size=6)
scalars = st.none() | st.booleans() | whole_numbers | prices | st.floats(allow_nan=False) | texts
attributes = st.dictionaries(st.sampled_from(["price", "$total_amount", "é"]), scalars)
audiences = st.integers(1, 2**31 - 1).map(AudienceId)


@st.composite
def events(draw: st.DrawFn) -> Event:
    return Event(
        draw(st.sampled_from(list(EventKind))),
        draw(st.sampled_from(["", "viewed", "bought"])),
        draw(st.integers(0, 2**41) | st.integers(0, 3)),
        draw(st.binary(min_size=8, max_size=8)),
        *draw(st.sampled_from(SOURCES)),
        draw(attributes),
        tuple(draw(st.lists(attributes, max_size=2))),
    )


def tracks_of(some: list[Event]) -> dict[TrackKey, Track]:
    tracks: dict[TrackKey, Track] = defaultdict(list)
    for event in sorted(some, key=by_time):
        tracks[event.kind, event.name].append(event)
    return dict(tracks)


def with_types(tracks: dict[TrackKey, Track]) -> str:
    """1, 1.0 and True are equal, and 0.0 and -0.0; as text they are not."""
    return repr({key: [(event, sorted(event.attributes.items())) for event in track] for key, track in tracks.items()})


@given(st.lists(events(), max_size=12))
def test_a_timeline_comes_back_as_it_was(some: list[Event]) -> None:
    tracks = tracks_of(some)

    assert with_types(unpack_timeline(pack_timeline(tracks.items()))) == with_types(tracks)


@pytest.mark.parametrize("value", [0.0, -0.0, 5.0, 72.9, 0.0001, -72.9, 1e-05, 1e22, 123456789.5, 0.1 + 0.2, 65535.99])
def test_a_number_comes_back_to_its_last_bit(value: Scalar) -> None:
    event = Event(EventKind.CUSTOM, "bought", 7, bytes(8), *SOURCES[0], {"price": value}, ({"price": value},))

    ((back,),) = unpack_timeline(pack_timeline(tracks_of([event]).items())).values()

    assert repr((back.attributes, back.products)) == repr(({"price": value}, ({"price": value},)))


@given(st.sets(audiences, max_size=9) | st.sets(audiences.map(lambda each: AudienceId(each % 40 + 1)), max_size=40))
def test_memberships_come_back_whether_they_lie_close_or_far(memberships: set[AudienceId]) -> None:
    assert back(with_members(memberships)).memberships == memberships


def test_a_member_of_half_of_all_audiences_is_told_in_a_bit_for_each() -> None:
    half = {AudienceId(each) for each in range(1, 1001) if each * 7919 % 16 < 8}

    assert len(pack_state(with_members(half))) < 1000 // 8 + 40


def test_another_form_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pack_timeline([]), pack_state(with_members(set()))
    monkeypatch.setattr("audience_core.persistence.profile_codec.FORMAT", FORMAT + 1)

    with pytest.raises(ValueError, match="not known"):
        unpack_timeline(packed[0])
    with pytest.raises(ValueError, match="not known"):
        unpack_state(packed[1], with_members(set()))


def with_members(memberships: set[AudienceId]) -> Profile:
    profile = Profile(AccountId(1), Environment.PRODUCTION, Mpid(1))
    profile.memberships = memberships
    return profile


def back(profile: Profile) -> Profile:
    again = with_members(set())
    unpack_state(pack_state(profile), again)
    return again
