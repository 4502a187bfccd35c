"""The page of a cleaning: what was dropped and why, beside what it was compared with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steeple.cleaning import Cleaned, LabelledImages, Reason
from steeple.collection.store import Image
from steeple.report.pages import render
from steeple.report.photos import embed_photos
from steeple.report.storage import write_whole
from steeple.retrieval.types import PAD, Ids

__all__ = ["CleaningReport", "Dropped", "Group", "cleaning_report", "write_cleaning_report"]

_SHOWN = 40  # photos of a reason
_TILES = 8  # photos of a row
_PHOTO_SIDE, _TILE_SIDE = 340, 152  # pixels

_GROUPS = {
    Reason.DOUBTED: (
        "Labels in doubt",
        "These photos look more like another landmark than like their own; the surest come first.",
    ),
    Reason.ALONE: (
        "Nobody like them",
        "None of the nearest photos of the whole training set has the same label.",
    ),
    Reason.UNVERIFIED: (
        "Too few pairs fit",
        "Photos of their landmark are near, but the geometry of too few of them fits.",
    ),
    Reason.SMALL: (
        "Landmarks of which too little is left",
        "Nothing speaks against these photos but that too few others of their landmark stay.",
    ),
}


@dataclass(frozen=True)
class Shown:
    """A photo in a row: where it lies, its id and its landmark."""

    photo: Path
    id: str
    landmark: str


@dataclass(frozen=True)
class Comparison:
    """Photos that a dropped one was compared with, under a title."""

    title: str
    photos: tuple[Shown, ...]


@dataclass(frozen=True)
class Dropped:
    """A photo that was dropped: where it lies, its id, its label, the reason, the comparisons."""

    photo: Path
    id: str
    landmark: str
    reason: str
    rows: tuple[Comparison, ...]


@dataclass(frozen=True)
class Group:
    """What was dropped for one reason: how many photos, and some of them."""

    title: str
    note: str
    count: int
    dropped: tuple[Dropped, ...]


@dataclass(frozen=True)
class CleaningReport:
    """Everything on the page, from top to bottom."""

    title: str
    subtitle: str
    facts: tuple[tuple[str, str], ...]
    groups: tuple[Group, ...]


def cleaning_report(
    images: LabelledImages, cleaned: Cleaned, *, title: str, subtitle: str
) -> CleaningReport:
    """Puts figures and examples together.

    Args:
        images: the labelled images.
        cleaned: what became of them.
        title: the heading.
        subtitle: the line below it.
    """
    figures = cleaned.to_dict(images)
    facts = [
        ("photos", f"{figures['images']:,}"),
        ("of them kept", f"{figures['kept_images']:,}"),
        ("landmarks", f"{figures['landmarks']:,}"),
        ("of them kept", f"{figures['kept_landmarks']:,}"),
    ]
    if cleaned.model is not None:
        facts.append(("labels taken for wrong", f"{cleaned.model.rate:.0%}"))
    groups = []
    for reason, (heading, note) in _GROUPS.items():
        dropped = np.flatnonzero(cleaned.decision.reasons == reason)
        if len(dropped):
            shown = tuple(_dropped(images, cleaned, _choose(cleaned, dropped)))
            groups.append(Group(heading, note, len(dropped), shown))
    return CleaningReport(title, subtitle, tuple(facts), tuple(groups))


def write_cleaning_report(report: CleaningReport, out: Path) -> Path:
    """Writes the page as one self-contained HTML file; the same report gives the same bytes.

    Args:
        report: what the page shows.
        out: the file to write; an older one is replaced.

    Returns:
        ``out``.

    Raises:
        StorageError: if the file cannot be written.
    """
    sides: dict[Path, int] = {}
    for group in report.groups:
        for one in group.dropped:
            sides[one.photo] = _PHOTO_SIDE
            for row in one.rows:
                for shown in row.photos:
                    sides.setdefault(shown.photo, _TILE_SIDE)
    page = render("cleaning.html", title=report.title, album=embed_photos(sides), report=report)
    return write_whole(page, out)


def _choose(cleaned: Cleaned, dropped: Ids) -> Ids:
    """The surest where there are probabilities, otherwise some, evenly spread."""
    if cleaned.model is not None:
        return dropped[np.argsort(-cleaned.model.wrong[dropped], kind="stable")[:_SHOWN]]
    return dropped[np.linspace(0, len(dropped) - 1, min(_SHOWN, len(dropped))).astype(np.int64)]


def _dropped(images: LabelledImages, cleaned: Cleaned, chosen: Ids) -> Iterator[Dropped]:
    found = images.find(chosen)
    for image in chosen.tolist():
        if image not in found:
            continue  # removed from the collection meanwhile
        label = images.training.labels[image]
        same = np.flatnonzero((images.training.labels == label) & cleaned.decision.kept)
        rows = [_row(images, "Kept photos with the same label", same)]
        if cleaned.evidence is not None:
            near = cleaned.evidence.near.ids[image]
            near = near[near != PAD]
            rows.append(_row(images, "The photos it looks most like", near))
        elif cleaned.checked is not None and cleaned.checked.partner[image] != PAD:
            partner = cleaned.checked.partner[image : image + 1]
            title = (
                "Its best pair with the same label: "
                f"{cleaned.checked.inliers[image]} inliers, "
                f"{cleaned.checked.surprise[image]:.0f} nats"
            )
            rows.append(_row(images, title, partner))
        own = found[image]
        yield Dropped(Path(own.path), own.id, _name(own), cleaned.why(image), tuple(rows))


def _row(images: LabelledImages, title: str, numbers: Ids) -> Comparison:
    some = numbers[:_TILES]
    found = images.find(some)
    return Comparison(
        title,
        tuple(
            Shown(Path(found[n].path), found[n].id, _name(found[n]))
            for n in some.tolist()
            if n in found
        ),
    )


def _name(image: Image) -> str:
    return (image.landmark or "").replace("_", " ")
