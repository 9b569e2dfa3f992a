"""Members of lifetime audiences over the whole Online Retail data set against SQL and the naive oracle, in memory.

Every row goes through the importer, processing, compaction and the columnar evaluator; only stores are in memory, so it
takes a minute and no stack. `benchmarks.lifetime` does the same on the local stack, and tells how long it takes there.

    python -m benchmarks.lifetime_members FILE
"""

import argparse
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path

from audience_cli.importer.mapping import load_mapping
from audience_cli.importer.plan import Plan
from audience_core.domain.ids import AudienceId
from audience_core.domain.messages import AcceptedBatch
from benchmarks import retail
from benchmarks.retail import QUESTIONS
from tests.support.archives import Library
from tests.support.calculations import Office
from tests.support.population import ACCOUNT, NOW, SOURCE, Population, an_audience

MAPPING = Path(__file__).parents[1] / "docs" / "examples" / "online-retail.mapping.toml"
# As many messages as a worker gets at once.
_GROUP = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    file: Path = parser.parse_args().file
    print(f"{datetime.now(UTC):%Y-%m-%d}")
    began, population = time.perf_counter(), Population()
    library = Library(population.accounts, population.archive)
    for group in batched(batches(file), _GROUP, strict=False):
        population.take(group, library.now)
    library.compact()
    print(f"{library.shards.manifest(ACCOUNT).events:,} events, after {time.perf_counter() - began:.0f} s")
    office = Office(ACCOUNT, NOW)
    office.shards = library.shards
    drafts = {AudienceId(number): question for number, question in enumerate(QUESTIONS, 1)}
    for audience_id, question in drafts.items():
        draft = an_audience(audience_id, question.root, inputs=(SOURCE.input_id,))
        office.draft(draft, date_range=question.days)
    began = time.perf_counter()
    office.calculate(*drafts)
    print(f"{len(drafts)} audiences calculated in {time.perf_counter() - began:.2f} s")
    users = library.users()
    found = {question.name: set(office.members(audience_id)) for audience_id, question in drafts.items()}
    retail.compare(str(file), found, users, an_audience(AudienceId(1), QUESTIONS[0].root), NOW)


def batches(file: Path) -> Iterator[AcceptedBatch]:
    """What `audiences import --historical` sends, as the pipeline gets it."""
    for step in Plan([file], load_mapping(MAPPING)[0]).steps():
        for body in json.loads(step.body):
            yield AcceptedBatch(SOURCE, body["source_request_id"], NOW, body, is_historical=True)


if __name__ == "__main__":
    main()
