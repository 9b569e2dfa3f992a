"""Twenty audiences over the Online Retail data set, each with the SQL that says independently who is in it.

The SQL reads the file itself, not what was imported: an invoice is what a customer bought, or gave back, at once.
"""

import time
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import duckdb

from audience_core.domain import definition as d
from audience_core.domain import value_tests as v
from audience_core.domain import windows as w
from audience_core.domain.audience import Audience
from audience_core.domain.ids import Mpid
from audience_core.domain.lifetime import DateRange
from audience_core.domain.profile import Profile
from tests.support.oracle import Oracle

ALL_DAYS = DateRange()
_LOOK_BACK = 20_000
EVER = w.WithinLast(duration=w.Duration(amount=20_000, unit=w.Unit.DAYS))
_LINES = """
CREATE TABLE line AS
SELECT CAST(customer_id AS TEXT) AS customer, epoch_ms(invoice_date) AS happened, invoice_date, description, country,
       quantity < 0 AS is_refund, abs(quantity) AS quantity,
       CAST(round(abs(quantity) * unit_price * 1000000) AS BIGINT) AS amount
FROM file WHERE customer_id IS NOT NULL;
CREATE TABLE invoice AS
SELECT customer, happened, any_value(invoice_date) AS invoice_date, is_refund, sum(amount) AS total FROM line
GROUP BY customer, happened, is_refund;
CREATE VIEW purchase AS SELECT * FROM invoice WHERE NOT is_refund;
CREATE VIEW refund AS SELECT * FROM invoice WHERE is_refund;
CREATE VIEW bought AS SELECT * FROM line WHERE NOT is_refund;
CREATE TABLE home AS SELECT customer, arg_max(country, happened) AS country FROM line GROUP BY customer;
"""


@dataclass(frozen=True, slots=True)
class Question:
    """Args:
    days: of the audience.
    sql: gives its members' customer ids.
    """

    name: str
    root: d.Criterion
    sql: str
    days: DateRange = ALL_DAYS


def by_sql(file: str) -> dict[str, set[str]]:
    """Customer ids of each question's members."""
    database = duckdb.connect()
    database.execute("CREATE VIEW file AS SELECT * FROM read_parquet('" + file.replace("'", "''") + "')")
    database.execute(_LINES)
    return {each.name: {row[0] for row in database.execute(each.sql).fetchall()} for each in QUESTIONS}


def compare(
    file: str, found: Mapping[str, Set[Mpid]], users: Mapping[Mpid, Profile], reader: Audience, at: int
) -> None:
    """Print for each question how many members were found, and whether they are those of SQL and of the oracle.

    Args:
        users: all there are, with all their events.
        reader: an audience of the workspaces and inputs that every question reads.
        at: the instant of the calculation, UTC ms.
    """
    customers = {mpid: identity.value for mpid, user in users.items() for identity in user.identities}
    began = time.perf_counter()
    wanted = by_sql(file)
    print(f"{len(wanted)} queries of SQL took {time.perf_counter() - began:.2f} s")
    print(f"{'audience':26} members      SQL   oracle")
    for question in QUESTIONS:
        own = found[question.name]
        rules = {mpid for mpid, user in users.items() if _holds(question, user, reader, at)}
        by_file = "same" if {customers[mpid] for mpid in own} == wanted[question.name] else "DIFFERS"
        print(f"{question.name:26} {len(own):7d} {by_file:>8} {'same' if own == rules else 'DIFFERS':>8}")


def _holds(question: Question, user: Profile, reader: Audience, at: int) -> bool:
    first, last = question.days.instants
    timeline = {key: [each for each in track if first <= each.at <= last] for key, track in user.timeline.items()}
    return Oracle(reader, {}, replace(user, timeline=timeline), at, _LOOK_BACK).holds(question.root)


def _selected(name: str, **given: Any) -> d.EventSelector:
    return d.EventSelector(kind=d.EventKind.COMMERCE, name=name, **given)


def _count(name: str, operator: str, value: int, window: w.Window = EVER, **given: Any) -> d.EventCriterion:
    frequency = d.Compare(operator=v.NumberOperator(operator), value=value)
    return d.EventCriterion(event=_selected(name, **given), window=window, frequency=frequency)


def _figure(function: str, operator: str, value: float, attribute: str = "$total_amount") -> d.AggregateCriterion:
    return d.AggregateCriterion(
        event=_selected("purchase"),
        function=d.AggregateFunction(function),
        attribute=attribute,
        window=EVER,
        test=v.NumberTest(operator=v.NumberOperator(operator), value=value),
    )


def _product(attribute: str, test: v.Test) -> v.Condition:
    return v.Condition(attribute=attribute, test=test)


def _named(operator: str, value: str) -> v.Condition:
    return _product("name", v.StringTest(operator=v.StringOperator(operator), value=value))


