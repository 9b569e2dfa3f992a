"""Builds the console with Vite, unless nothing it is made of has changed; Node comes from `.tools/node`.

python -m local.console_build [check | format]
"""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.app import ROOT, STATE, LocalError

CONSOLE = ROOT / "console"
DIST = CONSOLE / "dist"
OPENAPI = ROOT / "docs" / "openapi.json"
NODE = ROOT / ".tools" / "node" / "bin"
LOCK = CONSOLE / "package-lock.json"
# What is made here, or by this.
_MADE = {"node_modules", "dist", "schema.d.ts"}


def build() -> bool:
    """Bring `console/dist` up to date; false when it already was.

    Raises:
        LocalError: with what npm said.
    """
    record = STATE / "console.sha256"
    with _alone():
        wanted = digest()
        if (DIST / "index.html").exists() and record.exists() and record.read_text() == wanted:
            return False
        record.unlink(missing_ok=True)
        install()
        npm("run", "types")
        npm("run", "build")
        record.write_text(wanted)
        return True


def install() -> None:
    """Bring `node_modules` up to date with the lock file."""
    stamp, wanted = CONSOLE / "node_modules" / ".installed", hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        npm("ci", "--ignore-scripts")
        stamp.write_text(wanted)


def digest() -> str:
    """One text for everything that the build reads."""
    found = hashlib.sha256(OPENAPI.read_bytes())
    for path in sources(CONSOLE):
        found.update(f"\0{path.relative_to(CONSOLE)}\0{path.stat().st_size}\0".encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def sources(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in _MADE:
            continue
        if path.is_dir():
            yield from sources(path)
        else:
            yield path


def npm(*arguments: str) -> None:
    environment = {**os.environ, "PATH": os.pathsep.join([str(NODE), os.environ.get("PATH", os.defpath)])}
    done = subprocess.run(
        [NODE / "npm", *arguments],
        cwd=CONSOLE,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LocalError(f"npm {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")


@contextmanager
def _alone() -> Iterator[None]:
    """Two builds into one folder would destroy each other's."""
    STATE.mkdir(exist_ok=True)
    with (STATE / "console.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(script: str = "") -> None:
    """Build, or run a script of `console/package.json` with what it needs in place."""
    try:
        if not script:
            build()
            return
        with _alone():
            install()
            npm("run", "types")
            npm("run", script)
    except LocalError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
