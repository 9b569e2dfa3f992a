"""Records of a stream: each is tried, but none before an earlier one of its item."""

from typing import Any

from audience_core.pipeline.stream_records import failed_records


def a_record(item: str, sequence: int) -> dict[str, Any]:
    return {"dynamodb": {"Keys": {"sk": {"S": item}}, "SequenceNumber": str(sequence)}}


def test_all_are_tried_but_what_follows_a_failed_one_of_its_item() -> None:
    tried: list[str] = []

    def succeeds(change: dict[str, Any]) -> bool:
        tried.append(change["SequenceNumber"])
        return change["SequenceNumber"] not in ("2", "5")

    records = [a_record(item, number) for number, item in enumerate("abcbab", 1)]

    failed = failed_records(records, succeeds)

    assert tried == ["1", "2", "3", "5"]
    assert [each["dynamodb"]["SequenceNumber"] for each in failed] == ["2", "5"]