def _at_least(attribute: str, value: float) -> v.Condition:
    return _product(attribute, v.NumberTest(operator=v.NumberOperator.GREATER_OR_EQUAL, value=value))


def _lives_in(*countries: str) -> d.UserAttributeCriterion:
    test = v.StringInTest(operator=v.MembershipOperator.IN_LIST, values=countries)
    return d.UserAttributeCriterion(attribute="$country", test=test)


def _having(view: str, condition: str, where: str = "true") -> str:
    return f"SELECT customer FROM {view} WHERE {where} GROUP BY customer HAVING {condition}"


_BOUGHT = _count("purchase", "greater_than", 0)
_REFUNDED = _count("refund", "greater_than", 0)
_AUTUMN = w.BetweenDates(start=date(2011, 9, 1), end=date(2011, 11, 30))
_SPRING = DateRange(start=date(2011, 3, 1), end=date(2011, 5, 31))
_IN_AUTUMN = "invoice_date >= '2011-09-01' AND invoice_date < '2011-12-01'"
_IN_SPRING = "invoice_date >= '2011-03-01' AND invoice_date < '2011-06-01'"
_MILLION = 1_000_000

QUESTIONS = (
    Question("bought", _BOUGHT, "SELECT customer FROM purchase"),
    Question("five times", _count("purchase", "greater_or_equal", 5), _having("purchase", "count(*) >= 5")),
    Question("twenty times", _count("purchase", "greater_or_equal", 20), _having("purchase", "count(*) >= 20")),
    Question("once", _count("purchase", "equals", 1), _having("purchase", "count(*) = 1")),
    Question("refunded", _REFUNDED, "SELECT customer FROM refund"),
    Question("three refunds", _count("refund", "greater_or_equal", 3), _having("refund", "count(*) >= 3")),
    Question("content", d.Not(criterion=_REFUNDED), "SELECT customer FROM line EXCEPT SELECT customer FROM refund"),
    Question(
        "a thousand",
        _figure("sum", "greater_or_equal", 1000.005),
        _having("purchase", f"sum(total) >= 1000.005 * {_MILLION}"),
    ),
    Question(
        "ten thousand",
        _figure("sum", "greater_or_equal", 10000.005),
        _having("purchase", f"sum(total) >= 10000.005 * {_MILLION}"),
    ),
    Question(
        "large", _figure("max", "greater_than", 2000.005), _having("purchase", f"max(total) > 2000.005 * {_MILLION}")
    ),
    Question("small", _figure("min", "less_than", 20.005), _having("purchase", f"min(total) < 20.005 * {_MILLION}")),
    Question(
        "average",
        _figure("average", "greater_than", 500.0051),
        _having("purchase", f"avg(total) > 500.0051 * {_MILLION}"),
    ),
    Question(
        "many pieces",
        _figure("sum", "greater_or_equal", 1000, "products.quantity"),
        _having("bought", "sum(quantity) >= 1000"),
    ),
    Question(
        "hearts",
        _count("purchase", "greater_than", 0, products=(_named("contains", "heart"),)),
        "SELECT customer FROM bought WHERE lower(description) LIKE '%heart%'",
    ),
    Question(
        "bags by the dozen",
        _count("purchase", "greater_than", 0, products=(_named("starts_with", "jumbo bag"), _at_least("quantity", 12))),
        "SELECT customer FROM bought WHERE lower(description) LIKE 'jumbo bag%' AND quantity >= 12",
    ),
    Question(
        "in autumn",
        _count("purchase", "greater_or_equal", 2, _AUTUMN),
        _having("purchase", "count(*) >= 2", _IN_AUTUMN),
    ),
    Question(
        "of spring",
        _count("purchase", "greater_or_equal", 3),
        _having("purchase", "count(*) >= 3", _IN_SPRING),
        _SPRING,
    ),
    Question("French", _lives_in("France"), "SELECT customer FROM home WHERE country = 'France'"),
    Question(
        "abroad and loyal",
        d.AllOf(criteria=(d.Not(criterion=_lives_in("United Kingdom")), _count("purchase", "greater_or_equal", 3))),
        f"""SELECT customer FROM home WHERE country <> 'United Kingdom'
            INTERSECT {_having("purchase", "count(*) >= 3")}""",
    ),
    Question(
        "lapsed or returning much",
        d.AnyOf(
            criteria=(
                d.AllOf(criteria=(_BOUGHT, d.Not(criterion=_count("purchase", "greater_than", 0, _AUTUMN)))),
                _count("refund", "greater_than", 0, where=(_at_least("$total_amount", 100.005),)),
            )
        ),
        f"""(SELECT customer FROM purchase EXCEPT SELECT customer FROM purchase WHERE {_IN_AUTUMN})
            UNION SELECT customer FROM refund WHERE total >= 100.005 * {_MILLION}""",
    ),
)
