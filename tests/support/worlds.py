"""Hypothesis strategies for definitions of the whole language and for the users they are asked of."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from audience_core.domain import definition as d
from audience_core.domain import value_tests as v
from audience_core.domain import windows as w
from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.event import Environment, Event, Identity
from audience_core.domain.ids import AccountId, AudienceId, InputId, Mpid, WorkspaceId
from audience_core.domain.profile import Profile, Register, RegisterKey, RegisterKind, Seen
from audience_core.evaluation.values import to_ms

NOW = to_ms(datetime(2026, 11, 24, 13, 0, tzinfo=UTC))
HOUR, DAY = 3_600_000, 86_400_000
LOOK_BACK_DAYS = 30
WORKSPACES = ("w-a", "w-b")
INPUTS = ("i-1", "i-2", "i-3")
INPUT_WORKSPACE = {"i-1": "w-a", "i-2": "w-a", "i-3": "w-b"}
NAMES = ("view", "buy")
ATTRIBUTES = ("color", "price", "when", "flag")

TEXTS = (
    "",
    "red",
    "RED",
    "Straße",
    "STRASSE",
    "İstanbul",
    "istanbul",
    "ΟΔΟΣ",
    "οδος",
    "e\u0301cole",
    "école",
    "a*b",
    "10",
    "x\ny",
)
NUMBERS = (0.1, 0.2, 0.3, -0.1, 1e16, 2.5, 1e12, 0.0000005, 10.0, 1e-7)
# Other types in disguise.
TYPED_TEXTS = ("true", " 5 ", "1_0", "nan", "١٢", "-.5")
IDENTITY_TYPES = ("email", "ios_advertising_id")
ACTIONS = ("add_to_cart", "purchase")
UNNAMED_KINDS = (d.EventKind.INSTALL, d.EventKind.CRASH, d.EventKind.SESSION_START)

texts = st.sampled_from(TEXTS)
numbers: st.SearchStrategy[int | float] = st.one_of(st.integers(-5, 20), st.sampled_from(NUMBERS))
days = st.integers(-40, 5).map(lambda n: date(2026, 11, 24) + timedelta(days=n))
instants = st.one_of(
    st.integers(-35 * DAY, 2 * DAY).map(lambda offset: NOW + offset),
    # The edges of windows that definitions use.
    st.tuples(st.integers(-32, 1), st.sampled_from([-1, 0, 1])).map(lambda p: NOW + p[0] * DAY + p[1]),
    st.tuples(st.integers(-32, 1), st.sampled_from([-1, 0, 1])).map(lambda p: NOW - NOW % DAY + p[0] * DAY + p[1]),
)
iso_instants = instants.map(lambda at: datetime.fromtimestamp(at / 1000, UTC).isoformat())
scalars: st.SearchStrategy[Any] = st.one_of(
    texts,
    numbers,
    st.booleans(),
    st.none(),
    instants,
    iso_instants,
    st.sampled_from(TYPED_TEXTS),
)
values: st.SearchStrategy[Any] = st.one_of(scalars, st.lists(scalars, max_size=3))

durations = st.one_of(
    st.builds(w.Duration, amount=st.integers(0, 35), unit=st.just(w.Unit.DAYS)),
    st.builds(w.Duration, amount=st.integers(0, 100), unit=st.just(w.Unit.HOURS)),
    st.builds(w.Duration, amount=st.integers(0, 5), unit=st.just(w.Unit.WEEKS)),
)


def _ordered(first: Any, second: Any, size: Any) -> tuple[Any, Any]:
    return (first, second) if size(first) >= size(second) else (second, first)


def _between_ago(a: w.Duration, b: w.Duration) -> w.BetweenAgo:
    hours = {"minutes": 1 / 60, "hours": 1, "days": 24, "weeks": 168}
    older, newer = _ordered(a, b, lambda each: each.amount * hours[each.unit])
    return w.BetweenAgo(older=older, newer=newer)


moving_windows: st.SearchStrategy[Any] = st.one_of(
    st.builds(w.WithinLast, duration=durations), st.builds(_between_ago, durations, durations)
)
windows: st.SearchStrategy[Any] = st.one_of(
    moving_windows,
    st.builds(w.BeforeDate, date=days),
    st.builds(w.AfterDate, date=days, inclusive=st.booleans()),
    st.builds(w.OnDate, date=days),
    st.builds(lambda a, b: w.BetweenDates(start=min(a, b), end=max(a, b)), days, days),
)
patterns = st.one_of(
    texts, st.sampled_from(["*", "?", "r*", "*d", "?ed", "R?D", "*s*", "a\\*b", "*?*", "??", "", "stras*", "*ß?"])
)
number_tests: st.SearchStrategy[Any] = st.one_of(
    st.builds(v.NumberTest, operator=st.sampled_from(v.NumberOperator), value=numbers.filter(lambda n: abs(n) <= 1e12)),
    st.builds(lambda a, b: v.NumberBetweenTest(min=min(a, b), max=max(a, b)), st.integers(-5, 20), st.integers(-5, 20)),
    st.builds(
        v.NumberInTest,
        operator=st.sampled_from(v.MembershipOperator),
        values=st.lists(st.integers(-5, 20).map(float), min_size=1, max_size=3).map(tuple),
    ),
)
tests: st.SearchStrategy[Any] = st.one_of(
    st.builds(v.PresenceTest, operator=st.sampled_from(v.PresenceOperator)),
    st.builds(v.StringTest, operator=st.sampled_from(v.StringOperator), value=patterns),
    st.builds(
        v.StringInTest,
        operator=st.sampled_from(v.MembershipOperator),
        values=st.lists(texts, min_size=1, max_size=3).map(tuple),
    ),
    number_tests,
    st.builds(v.BooleanTest, value=st.booleans()),
    st.builds(v.DateTest, window=windows),
    st.builds(v.ListTest, operator=st.sampled_from(v.ListOperator), value=texts),
)
conditions = st.builds(v.Condition, attribute=st.sampled_from(ATTRIBUTES), test=tests)


def _selector(pair: tuple[d.EventKind, str | None], where: list[v.Condition], products: list[v.Condition]) -> Any:
    return d.EventSelector(kind=pair[0], name=pair[1], where=tuple(where), products=tuple(products))


named = st.one_of(
    st.tuples(st.just(d.EventKind.CUSTOM), st.sampled_from([*NAMES, None])),
    st.tuples(st.just(d.EventKind.COMMERCE), st.sampled_from([*ACTIONS, None])),
    st.tuples(st.sampled_from(UNNAMED_KINDS), st.none()),
)
selectors = st.builds(
    _selector, named, st.lists(conditions, max_size=2), st.one_of(st.just([]), st.lists(conditions, max_size=2))
)
recent_times = st.builds(v.Condition, attribute=st.just("when"), test=st.builds(v.DateTest, window=moving_windows))
dated_selectors = st.builds(_selector, named, st.tuples(recent_times).map(list), st.just([]))
plain_selectors = st.builds(_selector, named, st.just([]), st.just([]))
frequencies: st.SearchStrategy[Any] = st.one_of(
    st.builds(d.Compare, operator=st.sampled_from(v.NumberOperator), value=st.integers(0, 4)),
    st.tuples(st.integers(0, 3), st.integers(0, 3)).map(lambda p: d.CountBetween(min=min(p), max=max(p))),
)
paths = st.sampled_from([*ATTRIBUTES, "products.price", "products.color"])
figures = st.sampled_from([f for f in d.AggregateFunction if not f.value.endswith("_value")])


def event_leaves(selectors: st.SearchStrategy[Any], windows: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Criteria that read such events in such windows."""
    first_or_last = st.sampled_from([d.AggregateFunction.FIRST_VALUE, d.AggregateFunction.LAST_VALUE])
    read = {"event": selectors, "window": windows}
    counts = st.builds(d.EventCriterion, frequency=frequencies, **read)
    return st.one_of(
        # The commonest, and worked out in the most ways.
        counts,
        counts,
        st.builds(d.AggregateCriterion, function=figures, attribute=paths, test=number_tests, **read),
        st.builds(
            d.AggregateCriterion,
            function=first_or_last,
            attribute=paths,
            test=tests.filter(lambda test: test.type != "presence"),
            **read,
        ),
        st.builds(d.OccurrenceCriterion, which=st.sampled_from(d.Occurrence), **read),
        st.builds(
            d.SequenceCriterion,
            steps=st.lists(selectors, min_size=2, max_size=3).map(tuple),
            within=st.one_of(st.none(), durations),
            window=windows,
        ),
        st.builds(d.CartAbandonmentCriterion, after=durations, window=windows),
    )


