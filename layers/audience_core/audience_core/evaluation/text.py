"""Text matching as definitions mean it: NFC, casefolded, and patterns in time linear in the value."""

import unicodedata
from collections.abc import Callable
from functools import lru_cache

# A pattern piece between two stars: characters, None where `?` stands.
type Piece = tuple[str | None, ...]


@lru_cache(maxsize=65_536)
def fold(text: str) -> str:
    """The form in which texts are compared: NFC, then `str.casefold`."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def pattern_matcher(pattern: str) -> Callable[[str], bool]:
    """A predicate over folded text for a wildcard pattern.

    `*` is any run of characters, `?` any one (of the folded text), and a backslash makes the next character literal.
    The pattern covers the whole value. Pieces are found leftmost, one after another, so no input makes it backtrack.
    """
    pieces = _pieces(pattern)
    if len(pieces) == 1:
        whole = _Finder(pieces[0])
        return lambda text: len(text) == whole.size and whole.is_at(text, 0)
    first, *middle, last = (_Finder(piece) for piece in pieces)

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
    pieces: list[list[str | None]] = [[]]
    characters = iter(unicodedata.normalize("NFC", pattern))
    for character in characters:
        if character == "*":
            pieces.append([])
        elif character == "?":
            pieces[-1].append(None)
        elif character == "\\":
            pieces[-1].extend(fold(next(characters, "\\")))
        else:
            pieces[-1].extend(fold(character))
    return [tuple(piece) for piece in pieces]


class _Finder:
    """Finds one piece: by `str.find` when it is plain text, else by Shift-And over one big integer per character."""

    def __init__(self, piece: Piece) -> None:
        self.size = len(piece)
        self._plain = None if None in piece else "".join(character or "" for character in piece)
        self._any = sum(1 << i for i, character in enumerate(piece) if character is None)
        self._masks: dict[str, int] = {}
        for i, character in enumerate(piece):
            if character is not None:
                self._masks[character] = self._masks.get(character, self._any) | 1 << i
        self._piece = piece

    def is_at(self, text: str, at: int) -> bool:
        if self._plain is not None:
            return text.startswith(self._plain, at)
        return all(c is None or text[at + i] == c for i, c in enumerate(self._piece))

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
