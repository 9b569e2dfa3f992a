"""Which ministack the patches fit."""

from importlib.metadata import version

KNOWN_VERSION = "1.5.33"
# A result of a text is kept for so many texts.
TEXTS_KEPT = 4096


def require(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(
            f"local/emulated_aws does not fit ministack {version('ministack')}: {what}. "
            f"It was written for {KNOWN_VERSION}: pin that in requirements/aws.in, or adapt the patches."
        )


def require_known_version() -> None:
    require(version("ministack") == KNOWN_VERSION, "it is another version")