profile_leaves: st.SearchStrategy[Any] = st.one_of(
    st.builds(
        d.UserAttributeCriterion,
        attribute=st.sampled_from(ATTRIBUTES),
        level=st.sampled_from(d.AttributeLevel),
        test=tests,
    ),
    st.builds(d.IdentityCriterion, identity_type=st.sampled_from(IDENTITY_TYPES), test=tests),
    st.builds(d.FirstSeenCriterion, window=windows),
    st.builds(d.LastSeenCriterion, window=windows),
    st.builds(d.DeviceCriterion, field=st.sampled_from(["platform", "os_version"]), test=tests),
    st.builds(d.LocationCriterion, field=st.sampled_from(d.LocationField), test=tests),
    st.builds(
        d.LocationWithinCriterion,
        latitude=st.just(51.5),
        longitude=st.just(-0.1),
        distance_km=st.sampled_from([1.0, 400.0]),
    ),
    st.builds(d.ConsentCriterion, regulation=st.just("gdpr"), purpose=st.just("ads"), state=st.sampled_from(d.Consent)),
    st.builds(d.InstallAttributionCriterion, field=st.sampled_from(["publisher", "campaign"]), test=tests),
)
# Few events pass two conditions, and few dates are near: without the plain ones little would happen as time passes.
leaves = st.one_of(
    event_leaves(plain_selectors, moving_windows),
    event_leaves(st.one_of(plain_selectors, dated_selectors), moving_windows),
    event_leaves(selectors, windows),
    profile_leaves,
)
NESTED = 1


