"""Which data sets there are, what they are made of, and on what terms.

Addresses, numbers and licences are those of the publishers' own pages and scripts. What these do
not say is None here and "unknown" where people read it; servers are asked for sizes before a
download.

- GLD-v2: https://github.com/cvdfoundation/google-landmark, README and download-dataset.sh (sizes
  are the README's: about 1 GB, 850 MB and 500 MB an archive).
- Revisited Oxford and Paris, +1M: https://github.com/filipradenovic/revisitop, python/download.py;
  since June 2022 the photos with blurred faces, as their owners ask.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from steeple.datasets.fetching.contents import Check, ground_truth, table
from steeple.datasets.fetching.unpack import Layout
from steeple.errors import InputError

__all__ = ["DATASETS", "Dataset", "File", "Part", "choose", "find", "read_numbers"]

_MB = 10**6
_GLDV2 = "https://s3.amazonaws.com/google-landmark/"
_OXFORD = "https://www.robots.ox.ac.uk/~vgg/data/oxbuildings/"
_PARIS = "https://www.robots.ox.ac.uk/~vgg/data/parisbuildings/"
_TRUTH = "http://cmp.felk.cvut.cz/revisitop/data/datasets/"
_MILLION = "http://ptak.felk.cvut.cz/revisitop/revisitop1m/"

_FLICKR = (
    "photos from Flickr under Flickr's terms and the Visual Geometry Group's terms of access; "
    "nothing else is granted"
)
_UNKNOWN = "unknown; see the page"


@dataclass(frozen=True)
class File:
    """One file on a server.

    Attributes:
        path: below the base, and below a mirror.
        base: the URL it lies under; ends with a slash.
        place: where it goes in the folder of the data set: a file, or what an archive is unpacked
            into.
        layout: how an archive is unpacked; None: it is none.
        number: of a numbered archive, as its name has it.
        checksum: where its MD5 lies, below the base; None: there is none.
        size: in bytes, about, as published; None: unknown.
        check: opens what is no archive with its own reader, before it is believed; None: it has
            none.
    """

    path: str
    base: str
    place: str
    layout: Layout | None = None
    number: int | None = None
    checksum: str | None = None
    size: int | None = None
    check: Check | None = None

    def url(self, mirror: str | None = None) -> str:
        """Where it is, here or on a mirror."""
        return (mirror or self.base) + self.path

    def checksum_url(self, mirror: str | None = None) -> str | None:
        """Where its MD5 is, here or on a mirror; None: there is none."""
        return (mirror or self.base) + self.checksum if self.checksum else None


@dataclass(frozen=True)
class Part:
    """A part of a data set, as ``--split`` names it.

    Attributes:
        name: its name.
        photos: how many of its photos the data set uses; None: unknown.
        licence: on what terms.
        files: what it is made of.
    """

    name: str
    photos: int | None
    licence: str
    files: tuple[File, ...]

    @property
    def size(self) -> int | None:
        """What there is to download, in bytes, about; None: unknown."""
        sizes = [file.size for file in self.files]
        return None if None in sizes else sum(size or 0 for size in sizes)


@dataclass(frozen=True)
class Dataset:
    """A public data set.

    Attributes:
        name: as the command line names it.
        title: what it is.
        page: where its publishers describe it.
        parts: what it is made of.
    """

    name: str
    title: str
    page: str
    parts: tuple[Part, ...]


def _gldv2_photos(split: str, archives: int, each: int) -> tuple[File, ...]:
    return tuple(
        File(
            f"{split}/images_{number:03}.tar",
            _GLDV2,
            split,
            Layout.BY_ID,
            number,
            f"md5sum/{split}/md5.images_{number:03}.txt",
            each,
        )
        for number in range(archives)
    )


def _gldv2_tables() -> Iterator[File]:
    tables = {
        "metadata/train.csv": ("id", "landmark_id"),
        "metadata/train_clean.csv": ("landmark_id", "images"),
        "metadata/train_label_to_category.csv": ("landmark_id", "category"),
        "metadata/index.csv": ("id",),
        "metadata/index_image_to_landmark.csv": ("id", "landmark_id"),
        "metadata/test.csv": ("id",),
        "ground_truth/retrieval_solution_v2.1.csv": ("id", "images", "Usage"),
        "ground_truth/recognition_solution_v2.1.csv": ("id", "landmarks", "Usage"),
    }
    for path, columns in tables.items():
        yield File(path, _GLDV2, path.rpartition("/")[2], check=table(*columns))


def _revisited(name: str, base: str, archives: Sequence[str], photos: int) -> tuple[Part, ...]:
    return (
        Part(
            "photos",
            photos,
            _FLICKR,
            tuple(File(archive, base, "jpg", Layout.FLAT) for archive in archives),
        ),
        Part(
            "metadata",
            0,
            _UNKNOWN,
            (
                File(
                    f"gnd_{name}.pkl",
                    f"{_TRUTH}{name}/",
                    f"gnd_{name}.pkl",
                    check=ground_truth(name),
                ),
            ),
        ),
    )


DATASETS: tuple[Dataset, ...] = (
    Dataset(
        "gldv2",
        "Google Landmarks Dataset v2.1",
        "https://github.com/cvdfoundation/google-landmark",
        (
            Part(
                "train",
                4_132_914,
                "CC BY, without ND; photo by photo in metadata/train_attribution.csv",
                _gldv2_photos("train", 500, 1000 * _MB),
            ),
            Part("index", 761_757, "CC0 or public domain", _gldv2_photos("index", 100, 850 * _MB)),
            Part("test", 117_577, "CC0 or public domain", _gldv2_photos("test", 20, 500 * _MB)),
            Part("metadata", 0, "CC BY 4.0, Google", tuple(_gldv2_tables())),
        ),
    ),
    Dataset(
        "roxford5k",
        "Revisited Oxford: 4,993 photos and 70 queries",
        "https://github.com/filipradenovic/revisitop",
        _revisited("roxford5k", _OXFORD, ["oxbuild_images-v1.tgz"], 5_063),
    ),
    Dataset(
        "rparis6k",
        "Revisited Paris: 6,322 photos and 70 queries",
        "https://github.com/filipradenovic/revisitop",
        _revisited("rparis6k", _PARIS, ["paris_1-v1.tgz", "paris_2-v1.tgz"], 6_392),
    ),
    Dataset(
        "revisitop1m",
        "A million distractors for both",
        "https://github.com/filipradenovic/revisitop",
        (
            Part(
                "photos",
                1_000_000,
                _UNKNOWN,
                tuple(
                    File(f"jpg/revisitop1m.{number}.tar.gz", _MILLION, "jpg", Layout.KEPT, number)
                    for number in range(1, 101)
                ),
            ),
            Part("metadata", 0, _UNKNOWN, (File("revisitop1m.txt", _MILLION, "revisitop1m.txt"),)),
        ),
    ),
)
"""Every data set that can be downloaded."""


def find(name: str) -> Dataset:
    """The data set of a name.

    Raises:
        InputError: there is none.
    """
    for dataset in DATASETS:
        if dataset.name == name:
            return dataset
    names = ", ".join(dataset.name for dataset in DATASETS)
    raise InputError(f"no data set is called {name!r}; there are {names}")


def read_numbers(text: str) -> frozenset[int]:
    """Reads numbers of archives: ``0-9,12`` is 0 to 9 and 12.

    Raises:
        InputError: it is no list of numbers.
    """
    numbers: set[int] = set()
    for word in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,6})(?:-(\d{1,6}))?\s*", word, re.ASCII)
        if not match or int(match[2] or match[1]) < int(match[1]):
            raise InputError(f"{text!r} are no numbers of archives; write 0-9,12")
        numbers.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return frozenset(numbers)


def choose(
    dataset: Dataset, parts: Sequence[str] = (), archives: Collection[int] | None = None
) -> tuple[Part, ...]:
    """The parts of a data set, with the files that are wanted of each.

    Args:
        dataset: the data set.
        parts: names of its parts; all of them if there are none.
        archives: numbers of archives; every archive if None. Files without a number always stay.

    Raises:
        InputError: a part is unknown, or has none of these archives.
    """
    known = [part.name for part in dataset.parts]
    for name in parts:
        if name not in known:
            raise InputError(f"{dataset.name} has no part {name!r}; it has {', '.join(known)}")
    chosen = tuple(part for part in dataset.parts if not parts or part.name in parts)
    if archives is None:
        return chosen
    if not any(_numbers(part) for part in chosen):
        raise InputError(
            f"no archive of {dataset.name} ({', '.join(part.name for part in chosen)}) "
            "is numbered; leave the numbers out"
        )
    return tuple(_only(dataset, part, archives) for part in chosen)


def _numbers(part: Part) -> list[int]:
    return [file.number for file in part.files if file.number is not None]


def _only(dataset: Dataset, part: Part, archives: Collection[int]) -> Part:
    """A part with these archives only; how many photos they have is unknown."""
    numbers = _numbers(part)
    if not numbers:
        return part
    files = tuple(file for file in part.files if file.number is None or file.number in archives)
    if not files:
        raise InputError(
            f"the {part.name} archives of {dataset.name} are {min(numbers)} to {max(numbers)}; "
            "none of them was asked for"
        )
    photos = part.photos if len(files) == len(part.files) else None
    return Part(part.name, photos, part.licence, files)
