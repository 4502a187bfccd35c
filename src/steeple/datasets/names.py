"""What images and landmarks may be called: the rules that readers and writers of tables share.

A rule is given a name and says what is wrong with it, or None. What passes can be looked for on any
disk, stands between spaces and comes back as it was, so that no file of names fails later, when
hours have gone into it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Rule", "file_fault", "id_fault", "listed_fault", "word_fault"]

Rule: TypeAlias = Callable[[str], str | None]
"""Name -> what is wrong with it, as the end of a sentence that begins with it; None: nothing."""

_LONGEST_FILE = 240  # bytes in UTF-8: disks have room for 255, and a suffix is to follow
# Of an id that may be a path: as many as arrays take, and a hundred are no field too long for csv.
_LONGEST_WORD = 1024
_BYTES_EACH = 4  # a character has at most

_ORDINARY = re.compile(r"[0-9a-f]{16}")  # as the five million ids of the data set are
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def file_fault(name: str) -> str | None:
    """The rule for what names a file, once a suffix follows."""
    return _fault(name, _LONGEST_FILE)


def word_fault(word: str) -> str | None:
    """The rule for landmarks, and for ids that may be paths: one word."""
    if word.isalnum() and len(word) * _BYTES_EACH <= _LONGEST_WORD:  # as ten million of them are
        return None
    if word.split() != [word]:
        return "holds a space" if word else "is empty"
    return _fault(word, _LONGEST_WORD)


def listed_fault(word: str) -> str | None:
    """The rule for words in a list that may say None, or be separated by what does not belong."""
    if word.lower() == "none":
        return "is how tables say that there is nothing"
    if not {",", ";"}.isdisjoint(word):
        return "holds a comma or a semicolon"
    return word_fault(word)


def id_fault(name: str) -> str | None:
    """The rule for ids of the data set's images: one word that lists can say, and a file's name."""
    if _ORDINARY.fullmatch(name):
        return None
    return "holds a slash" if "/" in name else listed_fault(name) or file_fault(name)


def _fault(name: str, longest: int) -> str | None:
    # The length comes first: it costs nothing, however long a name may be that is there many times.
    if len(name) > longest or len(name.encode("utf-8", "surrogatepass")) > longest:
        return f"has more than {longest:,} bytes"
    if not name:
        return "is empty"
    if name in (".", ".."):
        return "means a folder"
    if _CONTROL.search(name):
        return "holds a control character"
    return "is not Unicode text" if _SURROGATE.search(name) else None
