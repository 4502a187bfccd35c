"""The tree of exceptions is the one its module draws, and each knows its exit code."""

from __future__ import annotations

import inspect
import re

import pytest

from steeple import SteepleError, errors


def drawn() -> dict[str, tuple[str | None, int]]:
    """Name -> (name of its parent, exit code) as the docstring draws them."""
    tree: dict[str, tuple[str | None, int]] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        if not (match := re.search(r"[A-Z]\w+Error\b", line)):
            continue
        above = [(column, name) for column, name in above if column < match.start()]
        code = re.search(r"exit code (\d)", line)
        parent = above[-1][1] if above else None
        inherited = tree[parent][1] if parent else 2
        tree[match[0]] = (parent, int(code[1]) if code else inherited)
        above.append((match.start(), match[0]))
    return tree


def test_the_drawing_names_all():
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    assert set(drawn()) == classes == set(errors.__all__)


@pytest.mark.parametrize("name", errors.__all__)
def test_parents_and_exit_codes(name):
    parent, code = drawn()[name]
    error = getattr(errors, name)
    assert error.exit_code == code
    assert issubclass(error, SteepleError)
    if parent is not None:
        assert error.__bases__[0] is getattr(errors, parent)


def test_they_are_what_python_calls_them():
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(errors.StorageError, OSError)


@pytest.mark.parametrize("name", errors.__all__)
def test_a_message_is_kept_as_it_is(name):
    assert str(getattr(errors, name)("places is full; make room")) == "places is full; make room"
