"""Exports: the members of audiences as files in one archive, and what is known of an export before and after."""

from enum import StrEnum

from pydantic import Field

from audience_core.domain.ab_test import Variant
from audience_core.domain.account import Record
from audience_core.domain.identities import ANDROID_ADVERTISING_ID, ANDROID_UUID, HIERARCHY, IOS_ADVERTISING_ID
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.sharing import Source

# An archive and its link live so long: the bucket's lifecycle rule in template.yaml says the same.
KEPT_DAYS = 7
MPID = "mpid"
HASHED = {f"{each}_sha256": each for each in (IOS_ADVERTISING_ID, ANDROID_ADVERTISING_ID, ANDROID_UUID)}
# What can be chosen: every identity type, and some also as the SHA-256 of what is stored.
EXPORTED_TYPES = (*HIERARCHY, *HASHED)


class ExportFormat(StrEnum):
    CSV = "csv"
    PARQUET = "parquet"


class ExportFile(Record):
    """A file of the archive: the members of one audience, or of a variant of it.

    Args:
        audience_name: as it was when the export was asked for.
        name: in the archive.
        source: of a received audience; None for one of the account's own.
        variant: whose members alone it holds; None: all members.
        calculation_id: by which its members were found; "" for real-time audiences, whose lists are read.
    """

    audience_id: AudienceId
    audience_name: str
    name: str
    source: Source | None = None
    variant: Variant | None = None
    calculation_id: str = ""

    def members_of(self, account_id: AccountId) -> tuple[AccountId, AudienceId]:
        """The account whose profiles it is made of, and the audience of it that they are members of.

        Args:
            account_id: whose export it is.
        """
        return (self.source.account_id, self.source.audience_id) if self.source else (account_id, self.audience_id)


class Archive(Record):
    """What came of an export.

    Args:
        users: profiles that gave at least one row, file by file; one who is in two files counts twice.
        bytes: of the archive itself.
        expires_at: UTC ms; until then it can be downloaded.
    """

    name: str
    users: int
    rows_by_identity: dict[str, int]
    bytes: int
    expires_at: int


class Export(Record):
    """What an export was asked to hold, and what came of it.

    Args:
        export_id: a random UUID.
        at: the instant of which the members are told (UTC ms).
        email: who is sent the link; "" for nobody.
        link_base: what the link begins with, without a slash at its end.
        legacy_header_spaces: a blank after every comma of a CSV, as in older files.
        spreadsheet_safe: values that a spreadsheet would run as formulas are preceded by an apostrophe.
        archive: None until it is complete.
        email_error: why the link could not be sent.
    """

    export_id: str
    files: tuple[ExportFile, ...]
    identity_types: tuple[str, ...]
    format: ExportFormat = ExportFormat.CSV
    legacy_header_spaces: bool = False
    spreadsheet_safe: bool = False
    at: int
    email: str = ""
    link_base: str = ""
    requested_by: str = ""
    archive: Archive | None = None
    email_error: str = ""


class Pieces(Record):
    """What one part of an export has written so far.

    Args:
        keys: of its piece files, in order.
        users: profiles that gave at least one row.
        bytes: of all pieces.
    """

    keys: tuple[str, ...] = ()
    users: int = 0
    rows_by_identity: dict[str, int] = Field(default_factory=dict)
    bytes: int = 0

    def and_then(self, later: "Pieces") -> "Pieces":
        """Both, one after the other."""
        types = self.rows_by_identity.keys() | later.rows_by_identity.keys()
        return Pieces(
            keys=(*self.keys, *later.keys),
            users=self.users + later.users,
            rows_by_identity={
                each: self.rows_by_identity.get(each, 0) + later.rows_by_identity.get(each, 0) for each in sorted(types)
            },
            bytes=self.bytes + later.bytes,
        )


def job_id_of(export_id: str) -> str:
    return f"export-{export_id}"


def folder_of(account_id: AccountId, export_id: str, attempt: int | None = None) -> str:
    """Where an attempt keeps its files, or all attempts of an export; with a slash at its end."""
    folder = f"{account_id}/{export_id}/"
    return folder if attempt is None else f"{folder}{attempt:04d}/"


def archive_key(account_id: AccountId, export_id: str, attempt: int, name: str) -> str:
    return f"{folder_of(account_id, export_id, attempt)}{name}"
