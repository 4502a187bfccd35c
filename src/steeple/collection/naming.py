"""Recognition of many photos: read, described and named some at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from steeple.collection.hits import Recognition
from steeple.embedding.base import Embedder
from steeple.embedding.pipeline import Described, describe_files
from steeple.geometry.strongest import Strongest
from steeple.progress import Progress
from steeple.retrieval.recognition import named_often
from steeple.retrieval.types import UNVOTED

__all__ = ["Named", "flag_distractors", "name_files"]

Named: TypeAlias = list[tuple[Path, Recognition]]

_TOGETHER = 1024  # photos at a time: 140 MB of local features at most


def name_files(
    paths: Sequence[Path],
    name: Callable[[Described], list[Recognition]],
    embedder: Embedder,
    extractor: Strongest | None,
    *,
    workers: int | None,
    progress: Progress,
) -> tuple[Named, list[tuple[Path, str]]]:
    """Names what photos show.

    Args:
        paths: the photos.
        name: names described photos, one recognition each.
        embedder: describes them.
        extractor: finds their local features; None if the collection keeps none.
        workers: processes that decode and describe; None takes one per core.
        progress: called with stage, photos done, and their number.

    Returns:
        The recognitions by photo, and the photos that cannot be read with the reason.
    """
    answers: Named = []
    failed: dict[Path, str] = {}
    for start in range(0, len(paths), _TOGETHER):
        some = paths[start : start + _TOGETHER]
        described = describe_files(
            some,
            embedder,
            extractor,
            workers=workers,
            progress=lambda done, _, before=start: progress(  # type: ignore[misc]
                "queries", before + done, len(paths)
            ),
        )
        failed.update((path, str(error)) for path, error in described.errors)
        named = name(described)
        answers += [(p, n) for p, n in zip(some, named, strict=True) if p not in failed]
    return answers, list(failed.items())


def flag_distractors(answers: Named, most: int) -> Named:
    """Flags landmarks that are named for more than `most` photos of a batch."""
    numbers: dict[str | None, int] = {None: UNVOTED}
    labels = [numbers.setdefault(one.landmark, len(numbers)) for _, one in answers]
    often = named_often(np.array(labels, dtype=np.int64), most)
    return [
        (path, replace(one, distractor=bool(flag)))
        for (path, one), flag in zip(answers, often, strict=True)
    ]
