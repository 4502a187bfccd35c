"""What goes wrong with single files, and what is said of all of them in the end."""

from __future__ import annotations

from collections.abc import Sequence

from steeple.errors import ContentError, InputError

__all__ = ["summed_up"]


def summed_up(failures: Sequence[InputError], files: int) -> InputError:
    """One error for all the files that could not be had.

    It is a `ContentError` as soon as one of them is, and an `InputError` where servers only refused
    to give files, so the exit code does not depend on how many there were or which came first.

    Args:
        failures: at least one, each of another file.
        files: how many were wanted.
    """
    wrong = [failure for failure in failures if isinstance(failure, ContentError)]
    kind, first = (ContentError, wrong[0]) if wrong else (InputError, failures[0])
    others = "; the others are there: run the same again to go on" if len(failures) < files else ""
    return kind(
        f"{len(failures):,} of {files:,} files could not be had; the first: {first}{others}"
    )
