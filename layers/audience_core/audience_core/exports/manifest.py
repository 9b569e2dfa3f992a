"""Names in an archive, and `manifest.json`, which says what the files in it hold."""

import json
import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from audience_core.domain.ab_test import Variant
from audience_core.domain.audience import AudienceOutline
from audience_core.domain.export import Export, ExportFile, ExportFormat, Pieces

MANIFEST = "manifest.json"
_MAX_NAME = 80
# In English, whatever the locale.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def archive_name(export_id: str, requested_at: datetime) -> str:
    return f"Audiences_{_stamp(requested_at)}_{export_id[:4]}.zip"


def file_name(audience: AudienceOutline, form: ExportFormat, variant: Variant | None = None) -> str:
    """Of the audience's id and name, when it was last changed, and the variant's name.

    The variant's id follows when another one of the test would have the same name otherwise.
    """
    parts = [str(audience.audience_id), _plain(audience.name), _stamp(audience.updated_at)]
    if variant is not None:
        name = _plain(variant.name)
        variants = audience.ab_test.variants if audience.ab_test else ()
        # Archives are unpacked where case does not count.
        is_shared = [_plain(each.name).casefold() for each in variants].count(name.casefold()) > 1
        parts += [name, str(variant.audience_id)] if is_shared else [name]
    return f"{'_'.join(parts)}.{form}"


def manifest(export: Export, name: str, contents: Sequence[tuple[ExportFile, Pieces]], now: datetime) -> bytes:
    """JSON, in UTF-8.

    Args:
        name: of the archive.
        contents: its files in order, each with what was written of it.
    """
    total = whole(contents)
    document = {
        "archive_name": name,
        "id": export.export_id,
        "audience_ids": list(dict.fromkeys(file.audience_id for file, _ in contents)),
        "included_identities": list(export.identity_types),
        "manifest_generated": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond:06d}0Z",
        "min_timestamp_ms": export.at,
        "max_timestamp_ms": export.at,
        "total_rows": sum(total.rows_by_identity.values()),
        "rows_by_identity": total.rows_by_identity,
        "files": [_file(export, file, written) for file, written in contents],
    }
    return (json.dumps(document, indent=2) + "\n").encode()


def whole(contents: Sequence[tuple[ExportFile, Pieces]]) -> Pieces:
    """What all files hold together."""
    total = Pieces()
    for _, written in contents:
        total = total.and_then(written)
    return total


def _file(export: Export, file: ExportFile, written: Pieces) -> dict[str, Any]:
    return {
        "file_name": file.name,
        "min_timestamp_ms": export.at,
        "max_timestamp_ms": export.at,
        "total_users": written.users,
        "total_rows": sum(written.rows_by_identity.values()),
        "rows_by_identity": written.rows_by_identity,
    }


def _stamp(at: datetime) -> str:
    """Args:
    at: UTC.
    """
    return f"{at:%H%M%S}{_MONTHS[at.month - 1]}{at:%d%Y}"


def _plain(name: str) -> str:
    """Without blanks; letters lose their accents, and whatever is neither letter nor digit then is an underscore."""
    letters = "".join(each for each in unicodedata.normalize("NFKD", name) if not unicodedata.combining(each))
    return re.sub(r"[^A-Za-z0-9_-]", "_", "".join(letters.split()))[:_MAX_NAME]
