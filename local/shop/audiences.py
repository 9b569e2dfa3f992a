"""Five audiences of the sample shop that show what definitions can say."""

from dataclasses import dataclass

from audience_core.domain.definition import (
    AggregateCriterion,
    AggregateFunction,
    AllOf,
    Compare,
    Definition,
    EventCriterion,
    EventKind,
    EventSelector,
    IdentityCriterion,
    Not,
    UserAttributeCriterion,
)
from audience_core.domain.value_tests import (
    BooleanTest,
    NumberOperator,
    NumberTest,
    PresenceOperator,
    PresenceTest,
    StringOperator,
    StringTest,
)
from audience_core.domain.windows import Duration, Unit, WithinLast

INSTALL = EventSelector(kind=EventKind.INSTALL)
SESSION = EventSelector(kind=EventKind.SESSION_START)
PURCHASE = EventSelector(kind=EventKind.COMMERCE, name="purchase")
ADD_TO_CART = EventSelector(kind=EventKind.COMMERCE, name="add_to_cart")


@dataclass(frozen=True, slots=True)
class SampleAudience:
    """An audience to create; `says` is its definition in words."""

    name: str
    says: str
    definition: Definition


def _last(amount: int, unit: Unit) -> WithinLast:
    return WithinLast(duration=Duration(amount=amount, unit=unit))


def _at_least(value: int) -> Compare:
    return Compare(operator=NumberOperator.GREATER_OR_EQUAL, value=value)


# The example of the specification: to be told of new users while it still helps.
NEW_AND_QUIET = Definition(
    root=AllOf(
        criteria=(
            EventCriterion(event=INSTALL, window=_last(72, Unit.HOURS)),
            EventCriterion(event=SESSION, frequency=Compare(operator=NumberOperator.LESS_THAN, value=3)),
        )
    )
)
HIGHLY_ENGAGED = Definition(
    root=AllOf(
        criteria=(
            AggregateCriterion(
                event=PURCHASE,
                function=AggregateFunction.SUM,
                attribute="$total_amount",
                test=NumberTest(operator=NumberOperator.GREATER_OR_EQUAL, value=250),
            ),
            EventCriterion(event=SESSION, frequency=_at_least(4)),
        )
    )
)
LEFT_A_CART = Definition(
    root=AllOf(
        criteria=(
            EventCriterion(event=ADD_TO_CART, window=_last(3, Unit.DAYS)),
            Not(criterion=EventCriterion(event=PURCHASE, window=_last(3, Unit.DAYS))),
        )
    )
)
LAPSING = Definition(
    root=AllOf(
        criteria=(
            EventCriterion(event=SESSION, frequency=_at_least(3)),
            Not(criterion=EventCriterion(event=SESSION, window=_last(7, Unit.DAYS))),
        )
    )
)
GOLD_READERS = Definition(
    root=AllOf(
        criteria=(
            UserAttributeCriterion(attribute="tier", test=StringTest(operator=StringOperator.EQUALS, value="gold")),
            UserAttributeCriterion(attribute="newsletter", test=BooleanTest(value=True)),
            IdentityCriterion(identity_type="email", test=PresenceTest(operator=PresenceOperator.EXISTS)),
        )
    )
)

AUDIENCES = (
    SampleAudience("New and quiet", "installed in the last 72 hours, fewer than 3 sessions", NEW_AND_QUIET),
    SampleAudience("Highly engaged", "bought for 250 or more in 30 days, 4 or more sessions", HIGHLY_ENGAGED),
    SampleAudience("Left a cart", "added to cart in the last 3 days, no purchase in them", LEFT_A_CART),
    SampleAudience("Lapsing", "3 or more sessions in 30 days, none in the last 7", LAPSING),
    SampleAudience("Gold readers", "gold tier, reads the newsletter, has an e-mail address", GOLD_READERS),
)
