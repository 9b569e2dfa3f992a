"""What hostile patterns and values cost. Time is linear in the value; a piece with `?` costs a bit per character."""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping

from audience_core.evaluation.text import nfc, pattern_matcher

# Each makes a pattern and a value of about so many bytes.
type Shape = Callable[[int], tuple[str, str]]


def _of(pattern: str, value: str, end: str = "", start: str = "") -> Shape:
    """Both made of a unit repeated; `start` and `end` close the pattern."""

    def shape(size: int) -> tuple[str, str]:
        times = (size - len((start + end).encode())) // len(pattern.encode())
        return start + pattern * times + end, value * (size // len(value.encode()))

    return shape


def _distinct(size: int) -> tuple[str, str]:
    text = "".join(chr(0x4E00 + place) for place in range(size // 3))
    return f"*{text[:-2]}?*", text


def _marks(size: int) -> tuple[str, str]:
    """A letter under combining marks that all have to change places."""
    marks = "\u0301\u0323" * (size // 4)
    return f"*?{marks}", f"a{marks}"


SHAPES: Mapping[str, Shape] = {
    "*a*a*a found": _of("*a", "a"),
    "*a*a*a missed": _of("*a", "a", end="*b*"),
    "?a?a?a": _of("?a", "a"),
    "*?a?a?a missed": _of("?a", "a", start="*", end="b*"),
    "*?*?*?": _of("*?", "a"),
    "*?a*?a*?a": _of("*?a", "a"),
    "*?ab*?ab missed": _of("*?ab", "aab", end="*c*"),
    "*aaa…b missed": _of("a", "a", start="*", end="b*"),
    "*aaa…?…b missed": _of("a?", "a", start="*", end="b*"),
    "??? anywhere": _of("?", "a", start="*", end="*"),
    "***": _of("*", "a"),
    "escapes": _of("\\*", "*"),
    "*ß?*ß?": _of("*ß?", "ß"),
    "ligatures that fold to three": _of("*?\ufb03", "\ufb03"),
    "letters and marks": _of("*e\u0301?", "e\u0301"),
    "marks out of order": _marks,
    "many different characters": _distinct,
}


def measured(shape: Shape, size: int) -> tuple[float, float]:
    """Milliseconds of CPU to compile the pattern, and to fold and match the value: the best of three."""
    pattern, value = shape(size)
    runs = [_once(pattern, value) for _ in range(3)]
    return min(compiling for compiling, _ in runs), min(matching for _, matching in runs)


def _once(pattern: str, value: str) -> tuple[float, float]:
    started = time.thread_time()
    matches = pattern_matcher(pattern)
    compiled = time.thread_time()
    matches(nfc(value).casefold())
    return (compiled - started) * 1e3, (time.thread_time() - compiled) * 1e3


def report(size: int) -> Iterator[str]:
    yield f"{'shape':32}{'compile ms':>12}{'match ms':>12}{'match ms, twice the size':>28}"
    for name, shape in SHAPES.items():
        compiling, matching = measured(shape, size)
        yield f"{name:32}{compiling:12.2f}{matching:12.2f}{measured(shape, 2 * size)[1]:28.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=10_240, help="bytes of pattern and of value")
    for line in report(parser.parse_args().size):
        print(line)


if __name__ == "__main__":
    main()
