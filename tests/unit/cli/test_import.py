"""`audiences import` against a real server: everything arrives, once, whatever happens on the way."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.cli.conftest import Run
from tests.unit.cli.fake_api import INPUT, Answer, FakeApi

MAPPING = """
[[filter]]
column = "customer"
is = "not_null"
[identities]
customer_id = "customer"
[attributes]
"$country" = "country"
[event]
type = "commerce_event"
action = "purchase"
timestamp = "at"
group_by = ["customer", "at"]
sign = { column = "quantity", negative = "refund" }
total_amount = { sum = "total_product_amount" }
[event.products]
name = "item"
price = { column = "price", type = "number" }
quantity = { column = "quantity", type = "number" }
total_product_amount = { multiply = ["quantity", "price"] }
"""
EVENTS = """
[identities]
email = "mail"
[event]
type = "custom_event"
name = { constant = "Read" }
timestamp = "at"
attributes = { text = "text" }
"""
START = datetime(2011, 5, 1, 9, 30, tzinfo=UTC)


def invoices(number: int) -> str:
    """Of each three rows two are one invoice; every tenth invoice has a returned item; some have no customer."""
    rows = ["customer,at,item,price,quantity,country"]
    for row in range(number):
        invoice = row // 3
        customer = "" if invoice % 7 == 6 else f"c{invoice % 5}"
        at = (START + timedelta(minutes=invoice)).strftime("%Y-%m-%d %H:%M:%S")
        quantity = -2 if row % 30 == 2 else row % 3 + 1
        rows.append(f'{customer},{at},"Item, {row % 4}",{1.5 + row % 2},{quantity},GB')
    return "\n".join(rows) + "\n"


@pytest.fixture
def options(api: FakeApi, home: Path) -> tuple[str, ...]:
    (home / "m.toml").write_text(MAPPING)
    (home / "events.toml").write_text(EVENTS)
    return ("--url", api.url, "--input-key", INPUT[0], "--input-secret", INPUT[1], "--json")


def readings(home: Path, number: int, length: int = 10) -> Path:
    file = home / "readings.jsonl"
    lines = (
        json.dumps({"mail": f"u{row % 20}@b.example", "at": 1_300_000_000_000 + row * 1000, "text": "x" * length})
        for row in range(number)
    )
    file.write_text("\n".join(lines) + "\n")
    return file


def test_rows_of_one_instant_are_one_event_with_their_products(run: Run, api: FakeApi, home, options) -> None:
    (home / "a.csv").write_text(
        "customer,at,item,price,quantity,country\n"
        "7,2011-05-01 09:30:00,Tea,1.25,2,GB\n"
        "7,2011-05-01 09:30:00,Cup,4.10,-1,GB\n"
        "7,2011-05-01 09:30:00,Pot,9.99,3,IE\n"
        ",2011-05-01 09:31:00,Tea,1.25,2,GB\n"
    )

    result = run("import", home / "a.csv", "-m", home / "m.toml", *options)

    assert result.exit_code == 0, result.output
    [batch] = api.batches.values()
    assert batch["user_identities"] == {"customer_id": "7"}
    assert batch["user_attributes"] == {"$country": "GB"}
    purchase, refund = (each["data"] for each in batch["events"])
    assert purchase["timestamp_unixtime_ms"] == 1_304_242_200_000
    assert purchase["product_action"] == {
        "action": "purchase",
        "total_amount": 32.47,
        "products": [
            {"name": "Tea", "price": 1.25, "quantity": 2, "total_product_amount": 2.5},
            {"name": "Pot", "price": 9.99, "quantity": 3, "total_product_amount": 29.97},
        ],
    }
    assert refund["product_action"] == {
        "action": "refund",
        "total_amount": 4.1,
        "products": [{"name": "Cup", "price": 4.1, "quantity": 1, "total_product_amount": 4.1}],
    }
    summary = json.loads(result.stdout)
    assert summary["skipped"] == {"filter: customer is not_null": 1}
    assert (summary["rows"], summary["events"], summary["profiles"], summary["batches"]) == (4, 2, 1, 1)


def test_csv_parquet_and_json_lines_give_the_same_events(run: Run, api: FakeApi, home, options) -> None:
    (home / "a.csv").write_text(invoices(300))
    names, *rows = (line.replace('"Item, ', "Item ").replace('"', "").split(",") for line in invoices(300).splitlines())
    (home / "a.csv").write_text("\n".join(",".join(row) for row in [names, *rows]))
    records = [
        {"customer": c or None, "at": at, "item": i, "price": float(p), "quantity": int(q), "country": k}
        for c, at, i, p, q, k in rows
    ]
    (home / "a.jsonl").write_text("\n".join(map(json.dumps, records)))
    instants = [datetime.fromisoformat(at) for _, at, *_ in rows]
    pq.write_table(pa.Table.from_pylist(records).set_column(1, "at", pa.array(instants)), home / "a.parquet")

    found = []
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        api.batches.clear()
        assert run("import", home / name, "-m", home / "m.toml", *options).exit_code == 0
        found.append(dict(api.batches))

    assert len(found[0]) == 5
    assert found[0] == found[1] == found[2]


def test_a_repeated_import_creates_nothing(run: Run, api: FakeApi, home, options) -> None:
    (home / "a.csv").write_text(invoices(600))
    run("import", home / "a.csv", "-m", home / "m.toml", *options)
    once = dict(api.batches)

    result = run("import", home / "a.csv", "-m", home / "m.toml", *options, "--shift-to", "now")

    assert result.exit_code == 0
    assert api.batches == once


def test_requests_keep_the_limits_of_the_api(run: Run, api: FakeApi, home, options) -> None:
    file = readings(home, 3000, length=800)

    result = run("import", file, "-m", home / "events.toml", *options)

    assert result.exit_code == 0, result.output
    assert len(api.events()) == 3000
    assert max(api.sizes) <= 256_000
    assert max(len(json.dumps(each, separators=(",", ":"))) for each in api.batches.values()) <= 128_000
    assert max(len(each.body) for each in api.asked) <= 100
    assert len(api.batches) > 20


def test_an_event_that_no_batch_can_hold_is_skipped_and_counted(run: Run, api: FakeApi, home, options) -> None:
    file = readings(home, 2, length=130_000)
    with file.open("a") as more:
        more.write(json.dumps({"mail": "z@b.example", "at": 1_300_000_000_000, "text": "short"}) + "\nnot json\n")

    result = run("import", file, "-m", home / "events.toml", *options)

    assert json.loads(result.stdout)["skipped"] == {"an event larger than 128 kB": 2, "not a JSON object": 1}
    assert len(api.events()) == 1


@pytest.mark.parametrize("taken", [1, 3, 8])
def test_an_interrupted_import_goes_on_where_it_was(run: Run, api: FakeApi, home, options, taken: int) -> None:
    file = readings(home, 9000, length=300)
    api.ingest_answers.extend([Answer(202)] * taken + [Answer(400, {"errors": [{"message": "broken"}]})] * 8)
    first = run("import", file, "-m", home / "events.toml", *options, "--concurrency", "1")
    sent_before = len(api.sizes)
    api.ingest_answers.clear()

    second = run("import", file, "-m", home / "events.toml", *options, "--concurrency", "1")

    assert (first.exit_code, second.exit_code) == (5, 0), first.output + second.output
    assert "broken" in first.output
    assert sent_before == taken
    summary = json.loads(second.stdout)
    assert summary["resumed"]
    assert summary["requests"] == len(api.sizes) - taken
    times = Counter(each["timestamp_unixtime_ms"] for each in api.events())
    assert len(times) == 9000
    assert set(times.values()) == {1}


def test_a_finished_import_leaves_no_resume_file(run: Run, api: FakeApi, home, options) -> None:
    run("import", readings(home, 10), "-m", home / "events.toml", *options, "--resume-file", home / "r.json")

    assert not (home / "r.json").exists()
    assert not list(home.glob("state/**/*.json*"))


def test_a_resume_file_of_another_import_is_refused(run: Run, api: FakeApi, home, options) -> None:
    api.ingest_answers.append(Answer(400))
    arguments = ("-m", home / "events.toml", *options, "--resume-file", home / "r.json")
    run("import", readings(home, 10), *arguments)

    result = run("import", readings(home, 11), *arguments)

    assert result.exit_code == 2
    assert "another import" in result.output


def test_busy_answers_are_tried_again(run: Run, api: FakeApi, home, options) -> None:
    api.ingest_answers.extend([Answer(429, None, {"Retry-After": "0"}), Answer(503), Answer(500), Answer(202)])

    result = run("import", readings(home, 10), "-m", home / "events.toml", *options)

    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["requests"], summary["retries"]) == (4, 3)
    assert len(api.events()) == 10


def test_a_wrong_input_secret_ends_it_at_once(run: Run, api: FakeApi, home, options) -> None:
    result = run("import", readings(home, 10), "-m", home / "events.toml", *options, "--input-secret", "wrong")

    assert result.exit_code == 3
    assert len(api.asked) == 1


def test_shifting_to_now_keeps_intervals(run: Run, api: FakeApi, home, options) -> None:
    before = datetime.now(UTC).timestamp() * 1000

    run("import", readings(home, 100), "-m", home / "events.toml", *options, "--shift-to", "now")

    times = sorted(each["timestamp_unixtime_ms"] for each in api.events())
    assert before - 1 <= times[-1] <= datetime.now(UTC).timestamp() * 1000
    assert {b - a for a, b in pairwise(times)} == {1000}


def test_a_resumed_import_keeps_the_shift_it_began_with(run: Run, api: FakeApi, home, options) -> None:
    file = readings(home, 9000, length=300)
    arguments = ("-m", home / "events.toml", *options, "--shift-to", "now", "--concurrency", "1")
    api.ingest_answers.extend([Answer(202)] * 2 + [Answer(400)])
    run("import", file, *arguments)

    run("import", file, *arguments)

    times = sorted(each["timestamp_unixtime_ms"] for each in api.events())
    assert {b - a for a, b in pairwise(times)} == {1000}


def test_history_goes_to_its_endpoint_without_what_is_too_young(run: Run, api: FakeApi, home, options) -> None:
    file = readings(home, 10)
    with file.open("a") as more:
        young = int((datetime.now(UTC) - timedelta(hours=71)).timestamp() * 1000)
        more.write(json.dumps({"mail": "young@b.example", "at": young, "text": ""}) + "\n")

    result = run("import", file, "-m", home / "events.toml", *options, "--historical")

    assert set(api.paths()) == {"/v2/bulkevents/historical"}
    assert json.loads(result.stdout)["skipped"] == {"not older than 72 hours": 1}


def test_a_dry_run_sends_nothing_and_shows_a_batch(run: Run, api: FakeApi, home, options) -> None:
    result = run("import", readings(home, 10), "-m", home / "events.toml", "--dry-run")

    assert result.exit_code == 0, result.output
    assert api.asked == []
    assert '"email": "u0@b.example"' in result.output


def test_a_column_that_is_not_there_is_named_with_those_that_are(run: Run, api: FakeApi, home, options) -> None:
    (home / "a.csv").write_text("client,at,item,price,quantity,country\n")

    result = run("import", home / "a.csv", "-m", home / "m.toml", *options)

    assert result.exit_code == 2
    assert "no column 'customer'; it has client, at" in result.output


def test_attributes_alone_can_be_imported(run: Run, api: FakeApi, home, options) -> None:
    (home / "p.toml").write_text(
        '[identities]\ncustomer_id = "id"\n[attributes]\ntags = { column = "tags", split = "|" }\ntier = "tier"\n'
    )
    (home / "p.csv").write_text("id,tags,tier\n1,a|b,gold\n2,,\n")

    result = run("import", home / "p.csv", "-m", home / "p.toml", *options)

    assert result.exit_code == 0, result.output
    assert [each.get("user_attributes") for each in api.batches.values()] == [
        {"tags": ["a", "b"], "tier": "gold"},
        None,
    ]
    assert all("events" not in each for each in api.batches.values())
