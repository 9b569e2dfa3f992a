"""Text matching as definitions mean it: NFC, casefolded, and patterns in time linear in the value."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import groupby

# A pattern piece between two stars: runs of literal text, None where `?` stands.
type Piece = tuple[str | None, ...]

_TOKEN = re.compile(r"\\(.?)|(\*)|(\?)|([^\\*?]+)", re.DOTALL)
# No text as short as this is slow to normalise.
_SHORT = 64


@lru_cache(maxsize=65_536)
def fold(text: str) -> str:
    """The form in which texts are compared: NFC, then `str.casefold`."""
    return text.lower() if text.isascii() else nfc(text).casefold()


def nfc(text: str) -> str:
    """As `unicodedata.normalize("NFC", text)`, whose time is quadratic in the length of a run of combining marks.

    It orders the marks of a run by insertion; marks that are in order already cost it nothing.
    """
    if len(text) > _SHORT and not unicodedata.is_normalized("NFC", text):
        text = "".join(_with_ordered_marks(text))
    return unicodedata.normalize("NFC", text)


def _with_ordered_marks(text: str) -> Iterator[str]:
    decomposed = "".join(unicodedata.normalize("NFD", character) for character in text)
    for is_mark, run in groupby(decomposed, lambda character: unicodedata.combining(character) > 0):
        yield from (sorted(run, key=unicodedata.combining) if is_mark else run)  # noqa: B031  (one of the two)


def pattern_matcher(pattern: str) -> Callable[[str], bool]:
    """A predicate over folded text for a wildcard pattern.

    `*` is any run of characters, `?` any one (of the folded text), and a backslash makes the next character literal.
    The pattern covers the whole value. Pieces are found leftmost, one after another, so no input makes it backtrack.
    """
    pieces = _pieces(pattern)
    finders = {piece: _Finder(piece) for piece in set(pieces)}
    if len(pieces) == 1:
        whole = finders[pieces[0]]
        return lambda text: len(text) == whole.size and whole.is_at(text, 0)
    first, *middle, last = (finders[piece] for piece in pieces)

    def matches(text: str) -> bool:
        if len(text) < first.size + last.size or not first.is_at(text, 0):
            return False
        end = len(text) - last.size
        if not last.is_at(text, end):
            return False
        at = first.size
        for finder in middle:
            at = finder.find(text, at)
            if at < 0 or at > end:
                return False
        return True

    return matches


def _pieces(pattern: str) -> list[Piece]:
    """Folding neither makes nor removes a wildcard, so the pattern is folded whole."""
    pieces: list[list[str | None]] = [[]]
    for escaped, star, question, literal in _TOKEN.findall(fold(pattern)):
        if star:
            pieces.append([])
        elif question:
            pieces[-1].append(None)
        else:
            pieces[-1].append(literal or escaped or "\\")
    return [_joined(piece) for place, piece in enumerate(pieces) if piece or place in (0, len(pieces) - 1)]


def _joined(piece: list[str | None]) -> Piece:
    return ("".join(each or "" for each in piece),) if None not in piece else tuple(piece)


class _Finder:
    """Finds one piece: by `str.find` when it is plain text, else by Shift-And over one big integer per character."""

    def __init__(self, piece: Piece) -> None:
        self._plain = piece[0] if len(piece) == 1 else None
        self._wanted = tuple(c for run in piece for c in (run if run is not None else (None,)))
        self.size = len(self._wanted)
        self._any = 0
        self._masks: dict[str, int] = {}
        if self._plain is None:
            self._prepare()

    def _prepare(self) -> None:
        self._any = int("".join("1" if c is None else "0" for c in reversed(self._wanted)), 2)
        for i, character in enumerate(self._wanted):
            if character is not None:
                self._masks[character] = self._masks.get(character, self._any) | 1 << i

    def is_at(self, text: str, at: int) -> bool:
        if self._plain is not None:
            return text.startswith(self._plain, at)
        return all(c is None or text[at + i] == c for i, c in enumerate(self._wanted))

    def find(self, text: str, start: int) -> int:
        """Index just after the leftmost occurrence at or after `start`, -1 if there is none."""
        if self._plain is not None:
            found = text.find(self._plain, start)
            return found if found < 0 else found + self.size
        masks, any_character, state, accept = self._masks, self._any, 0, 1 << (self.size - 1)
        for i in range(start, len(text)):
            state = (state << 1 | 1) & masks.get(text[i], any_character)
            if state & accept:
                return i + 1
        return -1
