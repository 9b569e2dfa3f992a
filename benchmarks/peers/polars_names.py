"""Polars, one query per event name: `python -m benchmarks.peers.polars_names <folder> <audiences> <events file>`."""

import operator
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.peers.questions import NOW, Dialect, Measure, Stopwatch, expression, measures, read_audiences, report
from benchmarks.shards import PEERS_USERS

_COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


def main() -> None:
    folder, count, stored = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    stopwatch = Stopwatch()
    audiences = read_audiences(folder, count)
    places = {measure: f"m{place}" for place, measure in enumerate(measures(audiences))}
    by_name: defaultdict[str, list[Measure]] = defaultdict(list)
    for measure in places:
        by_name[measure.name].append(measure)
    users = pl.read_parquet(folder / PEERS_USERS)
    for name, needed in by_name.items():
        found = _grouped(folder / stored, name, needed, places)
        users = users.join(found, on="user", how="left", maintain_order="left")
    dialect = _dialect(places)
    truths = users.select(expression(each.definition.root, dialect).alias(f"a{each.audience_id}") for each in audiences)
    # The users lie in the order of their rows, and stay in it.
    seconds = stopwatch.seconds()
    report(seconds, {each.audience_id: np.packbits(truths[f"a{each.audience_id}"].to_numpy()) for each in audiences})


def _grouped(path: Path, name: str, needed: Sequence[Measure], places: Mapping[Measure, str]) -> pl.DataFrame:
    since = min(measure.since for measure in needed)
    events = pl.scan_parquet(path).filter(pl.col("name") == name, pl.col("at").is_between(since, NOW))
    sums = [_sum(measure).alias(places[measure]) for measure in needed]
    return events.group_by("user").agg(sums).collect()


def _sum(measure: Measure) -> pl.Expr:
    condition = pl.col("at") >= measure.since
    if measure.categories is not None:
        condition &= pl.col("text:category").is_in(list(measure.categories))
    if measure.price_above is not None:
        condition &= pl.col("number:price") > measure.price_above
    return pl.col("number:price").filter(condition).sum() if measure.is_sum else condition.sum()


def _dialect(places: Mapping[Measure, str]) -> Dialect[pl.Expr]:
    return Dialect(
        lambda measure, sign, value: _COMPARE[sign](pl.col(places[measure]).fill_null(0), value),
        lambda name, values: pl.col(name).is_in(list(values)),
        lambda parts: reduce(operator.and_, parts),
        lambda parts: reduce(operator.or_, parts),
        operator.inv,
    )


if __name__ == "__main__":
    main()
