"""Pickles from strangers, of which only data is believed.

A pickle is a program for a small machine, and loading one runs it, whatever it says. Here the
machine knows the words for lists, dictionaries, tuples, texts and numbers, and no others: there is
none to call a function, so nothing can be. It is written out below and not made from Python's own
by leaving something out, because that one can be brought down with data alone: by a memo at place
four thousand million, or by the hash of a tuple nested a million times.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steeple.errors import LabelError

__all__ = ["LARGEST", "read_plain_pickle", "read_small_file"]

LARGEST = 8 << 20
"""Bytes of a file that is read: 25 times the largest published ground truth."""

_MARK = object()

_VALUES = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING"),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    }
)
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
}
_NO_WORK = frozenset({"PROTO", "FRAME", "STOP"})
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_plain_pickle(path: Path) -> Any:
    """Reads a pickle that holds nothing but containers, texts and numbers.

    Args:
        path: the file, of at most `LARGEST` bytes.

    Returns:
        Lists, tuples, dictionaries with texts as keys, texts, numbers, booleans, None.

    Raises:
        LabelError: it holds something else, which is named, or is no whole pickle.
    """
    data = read_small_file(path)
    machine = _Machine()
    try:
        for operation, argument, _ in pickletools.genops(data):
            machine.do(operation.name, argument)
        return machine.result()
    except _RefusedError as error:
        raise LabelError(
            f"{path}: the pickle {error}; only lists, dictionaries, texts and numbers are read: "
            "get the file from where it was published"
        ) from None
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise LabelError(
            f"{path}: not a whole pickle ({type(error).__name__}: {str(error)[:80]!r}); "
            "get the file again"
        ) from error


def read_small_file(path: Path) -> bytes:
    """The bytes of a file that is small by nature.

    Raises:
        LabelError: it is not there, cannot be read, or has more than `LARGEST` bytes.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise LabelError(f"{path}: {error.strerror}; check the path") from error
    if len(data) > LARGEST:
        raise LabelError(
            f"{path}: more than {LARGEST >> 20} MiB, which no ground truth has; check the path"
        )
    return data


class _RefusedError(Exception):
    """A word that the machine does not know."""


class _Machine:
    """A stack, a memo, and the words of the pickle language that make plain data."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def result(self) -> Any:
        """What is left in the end."""
        (value,) = self._pop(len(self._stack))
        return value

    def do(self, name: str, argument: Any) -> None:
        """Does what one word says.

        Raises:
            _RefusedError: if it is none of ours.
            IndexError, KeyError, TypeError, ValueError: if it makes no sense here.
        """
        if name in _VALUES:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self._stack.append(_EMPTY[name]())
        elif name == "MARK":
            self._stack.append(_MARK)
        elif name in _TUPLES:
            self._stack.append(tuple(self._pop(_TUPLES[name])))
        elif name in _BUILDING:
            _BUILDING[name](self)
        elif name in _MEMORY:
            _MEMORY[name](self, argument)
        elif name not in _NO_WORK:
            raise _RefusedError(self._wish(name, argument))

    def make_list(self) -> None:
        """Everything since the mark, as a list."""
        self._stack.append(self._since_mark())

    def make_tuple(self) -> None:
        """Everything since the mark, as a tuple."""
        self._stack.append(tuple(self._since_mark()))

    def make_dict(self) -> None:
        """Keys and values since the mark, as a dictionary."""
        items = self._since_mark()
        self._stack.append({})
        self._set(items)

    def append(self) -> None:
        """One value goes into the list below it."""
        self._extend(self._pop(1))

    def appends(self) -> None:
        """Everything since the mark goes into the list below it."""
        self._extend(self._since_mark())

    def set_item(self) -> None:
        """A key and a value go into the dictionary below them."""
        self._set(self._pop(2))

    def set_items(self) -> None:
        """Keys and values since the mark go into the dictionary below it."""
        self._set(self._since_mark())

    def memoize(self, _: Any) -> None:
        """Remembers the top of the stack at the next place."""
        self.put(len(self._memo))

    def put(self, place: Any) -> None:
        """Remembers the top of the stack."""
        self._memo[int(place)] = self._stack[-1]

    def get(self, place: Any) -> None:
        """Takes out what was remembered."""
        self._stack.append(self._memo[int(place)])

    def _pop(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise IndexError("the stack is empty")
        values = self._stack[-count:]
        del self._stack[-count:]
        if any(value is _MARK for value in values):
            raise ValueError("a mark where a value should be")
        return values

    def _since_mark(self) -> list[Any]:
        values: list[Any] = []
        while (value := self._stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def _extend(self, values: list[Any]) -> None:
        if type(self._stack[-1]) is not list:
            raise TypeError("values for a list where there is none")
        self._stack[-1].extend(values)

    def _set(self, items: list[Any]) -> None:
        if type(self._stack[-1]) is not dict:
            raise TypeError("items for a dictionary where there is none")
        keys, values = items[::2], items[1::2]
        if not all(isinstance(key, str) for key in keys):  # nothing else is hashed
            raise TypeError("a key that is no text")
        self._stack[-1].update(zip(keys, values, strict=True))

    def _wish(self, name: str, argument: Any) -> str:
        """What a word that is refused would have done."""
        if name in ("GLOBAL", "INST", "STACK_GLOBAL"):
            words = self._stack[-2:] if name == "STACK_GLOBAL" else str(argument).split()
            wanted = ".".join(word for word in words if isinstance(word, str))
            return f"wants to load {wanted[:80]!r}"
        return f"holds {name}, which is more than data"


_BUILDING: dict[str, Callable[[_Machine], None]] = {
    "LIST": _Machine.make_list,
    "TUPLE": _Machine.make_tuple,
    "DICT": _Machine.make_dict,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
}
_MEMORY: dict[str, Callable[[_Machine, Any], None]] = {
    "PUT": _Machine.put,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.memoize,
    "GET": _Machine.get,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
}
