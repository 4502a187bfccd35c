"""What is a name, rule by rule, against a slow and literal reading of each."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from steeple.datasets.names import file_fault, id_fault, listed_fault, word_fault

texts = st.text(st.characters(), max_size=30) | st.text(
    " \t\n\0a1./,;:\u0663\u2028é\ud800", max_size=6
)
repeated = st.tuples(texts, st.integers(1, 300)).map(lambda pair: pair[0] * pair[1])


def length(text: str) -> int:
    return sum(len(sign.encode("utf-8", "surrogatepass")) for sign in text)


def kinds(text: str) -> set[str]:
    return {unicodedata.category(sign) for sign in text}


def is_file(text: str, longest: int = 240) -> bool:
    return (
        text not in ("", ".", "..") and length(text) <= longest and not kinds(text) & {"Cc", "Cs"}
    )


def is_word(text: str) -> bool:
    return is_file(text, 1024) and not any(sign.isspace() for sign in text)


def is_listed(text: str) -> bool:
    return is_word(text) and text.lower() != "none" and not set(text) & set(",;")


@given(texts | repeated)
@example("x" * 240)
@example("x" * 241)
@example("é" * 120)
@example("é" * 121)
@example("x" * 1024)
@example("x" * 1025)
@example("\U00010400" * 60)
@example("\U00010400" * 61)
@example("\U00010400" * 256)
@example("\U00010400" * 257)
@example("0123456789abcdef")
@example("0123456789abcdef\n")
@example("NONE")
def test_every_rule_is_what_it_reads_like(text):
    assert (file_fault(text) is None) == is_file(text)
    assert (word_fault(text) is None) == is_word(text)
    assert (listed_fault(text) is None) == is_listed(text)
    assert (id_fault(text) is None) == (is_listed(text) and is_file(text) and "/" not in text)


@pytest.mark.parametrize("fine", ["0123456789abcdef", "7", "Zürich_1", "a\u200db", "🏰", "..."])
def test_fine(fine):
    for rule in (file_fault, word_fault, listed_fault, id_fault):
        assert rule(fine) is None


def test_a_path_is_a_word():
    assert word_fault("town/q.jpg") is None
    assert id_fault("town/q.jpg") == "holds a slash"