def trees(leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(d.AllOf, criteria=st.lists(inner, min_size=1, max_size=3).map(tuple)),
            st.builds(d.AnyOf, criteria=st.lists(inner, min_size=1, max_size=3).map(tuple)),
            st.builds(d.Not, criterion=inner),
        ),
        max_leaves=5,
    )


def _audience(audience_id: int, root: Any, workspaces: set[str], inputs: set[str]) -> Audience:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return Audience(
        account_id=AccountId(1),
        audience_id=AudienceId(audience_id),
        name=f"audience {audience_id}",
        status=AudienceStatus.ACTIVE,
        workspaces=tuple(WorkspaceId(w) for w in sorted(workspaces)),
        inputs=tuple(InputId(i) for i in sorted(inputs)),
        definition=d.Definition(root=root),
        created_by="test",
        created_at=moment,
        updated_at=moment,
    )


scopes = (st.sets(st.sampled_from(WORKSPACES), min_size=1), st.sets(st.sampled_from(INPUTS), min_size=1))
nested_audiences = st.builds(_audience, st.just(NESTED), trees(leaves), *scopes)
audiences = st.builds(
    _audience,
    st.integers(2, 30),
    trees(st.one_of(leaves, st.just(d.AudienceMembershipCriterion(audience_id=NESTED)))),
    *scopes,
)


def portfolios_of(least: int, most: int) -> st.SearchStrategy[dict[AudienceId, Audience]]:
    """So many audiences, beside one that they may refer to."""
    ids = st.tuples(nested_audiences, st.lists(audiences, min_size=least, max_size=most))
    return ids.map(lambda pair: {each.audience_id: each for each in [pair[0], *pair[1]]})


portfolios = portfolios_of(1, 4)

attributes = st.dictionaries(st.sampled_from(ATTRIBUTES), scalars, max_size=3)


def _event(pair: Any, at: int, input_id: str, attrs: Any, products: Any, number: int) -> Event:
    return Event(
        pair[0],
        pair[1] or "",
        at,
        number.to_bytes(8),
        WorkspaceId(INPUT_WORKSPACE[input_id]),
        InputId(input_id),
        attrs,
        tuple(products) if pair[0] is d.EventKind.COMMERCE else (),
    )


event_names = named.map(
    lambda pair: (pair[0], pair[1] or ("" if pair[0] not in (d.EventKind.CUSTOM, d.EventKind.COMMERCE) else "other"))
)
events = st.builds(
    _event,
    event_names,
    instants,
    st.sampled_from(INPUTS),
    attributes,
    st.lists(attributes, max_size=2),
    st.integers(0, 2**40),
)


def _registers(kind: RegisterKind, names: list[str], of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = st.builds(RegisterKey, st.sampled_from(WORKSPACES).map(WorkspaceId), st.just(kind), st.sampled_from(names))
    written = st.builds(Register, of, st.integers(NOW - DAY, NOW), st.just(False))
    deleted = st.builds(Register, st.none(), st.integers(NOW - DAY, NOW), st.just(True))
    return st.dictionaries(keys, st.one_of(written, deleted), max_size=3)


registers = st.tuples(
    _registers(RegisterKind.ATTRIBUTE, list(ATTRIBUTES), values),
    _registers(RegisterKind.DEVICE, ["d1/platform", "d2/platform", "d1/os_version"], scalars),
    _registers(RegisterKind.ATTRIBUTION, ["publisher"], scalars),
).map(lambda parts: parts[0] | parts[1] | parts[2])
places: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {},
    optional={
        "city": texts,
        "country": texts,
        "latitude": st.sampled_from([51.5, 48.85]),
        "longitude": st.sampled_from([-0.1, 2.35]),
    },
)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    profile = Profile(AccountId(1), Environment.PRODUCTION, Mpid(7))
    for event in draw(st.lists(events, max_size=12, unique_by=lambda event: event.event_id)):
        profile.timeline.setdefault((event.kind, event.name), []).append(event)
    for track in profile.timeline.values():
        track.sort(key=lambda event: (event.at, event.event_id))
    profile.registers = draw(registers)
    if draw(st.booleans()):
        profile.registers[RegisterKey(WorkspaceId("w-a"), RegisterKind.LOCATION, "")] = Register(draw(places), NOW - 5)
        profile.registers[RegisterKey(WorkspaceId("w-b"), RegisterKind.CONSENT, "gdpr/ads")] = Register(
            draw(st.booleans()), NOW
        )
    for workspace in draw(st.sets(st.sampled_from(WORKSPACES))):
        first, last = sorted([draw(instants.filter(lambda at: at <= NOW)), draw(instants.filter(lambda at: at <= NOW))])
        profile.seen[WorkspaceId(workspace)] = Seen(first, last)
    for identity in draw(st.lists(st.builds(Identity, st.sampled_from(IDENTITY_TYPES), texts), max_size=3)):
        profile.identities[identity] = NOW
    return profile
