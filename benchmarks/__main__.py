"""`make bench`: every measurement that docs/performance.md quotes, one after another."""

import runpy
import sys

SCRIPTS = ("real_time", "patterns", "columnar")


def main() -> None:
    for name in sys.argv[1:] or SCRIPTS:
        print(f"\n# benchmarks.{name}", flush=True)
        sys.argv = [name]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")


if __name__ == "__main__":
    main()
