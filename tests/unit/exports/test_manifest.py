"""The manifest and the names in an archive, to the letter of what receivers know."""

import json
from datetime import UTC, datetime

import pytest

from audience_core.domain.export import Export, ExportFile, ExportFormat, Pieces
from audience_core.domain.ids import AudienceId
from audience_core.exports.manifest import archive_name, file_name, manifest
from tests.support.ab_tests import an_ab_test
from tests.support.control import an_audience

ID = "3f2a77c0-1d0e-4b1c-9c52-6f0a7a0d1e11"
AT = 1_795_428_930_110


def a_file(audience_id: int) -> ExportFile:
    return ExportFile(audience_id=AudienceId(audience_id), audience_name="Hikers", name=f"{audience_id}_Hikers.csv")


def an_export(*audiences: int) -> Export:
    files = tuple(map(a_file, audiences))
    return Export(export_id=ID, files=files, identity_types=("email", "ios_idfv"), at=AT)


def test_the_names_are_made_of_ids_and_stamps() -> None:
    audience = an_audience(
        audience_id=4411, name="Weekend Hikers", updated_at=datetime(2026, 11, 1, 9, 0, 0, 5, tzinfo=UTC)
    )

    assert archive_name(ID, datetime(2026, 11, 23, 10, 15, tzinfo=UTC)) == "Audiences_101500Nov232026_3f2a.zip"
    assert file_name(audience, ExportFormat.CSV) == "4411_WeekendHikers_090000Nov012026.csv"
    assert file_name(audience, ExportFormat.PARQUET) == "4411_WeekendHikers_090000Nov012026.parquet"


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Café  Noir", "CafeNoir"),
        ("../../etc/passwd", "______etc_passwd"),
        ('a"b\r\nc', "a_bc"),
        ("日本", "__"),
        ("A-B_c 1", "A-B_c1"),
        ("x" * 100, "x" * 80),
    ],
)
def test_file_names_are_plain(name: str, plain: str) -> None:
    assert file_name(an_audience(audience_id=1, name=name), ExportFormat.CSV) == f"1_{plain}_120000Nov242026.csv"


def test_variants_have_their_names_after_the_stamp_and_their_ids_where_those_are_alike() -> None:
    test = an_ab_test(30, 20)
    other = test.variants[1].model_copy(update={"name": "variation-a"})
    alike = test.variants[0].model_copy(update={"name": "Variation-A"})
    audience = an_audience(audience_id=1, name="Hikers", ab_test=test)
    twins = an_audience(audience_id=1, name="Hikers", ab_test=test.model_copy(update={"variants": (alike, other)}))

    names = [file_name(audience, ExportFormat.CSV, each) for each in test.variants[::2]]

    assert names == ["1_Hikers_120000Nov242026_VariationA.csv", "1_Hikers_120000Nov242026_Control.csv"]
    assert file_name(twins, ExportFormat.CSV, alike) == "1_Hikers_120000Nov242026_Variation-A_101.csv"
    assert file_name(twins, ExportFormat.CSV, other) == "1_Hikers_120000Nov242026_variation-a_102.csv"


def test_the_manifest_has_every_field_and_its_sums_agree() -> None:
    one = Pieces(users=2, rows_by_identity={"email": 2, "ios_idfv": 1}, bytes=10)
    other = Pieces(users=1, rows_by_identity={"email": 1})
    now = datetime(2026, 11, 23, 10, 20, 31, 104_200, tzinfo=UTC)

    found = json.loads(manifest(an_export(4411, 12), "A.zip", [(a_file(4411), one), (a_file(12), other)], now))

    assert found == {
        "archive_name": "A.zip",
        "id": ID,
        "audience_ids": [4411, 12],
        "included_identities": ["email", "ios_idfv"],
        "manifest_generated": "2026-11-23T10:20:31.1042000Z",
        "min_timestamp_ms": AT,
        "max_timestamp_ms": AT,
        "total_rows": 4,
        "rows_by_identity": {"email": 3, "ios_idfv": 1},
        "files": [
            {
                "file_name": "4411_Hikers.csv",
                "min_timestamp_ms": AT,
                "max_timestamp_ms": AT,
                "total_users": 2,
                "total_rows": 3,
                "rows_by_identity": {"email": 2, "ios_idfv": 1},
            },
            {
                "file_name": "12_Hikers.csv",
                "min_timestamp_ms": AT,
                "max_timestamp_ms": AT,
                "total_users": 1,
                "total_rows": 1,
                "rows_by_identity": {"email": 1},
            },
        ],
    }


def test_the_instant_always_has_seven_digits() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    found = json.loads(manifest(an_export(1), "A.zip", [(a_file(1), Pieces())], now))

    assert found["manifest_generated"] == "2026-01-02T03:04:05.0000000Z"
    assert (found["total_rows"], found["rows_by_identity"], found["files"][0]["total_users"]) == (0, {}, 0)
