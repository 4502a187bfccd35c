"""What a researcher has: descriptors of queries, index and training set, ids and labels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from steeple.arrays.files.content import Columns, Names
from steeple.arrays.files.ids import Part, check_printable, find_ids, ids_file, positions_of
from steeple.arrays.files.labels import read_labels
from steeple.arrays.files.opening import DescriptorFile, open_descriptors
from steeple.arrays.method.training import TrainingSet
from steeple.errors import InputError
from steeple.progress import Progress, silent
from steeple.retrieval.offline.shelf import Shelf
from steeple.retrieval.types import PAD, Ids

__all__ = ["Images", "Inputs", "Sources", "read_inputs"]


@dataclass(frozen=True)
class Sources:
    """Where everything lies.

    Args:
        descriptors: the files of queries and index, and of the training set if there is one; an
            HDF5 dataset or Parquet column follows behind a colon.
        ids: the files of ids, for those parts where they are not to be found beside the
            descriptors.
        labels: the landmarks of the training images; None without a training set.
        normalize: divide descriptors by their length.
    """

    descriptors: Mapping[Part, str]
    ids: Mapping[Part, Path]
    labels: Path | None = None
    normalize: bool = False

    def check(self) -> None:
        """Sees to it that what belongs together was given together.

        Raises:
            InputError: if not.
        """
        if ("training" in self.descriptors) != (self.labels is not None):
            raise InputError(
                "training descriptors and their labels belong together; give --training and "
                "--training-labels, or neither"
            )
        unused = [part for part in self.ids if part not in self.descriptors]
        if unused:
            raise InputError(
                f"there are ids of {unused[0]} without descriptors; give --{unused[0]}"
            )


@dataclass(frozen=True)
class Images:
    """The images of one file.

    Args:
        file: their descriptors.
        names: their ids.
        named: whether these are more than the numbers of the rows.
    """

    file: DescriptorFile
    names: Names
    named: bool


@dataclass(frozen=True)
class Inputs:
    """Everything, opened and found to fit together.

    Args:
        queries: the queries.
        index: the images that can be found.
        training: the labelled images; None without.
        training_key: changes when the training set does.
        own: (N,) int64, the position of each index image in the training set, -1 where it is not
            there; None where none is.
        unlabelled: rows of the training file without a landmark.
        strangers: labels of images that the training file does not have.
        zeros: part -> how many of its descriptors are all zeros.
    """

    queries: Images
    index: Images
    training: TrainingSet | None = None
    training_key: str = ""
    own: Ids | None = None
    unlabelled: int = 0
    strangers: int = 0
    zeros: Mapping[Part, int] = field(default_factory=dict)


def read_inputs(
    sources: Sources,
    shelf: Shelf,
    progress: Progress = silent,
    *,
    submission: bool = False,
    recognition: bool = False,
) -> Inputs:
    """Opens all files and looks at every descriptor once.

    Names that are to be written must fit into a submission. An index image that is in the training
    set, by its id, is remembered: it is not to vote for itself.

    Args:
        sources: where they lie.
        shelf: where descriptors are unpacked that cannot be read in place.
        progress: called with ``convert`` and ``read``.
        submission: whether ids of queries and index are to be written.
        recognition: whether ids of queries and landmarks are to be written.

    Raises:
        InputError: if a file cannot be used, or they do not fit together.
        MissingExtraError: if a library for one is not installed.
        StorageError: if there is no room to unpack one.
    """
    sources.check()
    parts = _open_all(sources, shelf, progress)
    _same_dimension(parts)
    written = {"queries": submission or recognition, "index": submission}
    for part in (part for part in parts if written.get(part)):
        source = ids_file(parts[part].file, sources.ids.get(part))
        check_printable(parts[part].names, f"{part} id", source)
    training, key, own, unlabelled, strangers = None, "", None, 0, 0
    if sources.labels is not None:
        images = parts["training"]
        labels = read_labels(sources.labels, images.names, numbered=not images.named)
        if recognition:
            check_printable(labels.landmarks, "landmark", sources.labels)
        training = TrainingSet(images.file.descriptors, labels)
        key = _key(images.file.fingerprint, training)
        own = _own(parts["index"], images, training)
        unlabelled = len(images.names) - len(training)
        strangers = labels.strangers
    zeros = _check(parts, progress)
    return Inputs(
        parts["queries"], parts["index"], training, key, own, unlabelled, strangers, zeros
    )


def _open_all(sources: Sources, shelf: Shelf, progress: Progress) -> dict[Part, Images]:
    """Files with a column per dimension have them in the order of the first of these files."""
    parts: dict[Part, Images] = {}
    like: Columns | None = None
    for part, text in sources.descriptors.items():
        file = open_descriptors(
            text,
            shelf,
            normalize=sources.normalize,
            like=like,
            told=lambda done, total: progress("convert", done, total),
        )
        like = like or file.columns
        parts[part] = Images(file, *find_ids(file, sources.ids.get(part)))
    return parts


def _same_dimension(parts: Mapping[Part, Images]) -> None:
    sizes = {part: images.file.descriptors.dimension for part, images in parts.items()}
    if len(set(sizes.values())) > 1:
        said = ", ".join(f"{parts[part].file.descriptors.name} {d}" for part, d in sizes.items())
        raise InputError(
            f"the descriptors differ in dimension: {said}; describe all photos by one embedder"
        )


def _key(fingerprint: str, training: TrainingSet) -> str:
    """Which rows vote is part of what the training set is; which landmarks they show is not."""
    rows = hashlib.blake2b(training.rows.tobytes(), digest_size=4).hexdigest()
    return f"{fingerprint}-{rows}"


def _own(index: Images, images: Images, training: TrainingSet) -> Ids | None:
    if not (index.named and images.named):
        return None
    own = positions_of(index.names, images.names[training.rows])
    return own if bool((own != PAD).any()) else None


def _check(parts: Mapping[Part, Images], progress: Progress) -> dict[Part, int]:
    """Looks at every descriptor; how many of each part are all zeros."""
    total = sum(len(images.names) for images in parts.values())
    before = 0
    for images in parts.values():
        for done in images.file.descriptors.check():
            progress("read", before + done, total)
        before += len(images.names)
    return {part: images.file.descriptors.zeros for part, images in parts.items()}
