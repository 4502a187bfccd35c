"""Revisited Oxford and Revisited Paris: a folder as their published code has it.

    gnd_roxford5k.pkl    or gnd_rparis6k.pkl: the ground truth; or the same as .json
    jpg/NAME.jpg         the photos, queries and index alike

The ground truth has three fields: ``imlist`` (names of the index images), ``qimlist`` (names of the
queries), and ``gnd``, per query ``bbx`` (x1, y1, x2, y2 in pixels) and the lists ``easy``, ``hard``
and ``junk`` of positions in ``imlist``. (Radenovic et al., "Revisiting Oxford and Paris", CVPR
2018, and its published code.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steeple.datasets.names import file_fault
from steeple.datasets.pickles import read_plain_pickle, read_small_file
from steeple.datasets.whole import written_whole
from steeple.errors import LabelError

__all__ = ["REVISITED", "Query", "Revisited", "write_ground_truth"]

REVISITED = ("roxford5k", "rparis6k")
"""The data sets, by the names their files have."""

_LISTS = ("easy", "hard", "junk")
_AGAIN = "get the file from where it was published"
# A hundred times what is published. In a pickle, one long list can be that of a hundred thousand
# queries: a few MB of file, and more memory than there is.
_MOST_LISTED = 1 << 22
_PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Query:
    """A query, and what is right for it.

    Attributes:
        id: the name of its photo.
        box: x1, y1, x2, y2 in pixels of the photo: the part that is the query.
        easy: positions in the index of images that clearly show what it shows.
        hard: the same, of images on which it is hard to see.
        junk: the same, of images that count neither as right nor as wrong.
    """

    id: str
    box: tuple[float, float, float, float]
    easy: Sequence[int]
    hard: Sequence[int]
    junk: Sequence[int]


@dataclass(frozen=True)
class Revisited:
    """A folder of Revisited Oxford or Paris.

    Attributes:
        root: the folder.
        name: ``roxford5k`` or ``rparis6k``.
        index: names of the index images.
        queries: the queries.
    """

    root: Path
    name: str
    index: Sequence[str]
    queries: Sequence[Query]

    @classmethod
    def read(cls, root: Path | str, name: str) -> Revisited:
        """Reads the ground truth of a folder, the pickle if it is there, or else the JSON.

        Args:
            root: the folder.
            name: of the data set.

        Raises:
            LabelError: there is none, or it is malformed; the message names the file, the place in
                it, the reason and the way out.
        """
        root = Path(root)
        pickled, plain = (root / f"gnd_{name}.{kind}" for kind in ("pkl", "json"))
        if pickled.is_file():
            data, path = read_plain_pickle(pickled), pickled
        elif plain.is_file():
            data, path = _read_json(plain), plain
        else:
            raise LabelError(
                f"{root}: no ground truth of {name}; it needs {pickled.name} or {plain.name}, "
                "and the photos in jpg/"
            )
        return cls(root, name, *_Reader(path).ground_truth(data))

    @property
    def ground_truth(self) -> list[dict[str, Sequence[int]]]:
        """Per query its three lists, as `steeple.evaluation.revisited` takes them."""
        return [{"easy": q.easy, "hard": q.hard, "junk": q.junk} for q in self.queries]

    def photo(self, image: str) -> Path:
        """The photo of a name: ``jpg/NAME.jpg`` (.jpeg, .png).

        Where there is none, the path where it should lie is returned, so that reading it says so.
        """
        places = [self.root / "jpg" / f"{image}{suffix}" for suffix in _PHOTO_SUFFIXES]
        return next((path for path in places if path.is_file()), places[0])


def write_ground_truth(path: Path | str, data: Revisited) -> None:
    """Writes the ground truth as JSON, the fields of the published pickle.

    Args:
        path: the file; an old one is replaced once the new one is complete.
        data: what to write.

    Raises:
        StorageError: it cannot be written.
    """
    fields = {
        "imlist": list(data.index),
        "qimlist": [query.id for query in data.queries],
        "gnd": [
            {"bbx": list(query.box), **{name: list(getattr(query, name)) for name in _LISTS}}
            for query in data.queries
        ],
    }
    with written_whole(Path(path)) as file:
        file.write(json.dumps(fields) + "\n")


def _read_json(path: Path) -> Any:
    try:
        return json.loads(read_small_file(path).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise LabelError(f"{path}: not JSON ({str(error)[:80]}); {_AGAIN}") from error


@dataclass(frozen=True)
class _Reader:
    """Looks at every value before it is believed; errors say where it stands.

    Args:
        path: the file, for errors.
    """

    path: Path

    def ground_truth(self, data: Any) -> tuple[tuple[str, ...], tuple[Query, ...]]:
        fields = self._dictionary(data, "the file", ("imlist", "qimlist", "gnd"))
        index = self._names(fields["imlist"], "imlist")
        queries = self._names(fields["qimlist"], "qimlist")
        if both := set(index).intersection(queries):
            raise self._error("qimlist", f"names {min(both)!r}, which imlist has as well")
        answers = self._list(fields["gnd"], "gnd")
        if len(answers) != len(queries):
            raise self._error(
                "gnd", f"has {len(answers):,} entries, but qimlist names {len(queries):,} queries"
            )
        found, listed = [], 0
        for place, (name, answer) in enumerate(zip(queries, answers, strict=True)):
            query = self._query(name, answer, f"gnd[{place}]", len(index))
            listed += len(query.easy) + len(query.hard) + len(query.junk)
            if listed > _MOST_LISTED:
                raise self._error("gnd", f"lists more than {_MOST_LISTED:,} images in all")
            found.append(query)
        return index, tuple(found)

    def _query(self, name: str, data: Any, where: str, images: int) -> Query:
        fields = self._dictionary(data, where, ("bbx", *_LISTS))
        lists = [self._positions(fields[key], f"{where}[{key!r}]", images) for key in _LISTS]
        if sum(map(len, lists)) != len(set().union(*lists)):
            raise self._error(where, "has an image in two of its lists, or twice in one")
        return Query(name, self._box(fields["bbx"], f"{where}['bbx']"), *lists)

    def _box(self, data: Any, where: str) -> tuple[float, float, float, float]:
        numbers = self._list(data, where)
        if len(numbers) != 4 or not all(_is_coordinate(number) for number in numbers):
            raise self._error(where, "is not x1, y1, x2, y2 in pixels")
        x1, y1, x2, y2 = (float(number) for number in numbers)
        if not (x1 < x2 and y1 < y2):
            raise self._error(where, f"is empty: {x1:g}, {y1:g} to {x2:g}, {y2:g}")
        return x1, y1, x2, y2

    def _positions(self, data: Any, where: str, images: int) -> tuple[int, ...]:
        found = self._list(data, where)
        for place, position in enumerate(found):
            if type(position) is not int:
                raise self._error(f"{where}[{place}]", f"is a {type(position).__name__}, no number")
            if not 0 <= position < images:
                raise self._error(
                    f"{where}[{place}]", f"points outside imlist, which has {images:,} names"
                )
        return tuple(found)

    def _names(self, data: Any, where: str) -> tuple[str, ...]:
        names = self._list(data, where)
        known = set[str]()
        for place, name in enumerate(names):
            at = f"{where}[{place}]"
            if not isinstance(name, str):
                raise self._error(at, f"is a {type(name).__name__}, no text")
            # In a pickle one name can be there a million times, and is looked through only once.
            if name in known:
                raise self._error(at, f"is {name!r}, which is there already")
            if fault := file_fault(name):
                raise self._error(at, f"{fault}: {name[:80]!r}")
            if not {"/", "\\"}.isdisjoint(name):
                raise self._error(at, f"is a path: {name!r}")
            known.add(name)
        if not names:
            raise self._error(where, "is empty")
        return tuple(names)

    def _list(self, data: Any, where: str) -> Sequence[Any]:
        if not isinstance(data, list | tuple):
            raise self._error(where, f"is a {type(data).__name__}, no list")
        return data

    def _dictionary(self, data: Any, where: str, keys: Sequence[str]) -> Mapping[str, Any]:
        if not isinstance(data, dict):
            raise self._error(where, f"is a {type(data).__name__}, no dictionary")
        for key in keys:
            if key not in data:
                raise self._error(where, f"has no {key}")
        return data

    def _error(self, where: str, reason: str) -> LabelError:
        return LabelError(f"{self.path}: {where} {reason}; {_AGAIN}")


def _is_coordinate(value: Any) -> bool:
    # The bound leaves out what is not finite, and integers too long to be compared as floats.
    return type(value) in (int, float) and abs(value) < 1e6
