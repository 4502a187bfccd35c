"""Where photos and labels come from: folders, a CSV beside a folder, a GLD-v2 layout."""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from steeple.collection.columns import INDEX, TRAINING
from steeple.datasets.gldv2 import GldV2, is_gldv2
from steeple.errors import InputError, LabelError, NothingToDoError
from steeple.images import is_photo

__all__ = ["Photo", "Source", "list_photos", "read_labels", "read_source"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Photo:
    """A photo that could go into a collection.

    Args:
        id: its path within the source, or the id that its data set gives it.
        path: where it lies.
        role: 1 training, 2 index, 3 both.
        landmark: its label, or None.
        label_given: whether a table gives the label, not the name of a folder.
    """

    id: str
    path: Path
    role: int
    landmark: str | None
    label_given: bool = True


@dataclass(frozen=True)
class Source:
    """Photos to add, listed anew each time they are asked for.

    Args:
        root: the folder, or the one photo.
        labels: id -> landmark from a CSV; None to take the names of folders.
        gldv2: the tables of a GLD-v2 folder, if it is one.
        landmark_ids: whether GLD-v2 landmarks go by their number rather than their name.
        prefix: put before every id.
    """

    root: Path
    labels: Mapping[str, str] | None = None
    gldv2: GldV2 | None = None
    landmark_ids: bool = False
    prefix: str = ""

    @property
    def curated(self) -> bool:
        """Whether the data set itself says which photos it has, doubles included."""
        return self.gldv2 is not None

    def __iter__(self) -> Iterator[Photo]:
        """The photos in a fixed order."""
        photos = _gldv2(self.gldv2, self.landmark_ids) if self.gldv2 else self._folder()
        for photo in photos:
            yield replace(photo, id=self.prefix + photo.id)

    def _folder(self) -> Iterator[Photo]:
        for path, name in _walk(self.root):
            if self.labels is not None:
                landmark = self.labels.get(name)
            else:
                folder, _, rest = name.partition("/")
                landmark = folder if rest and "/" not in rest else None
            role = INDEX | TRAINING if landmark else INDEX
            yield Photo(name, path, role, landmark, label_given=self.labels is not None)


def read_source(
    root: Path | str,
    landmarks: Path | str | None = None,
    *,
    skip_missing: bool = False,
    landmark_ids: bool = False,
    prefix: str = "",
) -> Source:
    """Looks at what a folder is and reads its labels.

    A folder in GLD-v2 layout gives its training photos (labelled) and its index photos. In any
    other folder the photos are found at any depth, hidden folders aside; their id is the path
    within the folder. Their landmark is what the CSV says; without a CSV, a photo lying directly
    in a subfolder has that subfolder's name as its landmark, and any other photo has none.

    Args:
        root: the folder, or one photo.
        landmarks: a CSV with a header, ``id,landmark`` or ``path,landmark``.
        skip_missing: leave out labels of photos that are not there instead of refusing them.
        landmark_ids: use the numbers of GLD-v2 landmarks instead of their names.
        prefix: put before every id, to tell two folders with the same file names apart.

    Raises:
        InputError: if the folder does not exist.
        LabelError: if the CSV is malformed, contradicts itself or names photos that are not there.
        NothingToDoError: if there is no photo.
    """
    root = Path(root)
    if not root.exists():
        raise InputError(f"{root} does not exist; give a folder of photos")
    if is_gldv2(root) and landmarks is None:
        source = Source(root, gldv2=GldV2.read(root), landmark_ids=landmark_ids, prefix=prefix)
    elif landmarks is not None:
        labels = read_labels(Path(landmarks), root, skip_missing=skip_missing)
        source = Source(root, labels=labels, prefix=prefix)
    else:
        source = Source(root, prefix=prefix)
    if next(iter(source), None) is None:
        raise NothingToDoError(
            f"{root} holds no photo (JPEG, PNG, WebP, TIFF, AVIF, HEIC); give a folder that does"
        )
    return source


def read_labels(table: Path, root: Path, *, skip_missing: bool = False) -> dict[str, str]:
    """Reads a CSV of labels and matches it with the photos of a folder.

    A photo is named by its path within the folder, by its file name, or by its file name without
    the suffix, as long as that names one photo only.

    Args:
        table: the CSV, UTF-8, with a header ``id,landmark`` or ``path,landmark``; other columns
            are allowed and not read.
        root: the folder.
        skip_missing: leave out labels of photos that are not there.

    Returns:
        id -> landmark.

    Raises:
        LabelError: file, line, reason and the way out.
    """
    names = _names(root)
    labels: dict[str, str] = {}
    missing: list[tuple[int, str]] = []
    for line, key, landmark in _rows(table):
        found = names.get(key.removeprefix("./"))
        if found is None:
            missing.append((line, key))
            continue
        if len(found) > 1:
            raise LabelError(
                f"{table} line {line}: {key!r} names several photos ({found[0]}, {found[1]}); "
                "give the path within the folder"
            )
        if labels.setdefault(found[0], landmark) != landmark:
            raise LabelError(
                f"{table} line {line}: {found[0]} is labelled {landmark!r} here and "
                f"{labels[found[0]]!r} before; keep one of the two lines"
            )
    if missing and not (skip_missing and labels):
        line, key = missing[0]
        more = f" (and {len(missing) - 1} more such lines)" if len(missing) > 1 else ""
        raise LabelError(
            f"{table} line {line}: there is no photo {key!r} in {root}{more}; "
            "correct the table, or leave such lines out with --skip-missing"
        )
    return labels


def _rows(table: Path) -> Iterator[tuple[int, str, str]]:
    try:
        file = table.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise LabelError(f"{table}: {error.strerror}; give a CSV of id,landmark") from error
    with file:
        rows = csv.DictReader(file, strict=True)
        try:
            header = [name.strip().lower() for name in rows.fieldnames or []]
            rows.fieldnames = header
            named = next((name for name in ("id", "path") if name in header), None)
            if named is None or "landmark" not in header:
                raise LabelError(
                    f"{table} line 1: the header is {','.join(header)!r}; "
                    "it must name the columns id,landmark or path,landmark"
                )
            for row in rows:
                key, landmark = (row[named] or "").strip(), (row["landmark"] or "").strip()
                if not key:
                    raise LabelError(
                        f"{table} line {rows.line_num}: no photo is named; remove the line"
                    )
                if not landmark:
                    raise LabelError(
                        f"{table} line {rows.line_num}: the label of {key!r} is empty; "
                        "write a landmark, or remove the line to leave the photo unlabelled"
                    )
                yield rows.line_num, key, landmark
        except UnicodeDecodeError as error:
            raise LabelError(f"{table}: not UTF-8 ({error.reason}); save it as UTF-8") from error
        except csv.Error as error:
            raise LabelError(
                f"{table} line {rows.line_num}: {error}; check quotes and commas there"
            ) from error


def list_photos(paths: Iterable[Path]) -> list[Path]:
    """Photos, and the photos in folders, in the order given.

    Raises:
        InputError: if a path does not exist.
        NothingToDoError: if there is no photo.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path} does not exist; give photos, or folders of photos")
        # A file that is named is meant, whatever it is called.
        found += [photo for photo, _ in _walk(path)] if path.is_dir() else [path]
    if not found:
        raise NothingToDoError("the folders hold no photo; give photos, or folders that do")
    return found


def _names(root: Path) -> dict[str, tuple[str, ...]]:
    """Every way to name a photo of a folder -> the ids it could mean; a full path comes first."""
    names: dict[str, tuple[str, ...]] = {}
    ids = [name for _, name in _walk(root)]
    for name in ids:
        for short in {Path(name).name, Path(name).stem} - {name}:
            names[short] = (*names.get(short, ())[:1], name)  # two are enough to refuse it
    names.update({name: (name,) for name in ids})
    return names


def _walk(root: Path) -> Iterator[tuple[Path, str]]:
    """The photos below a folder, sorted, with their paths within it."""
    if root.is_file():
        if is_photo(root):
            yield root, root.name
        return
    for folder, folders, files in os.walk(root, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            if is_photo(path):
                yield path, path.relative_to(root).as_posix()


def _unreadable(error: OSError) -> None:
    _LOG.warning("%s: left out, it cannot be listed: %s", error.filename, error.strerror)


def _gldv2(tables: GldV2, landmark_ids: bool) -> Iterator[Photo]:
    for image, landmark in tables.train.items():
        name = landmark if landmark_ids else tables.names.get(landmark, landmark)
        yield Photo(image, tables.photo("train", image), TRAINING, name)
    for image in tables.index:
        yield Photo(image, tables.photo("index", image), INDEX, None)
