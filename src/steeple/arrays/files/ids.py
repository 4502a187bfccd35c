"""The ids of rows: from a file beside the descriptors, or the numbers of the rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from steeple.arrays.files.content import Names, to_names
from steeple.arrays.files.npy import map_npy
from steeple.arrays.files.opening import DescriptorFile
from steeple.datasets.gldv2.tables import read_rows
from steeple.datasets.names import word_fault
from steeple.errors import InputError, LabelError
from steeple.retrieval.types import PAD, Ids

__all__ = [
    "PARTS",
    "Part",
    "as_names",
    "beside_of",
    "check_printable",
    "find_ids",
    "ids_file",
    "positions_of",
    "read_ids",
    "split_ids",
]

Part: TypeAlias = Literal["queries", "index", "training"]
"""The three files of descriptors."""

PARTS: tuple[Part, ...] = ("queries", "index", "training")

_LONGEST = 1 << 10  # bytes of an id
_IN_FOLDER: Mapping[Part, Sequence[str]] = {
    "queries": ("queries.txt", "queries.csv", "test.csv"),
    "index": ("index.txt", "index.csv"),
    "training": ("training.txt", "training.csv", "train.csv"),
}


def read_ids(path: Path) -> Names:
    """Reads ids, one per image.

    Args:
        path: a text with an id a line, a CSV with a column ``id``, or an .npy of texts or integers.

    Returns:
        (n,) the ids, UTF-8.

    Raises:
        LabelError: if the file is missing, an id is empty, or one is there twice.
    """
    if not path.is_file():
        raise LabelError(f"{path}: no such file; give a text with one id a line, or a CSV")
    ending = path.suffix.lower()
    if ending == ".npy":
        names = to_names(np.asarray(map_npy(path)), str(path))
    elif ending == ".csv":
        names = as_names([row[0].encode() for _, row in read_rows(path, "id")], path)
    else:
        names = as_names(read_lines(path), path)
    _check(path, names)
    return names


def read_lines(path: Path) -> list[bytes]:
    """The lines of a UTF-8 text without the space around them.

    Raises:
        LabelError: if it is not UTF-8.
    """
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LabelError(f"{path}, line {line}: not UTF-8 text; save the file as UTF-8") from error
    lines = data.split(b"\n")
    return [line.strip() for line in (lines[:-1] if not lines[-1].strip() else lines)]


def as_names(texts: list[bytes], path: Path) -> Names:
    """Texts of a file as an array, which is as wide as the longest of them.

    Raises:
        LabelError: if one is so long that it can be no id and no landmark.
    """
    if max(map(len, texts), default=0) > _LONGEST:
        number = next(place for place, text in enumerate(texts, 1) if len(text) > _LONGEST)
        raise LabelError(
            f"{path}: entry {number:,} has {len(texts[number - 1]):,} bytes, and ids and landmarks "
            f"have {_LONGEST:,} at most; is this the right file?"
        )
    return np.array(texts, dtype=np.bytes_)


def find_ids(file: DescriptorFile, given: Path | None) -> tuple[Names, bool]:
    """The ids of the rows of a file.

    Those given; or those the file holds itself; or those in a text of the same name beside it
    (``index.txt`` for ``index.npy``); or the numbers of the rows, from 0.

    Args:
        file: the descriptors.
        given: where the ids lie, if that was said.

    Returns:
        (N,) the ids, and whether they are more than the numbers of the rows.

    Raises:
        LabelError: if there are more or fewer ids than rows, or as `read_ids`.
    """
    count = len(file.descriptors)
    path = ids_file(file, given)
    if given is None and file.ids is not None:
        _check(path, file.ids)
        return file.ids, True
    if given is None and not path.is_file():
        return np.arange(count).astype(f"S{len(str(count))}"), False
    names = read_ids(path)
    if len(names) != count:
        raise LabelError(
            f"{path}: {len(names):,} ids, and {file.where.path} has {count:,} rows; "
            "give the ids of these rows, in their order"
        )
    return names, True


def ids_file(file: DescriptorFile, given: Path | None) -> Path:
    """Where the ids of the rows lie, or would lie if there were any; arguments as of `find_ids`."""
    if given is not None:
        return given
    return file.where.path if file.ids is not None else beside_of(file.where.path)


def beside_of(path: Path) -> Path:
    """Where the ids of a file of descriptors are looked for: ``index.txt`` for ``index.npy``."""
    return path.with_suffix(".txt")


def split_ids(values: Iterable[str], parts: Collection[Part] = PARTS) -> dict[Part, Path]:
    """What ``--ids`` means: ``PART=PATH``, plain paths in the order of the parts, or a folder.

    Args:
        values: as given; each may hold several, joined by commas.
        parts: those that there are descriptors of; a folder may hold ids of others.

    Raises:
        InputError: if a part has two files, there are too many, or a folder holds none.
    """
    found: dict[Part, Path] = {}
    plain: list[Path] = []
    for word in _words(values):
        name, equals, rest = word.partition("=")
        if equals and name in PARTS:
            _put(found, name, Path(rest))
        elif Path(word).is_dir():
            for part, path in _in_folder(Path(word), parts).items():
                _put(found, part, path)
        else:
            plain.append(Path(word))
    if len(plain) > len(PARTS):
        raise InputError(f"--ids names {len(plain)} files; there are three: {', '.join(PARTS)}")
    for part, path in zip(PARTS, plain, strict=False):
        _put(found, part, path)
    return found


def positions_of(wanted: Names, names: Names, order: Ids | None = None) -> Ids:
    """Where each of some ids stands among others: (n,) int64, -1 where it does not.

    Args:
        wanted: (n,) ids.
        names: (m,) ids, each there once.
        order: (m,) int64, what sorts them; computed if not given.
    """
    if not len(names):
        return np.full(len(wanted), PAD, dtype=np.int64)
    order = np.argsort(names, kind="stable") if order is None else order
    place = order[np.minimum(np.searchsorted(names, wanted, sorter=order), len(names) - 1)]
    return np.where(names[place] == wanted, place, PAD).astype(np.int64)


def check_printable(names: Names, what: str, path: Path) -> None:
    """Refuses names that a submission cannot say, by the rule of those who write it.

    Args:
        names: ids or landmarks.
        what: what to call one in the error.
        path: the file that has them.

    Raises:
        LabelError: if one cannot be said, for example because it holds a space.
    """
    for name in map(bytes.decode, names.tolist()):
        if fault := word_fault(name):
            raise LabelError(
                f"{path}: the {what} {name[:80]!r} {fault}, which a submission cannot say; rename "
                "it, or leave out --out and --recognition-out"
            )


def _check(path: Path, names: Names) -> None:
    if not len(names):
        raise LabelError(f"{path}: no ids; write one a line")
    empty = np.flatnonzero(names == b"")
    if len(empty):
        raise LabelError(f"{path}: id number {empty[0] + 1:,} is empty; fill it in")
    order = np.argsort(names, kind="stable")
    twice = np.flatnonzero(names[order][1:] == names[order][:-1])
    if len(twice):
        first, second = order[twice[0]] + 1, order[twice[0] + 1] + 1
        raise LabelError(
            f"{path}: ids number {first:,} and {second:,} are both "
            f"{names[first - 1].decode()!r}; each image has one row"
        )


def _words(values: Iterable[str]) -> Iterable[str]:
    for value in values:
        if Path(value).exists():  # whatever commas its name holds
            yield value
        else:
            yield from (word.strip() for word in value.split(",") if word.strip())


def _in_folder(folder: Path, parts: Collection[Part]) -> dict[Part, Path]:
    wanted = {part: _IN_FOLDER[part] for part in PARTS if part in parts}
    found = {
        part: next((folder / name for name in names if (folder / name).is_file()), None)
        for part, names in wanted.items()
    }
    there = {part: path for part, path in found.items() if path is not None}
    if not there:
        files = ", ".join(names[0] for names in wanted.values())
        raise InputError(f"{folder} holds no ids; it needs {files}")
    return there


def _put(found: dict[Part, Path], part: Part, path: Path) -> None:
    if part in found:
        raise InputError(f"the ids of {part} are given twice: {found[part]} and {path}")
    found[part] = path
