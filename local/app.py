"""Where a SAM application lies: its sources, its build and the tools that work on it."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".local"
EMULATOR_PYTHON = ROOT / ".tools" / "aws" / "bin" / "python"
RUNTIME_PYTHON = ROOT / ".tools" / "runtime" / "bin" / "python"
RUNTIME_SCRIPT = ROOT / "local" / "function_runtime.py"
SAM_PYTHON = ROOT / ".tools" / "sam" / "bin" / "python"
# Stands for the S3 bucket of files that are still on disk, between translation and upload.
LOCAL_FILES = "local-files"


@dataclass(frozen=True)
class App:
    """A folder with `template.yaml`, and where `sam build` puts what it makes of it."""

    source: Path
    build: Path

    @property
    def template(self) -> Path:
        return self.source / "template.yaml"

    @property
    def built_template(self) -> Path:
        return self.build / "template.yaml"


PRODUCT = App(ROOT, ROOT / ".aws-sam" / "build")


class LocalError(Exception):
    """What a developer should read instead of a stack trace."""
