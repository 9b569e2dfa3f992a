"""The workload's definitions as SQL that DuckDB and ClickHouse both understand."""

from collections.abc import Mapping, Sequence

from audience_core.domain.audience import Audience
from benchmarks.peers.questions import NOW, Dialect, Measure, expression, measures


def statement(audiences: Sequence[Audience], events: str, users: str, columns: Sequence[str]) -> str:
    """One query over all the audiences' events.

    Args:
        columns: what to select of `users`, and the truth of each audience under its number; or nothing: the users in
            the first audience.
    """
    needed = measures(audiences)
    places = {measure: f"m{place}" for place, measure in enumerate(needed)}
    truths = [f"({expression(each.definition.root, _dialect(places))})" for each in audiences]
    wanted = [*columns, *(f"{truth} AS a{each.audience_id}" for truth, each in zip(truths, audiences, strict=True))]
    selected, where = (", ".join(wanted), "") if columns else ('u."user" AS "user"', f" WHERE {truths[0]}")
    if not needed:
        return f"SELECT {selected} FROM {users} AS u{where}"
    grouped = _grouped(needed, places, events)
    return f'SELECT {selected} FROM {users} AS u LEFT JOIN ({grouped}) AS e ON u."user" = e."user"{where}'


def _grouped(needed: Sequence[Measure], places: Mapping[Measure, str], events: str) -> str:
    sums = ", ".join(f"sum({_case(measure)}) AS {places[measure]}" for measure in needed)
    names, since = _texts(sorted({measure.name for measure in needed})), min(measure.since for measure in needed)
    where = f'"name" IN {names} AND "at" BETWEEN {since} AND {NOW}'
    return f'SELECT "user", {sums} FROM {events} WHERE {where} GROUP BY "user"'


def _case(measure: Measure) -> str:
    conditions = [f"\"name\" = '{measure.name}'", f'"at" >= {measure.since}']
    if measure.categories is not None:
        conditions.append(f'"text:category" IN {_texts(measure.categories)}')
    if measure.price_above is not None:
        conditions.append(f'"number:price" > {measure.price_above}')
    value = '"number:price"' if measure.is_sum else "1"
    return f"CASE WHEN {' AND '.join(conditions)} THEN {value} ELSE 0 END"


def _texts(values: Sequence[str]) -> str:
    return "(" + ", ".join(f"'{value}'" for value in values or ("no such text",)) + ")"


def _dialect(places: Mapping[Measure, str]) -> Dialect[str]:
    return Dialect(
        lambda measure, operator, value: f"coalesce(e.{places[measure]}, 0) {operator} {value}",
        lambda name, values: f'u."{name}" IN {_texts(values)}',
        lambda parts: "(" + " AND ".join(parts) + ")",
        lambda parts: "(" + " OR ".join(parts) + ")",
        lambda part: f"(NOT {part})",
    )
