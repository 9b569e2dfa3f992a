"""How texts are folded and patterns matched."""

import random
import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audience_core.evaluation.text import fold, nfc, pattern_matcher
from benchmarks.patterns import SHAPES, measured

SIZE = 10_240
letters = st.text(st.sampled_from("ab*?\\ßİςé\u0301\n"), max_size=12)


def as_regex(pattern: str) -> str:
    """The folded pattern, token by token, for an engine that may backtrack."""
    tokens = re.findall(r"\\.|\\|[^\\]", fold(pattern), re.DOTALL)
    return "".join({"*": ".*", "?": "."}.get(token) or re.escape(token[-1]) for token in tokens)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("", ""),
        ("ABC", "abc"),
        ("Straße", "strasse"),
        ("ẞ", "ss"),
        ("İ", "i\u0307"),
        ("I", "i"),
        ("\u0131", "\u0131"),  # a dotless i has no other case
        ("ΟΔΟΣ", "οδοσ"),
        ("οδος", "οδοσ"),
        ("e\u0301", "é"),
        ("E\u0301", "é"),
        ("ﬃ", "ffi"),
        ("Å", "å"),
        ("K", "k"),
        ("\uff21", "\uff41"),  # full-width letters stay so
        ("\ud55c\uae00", "한글"),
    ],
)
def test_a_text_is_folded(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text(st.sampled_from("aé\u0301\u0323\u0308\u0345ǖ\u0f73가ᄀ"), min_size=60, max_size=120))
def test_long_texts_are_normalised_like_short_ones(text: str) -> None:
    assert nfc(text) == unicodedata.normalize("NFC", text)


def test_a_hostile_value_is_normalised_soon() -> None:
    text = "a" + "\u0301\u0323" * 200_000
    started = time.thread_time()

    nfc(text)

    assert time.thread_time() - started < 2


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("", [""], ["a"]),
        ("*", ["", "a", "a\nb"], []),
        ("**", ["", "ab"], []),
        ("?", ["a", "\n"], ["", "ab"]),
        ("bl?e", ["blue", "BLUE"], ["ble", "bluue", "blues"]),
        ("b*e", ["be", "blue", "b*e"], ["blues", "ube"]),
        ("*a*", ["a", "bab"], ["", "b"]),
        ("a*a", ["aa", "aba"], ["a"]),
        ("a*b*a", ["aba", "abba"], ["aa", "ba"]),
        ("*ab?", ["abc", "ababc"], ["ab", "abcd"]),
        ("*a?c*", ["abc", "xaacy", "aabc"], ["ac", "abbc"]),
        ("a.c", ["a.c"], ["abc"]),
        (r"\*", ["*"], ["a", "\\*"]),
        (r"\?\\", ["?\\"], ["a\\"]),
        (r"\a", ["a"], ["\\a"]),
        ("a\\", ["a\\"], ["a"]),
        ("stra??e", ["Straße", "strasse"], ["strase"]),
        ("STRASSE", ["Straße"], []),
        ("*ς", ["ΟΔΟΣ", "οδος"], ["οδό"]),
        ("e\u0301?", ["éa", "E\u0301b"], ["e\u0301"]),
        ("?", ["é", "e\u0301"], ["e\u0323\u0301\u0308"]),
    ],
)
def test_a_pattern_covers_the_whole_value(pattern: str, matching: list[str], others: list[str]) -> None:
    matches = pattern_matcher(pattern)

    assert [text for text in matching if not matches(fold(text))] == []
    assert [text for text in others if matches(fold(text))] == []


@given(letters, letters)
def test_patterns_say_what_a_backtracking_engine_says(pattern: str, text: str) -> None:
    expected = re.fullmatch(as_regex(pattern), fold(text), re.DOTALL) is not None

    assert pattern_matcher(pattern)(fold(text)) is expected


@pytest.mark.parametrize("length", [63, 64, 65, 500])
def test_long_pieces_are_found(length: int) -> None:
    noise = random.Random(length)
    text = "".join(noise.choice("ab") for _ in range(3000))
    piece = "".join("?" if noise.random() < 0.3 else c for c in text[1200 : 1200 + length])

    assert pattern_matcher(f"*{piece}*")(text)
    assert not pattern_matcher(f"*{piece}c*")(text)


@pytest.mark.parametrize("name", SHAPES)
def test_a_hostile_pattern_costs_little(name: str) -> None:
    compiling, matching = measured(SHAPES[name], SIZE)

    assert compiling + matching < 50
