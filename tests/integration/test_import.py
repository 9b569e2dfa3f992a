"""The real input through the command line, to a server on loopback."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from audience_cli.main import app
from tests.unit.cli.fake_api import INPUT, FakeApi, fake_api

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data" / "online_retail.parquet"
MAPPING = ROOT / "docs" / "examples" / "online-retail.mapping.toml"

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the real input ../shared/data is not here")

type Import = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def api() -> Iterator[FakeApi]:
    with fake_api() as server:
        yield server


@pytest.fixture(scope="module")
def run(api: FakeApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Import]:
    def invoke(*options: str) -> dict[str, Any]:
        access = ["--url", api.url, "--input-key", INPUT[0], "--input-secret", INPUT[1], "--json"]
        result = CliRunner().invoke(app, ["import", str(DATA), "-m", str(MAPPING), *access, *options])
        assert result.exit_code == 0, result.output
        summary: dict[str, Any] = json.loads(result.stdout)
        return summary

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield invoke


@pytest.fixture(scope="module")
def summary(run: Import) -> dict[str, Any]:
    return run()


def test_every_row_with_a_customer_becomes_part_of_an_event(summary: dict[str, Any], api: FakeApi) -> None:
    events = api.events()
    actions = [each["product_action"] for each in events]

    assert (summary["rows"], summary["skipped"]) == (541_909, {"filter: customer_id is not_null": 135_080})
    assert sum(len(each["products"]) for each in actions) == 406_829
    assert len({each["user_identities"]["customer_id"] for each in api.batches.values()}) == 4372
    assert summary["profiles"] == 4372
    assert {each["action"] for each in actions} == {"purchase", "refund"}
    assert len(events) == len({each["source_message_id"] for each in events}) == 22_094


def test_the_money_is_that_of_the_file(summary: dict[str, Any], api: FakeApi) -> None:
    table = pq.read_table(DATA, columns=["customer_id", "quantity", "unit_price"]).to_pylist()
    turnover = sum(row["quantity"] * row["unit_price"] for row in table if row["customer_id"] is not None)

    actions = [each["product_action"] for each in api.events()]

    signs = {"purchase": 1, "refund": -1}
    assert sum(signs[each["action"]] * each["total_amount"] for each in actions) == pytest.approx(turnover)


@pytest.mark.long
def test_shifted_to_another_time_the_same_events_keep_their_ids(
    summary: dict[str, Any], run: Import, api: FakeApi
) -> None:
    original = dict(api.batches)
    span = _span(api)
    api.batches.clear()

    run("--shift-to", "2026-11-24T00:00Z")

    assert api.batches.keys() == original.keys()
    assert _span(api)[1] == 1_795_478_400_000
    assert _span(api)[1] - _span(api)[0] == span[1] - span[0]


def _span(api: FakeApi) -> tuple[int, int]:
    times = [each["timestamp_unixtime_ms"] for each in api.events()]
    return min(times), max(times)
