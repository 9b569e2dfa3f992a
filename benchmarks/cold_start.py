"""What each function imports before its first event: processor time, and how many modules.

Every function is a fresh Python that sees nothing but its code, its layers as `make build` made them, and the package
of a source tree. Trees take turns, so that a busy machine slows all of them alike.

    python -m benchmarks.cold_start                       # all functions, the costliest first
    python -m benchmarks.cold_start --against TREE        # and how that was in another checkout
    python -m benchmarks.cold_start --of OutputsApiFunction   # what its modules take, by package
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local.templates import read_template

ROOT = Path(__file__).parents[1]
BUILT = ROOT / ".aws-sam" / "build"
BYTECODE = ROOT / ".local" / "bytecode"
_CHILD = """
import sys, time
began, before = time.process_time(), len(sys.modules)
import handler
print(time.process_time() - began, len(sys.modules) - before)
"""


def functions() -> dict[str, Mapping[str, Any]]:
    """The properties of each function of the template by its logical id, what all have in common included."""
    template = read_template(ROOT / "template.yaml")
    common = template["Globals"]["Function"]
    found: dict[str, Mapping[str, Any]] = {}
    for name, each in template["Resources"].items():
        if each["Type"] == "AWS::Serverless::Function":
            own = each["Properties"]
            found[name] = {**own, "Layers": [*common["Layers"], *own.get("Layers", [])]}
    return found


def environment(tree: Path, name: str, function: Mapping[str, Any]) -> dict[str, str]:
    layers = [BUILT / layer["Ref"] / "python" for layer in function["Layers"]]
    # Last, for what a function alone has of packages; its code and ours are those of the tree.
    path = [tree / function["CodeUri"], tree / "layers" / "audience_core", *layers, BUILT / name]
    kept = {"PATH": os.environ["PATH"], "PYDANTIC_DISABLE_PLUGINS": "__all__", "PYTHONPYCACHEPREFIX": str(BYTECODE)}
    return {**kept, "PYTHONPATH": os.pathsep.join(map(str, path))}


def imported(tree: Path, name: str, function: Mapping[str, Any]) -> tuple[float, int]:
    """(seconds of the processor, modules)."""
    printed = _python([], tree, name, function).stdout.split()
    return float(printed[0]), int(printed[1])


def by_package(tree: Path, name: str, function: Mapping[str, Any]) -> Counter[str]:
    """Microseconds; within our package by its parts."""
    took: Counter[str] = Counter()
    for line in _python(["-X", "importtime"], tree, name, function).stderr.splitlines():
        own, _, module = (part.strip() for part in line.removeprefix("import time:").split("|"))
        if own.isdigit():
            parts = module.split(".")
            took[".".join(parts[:2]) if parts[0] == "audience_core" else parts[0]] += int(own)
    return took


def _python(
    options: Sequence[str], tree: Path, name: str, function: Mapping[str, Any]
) -> subprocess.CompletedProcess[str]:
    # Without `site`, so that the packages of this environment are not there.
    command = [os.path.realpath(sys.executable), "-S", *options, "-c", _CHILD]
    own = environment(tree, name, function)
    return subprocess.run(command, env=own, cwd="/", capture_output=True, text=True, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", type=Path, action="append", default=[], help="another checkout")
    parser.add_argument("--of", help="the logical id of one function")
    arguments = parser.parse_args()
    known = functions()
    if arguments.of:
        for package, took in by_package(ROOT, arguments.of, known[arguments.of]).most_common(25):
            print(f"{took / 1000:7.1f} ms  {package}")
        return
    trees = [ROOT, *(each.resolve() for each in arguments.against)]
    rows = []
    for name, function in known.items():
        for tree in trees:
            imported(tree, name, function)  # compiles what has changed
        runs = [[imported(tree, name, function) for tree in trees] for _ in range(arguments.rounds)]
        medians = [statistics.median(run[place][0] for run in runs) for place in range(len(trees))]
        rows.append((medians, [modules for _, modules in runs[0]], name))
    print(f"load {os.getloadavg()[0]:.1f}; ms of the processor, modules, of {', '.join(map(str, trees))}")
    for medians, modules, name in sorted(rows, reverse=True):
        print(*(f"{took * 1000:6.0f} {count:5d}" for took, count in zip(medians, modules, strict=True)), "", name)
    sums = [sum(medians[place] for medians, _, _ in rows) for place in range(len(trees))]
    print(*(f"{took * 1000:6.0f}      " for took in sums), "all together")


if __name__ == "__main__":
    main()
