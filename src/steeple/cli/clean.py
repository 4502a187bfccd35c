"""steeple clean: a training set without the labels that do not fit."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from steeple.cleaning import (
    Form,
    LabelledImages,
    Noise,
    Reason,
    Rule,
    Settings,
    check_ids,
    describe_labelled,
    is_collection,
    labelled_photos,
    write_table,
)
from steeple.cleaning import clean as run
from steeple.cli import options
from steeple.cli.console import console, emit_json, errors, show_table, shown_progress
from steeple.collection.store import LocalStore
from steeple.datasets.whole import target_of
from steeple.errors import InputError

if TYPE_CHECKING:
    from steeple.cleaning import Cleaned, LabelledPhotos
    from steeple.cleaning.estimate import Estimate
    from steeple.progress import Progress

__all__ = ["clean"]

_REASONS = {
    Reason.DOUBTED: "their label is likelier wrong than right",
    Reason.ALONE: "no near photo has their label",
    Reason.UNVERIFIED: "too few pairs fit",
    Reason.SMALL: "too little is left of their landmark",
}

Source = Annotated[
    Path,
    typer.Argument(
        metavar="SOURCE",
        help="Labelled photos (one subfolder per landmark, GLD-v2, or with --landmarks), or a "
        "collection.",
    ),
]
Out = Annotated[Path, typer.Option("--out", help="The CSV of what stays.")]
Format = Annotated[
    Form,
    typer.Option("--format", help="gldv2: landmark_id,images. labels: id,landmark, for build."),
]
What = Annotated[
    Noise,
    typer.Option("--noise", help="What finds wrong labels: the paper's rule, or what is learned."),
]
Method = Annotated[
    str,
    typer.Option("--method", help="Verify by upright, affine, homography, or as published."),
]
Neighbours = Annotated[
    int, typer.Option("--neighbours", min=1, help="Nearest photos that are looked at.")
]
SameLabel = Annotated[
    int, typer.Option("--same-label", min=1, help="Of those, how many are verified at most.")
]
MinInliers = Annotated[
    int | None,
    typer.Option(
        "--min-inliers", min=1, help="A pair needs them to count: 30 with published, otherwise 1."
    ),
]
MinSurprise = Annotated[
    float | None,
    typer.Option(
        "--min-surprise", min=0, help="Nats a pair needs to count: 0 with published, otherwise 25."
    ),
]
MinPairs = Annotated[
    int, typer.Option("--min-pairs", min=1, help="Pairs that count, for a photo to stay.")
]
MinImages = Annotated[
    int, typer.Option("--min-images", min=1, help="Photos left, for a landmark to stay.")
]
AllPairs = Annotated[
    bool, typer.Option("--all-pairs", help="Verify pairs that decide nothing, too.")
]
Kept = Annotated[
    Path | None,
    typer.Option("--collection", help="Keep the collection here, or use the one that is."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say how long it would take, from a sample.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on where an earlier run was interrupted.")
]


def clean(
    source: Source,
    out: Out = Path("train_clean.csv"),
    form: Format = Form.GLDV2,
    landmarks: options.Landmarks = None,
    skip_missing: options.SkipMissing = False,
    noise: What = Noise.RULE,
    method: Method = "upright",
    neighbours: Neighbours = 1000,
    same_label: SameLabel = 100,
    min_inliers: MinInliers = None,
    min_surprise: MinSurprise = None,
    min_pairs: MinPairs = 3,
    min_images: MinImages = 2,
    all_pairs: AllPairs = False,
    collection: Kept = None,
    embedder: options.Embedder = "sift-vlad",
    seed: options.Seed = 0,
    workers: options.Workers = None,
    dry_run: DryRun = False,
    resume: Resume = False,
    html: options.Html = None,
    json: options.Json = False,
) -> None:
    """Find photos whose label is wrong, and list those that stay.

    What is computed is kept in a folder beside OUT (OUT.work), so that --resume can go on.
    """
    base = Rule.of(method)
    rule = replace(
        base,
        neighbours=neighbours,
        same_label=same_label,
        inliers=min_inliers or base.inliers,
        surprise=base.surprise if min_surprise is None else min_surprise,
        pairs=min_pairs,
        images=min_images,
    )
    settings = Settings(rule, method, noise, all_pairs, seed)
    photos = _Photos(source, landmarks, skip_missing, collection, embedder)
    photos.check(out)
    if dry_run:
        _show_estimate(photos.estimate(settings, workers), json)
        return
    wanted = _Wanted(out, form, html, resume)
    with shown_progress() as progress:
        folder = photos.describe(wanted.work, seed, workers, progress)
        figures = wanted.clean(folder, settings, workers, progress)
    if json:
        emit_json(figures)
    else:
        _show(figures, out, wanted.work)


@dataclass(frozen=True)
class _Wanted:
    """What is to come out of it, as the options say it."""

    out: Path
    form: Form
    html: Path | None
    resume: bool

    @property
    def work(self) -> Path:
        """The folder beside the table that work is kept in."""
        return self.out.with_name(f"{self.out.stem}.work")

    def clean(
        self, folder: Path, settings: Settings, workers: int | None, progress: Progress
    ) -> dict[str, Any]:
        """Cleans a collection and writes table and page; returns the figures."""
        with closing(LocalStore(folder)) as store:
            images = LabelledImages.read(store)
            check_ids(images, self.form)
            cleaned = run(
                images,
                settings,
                self.work / "shards",
                resume=self.resume,
                workers=workers,
                progress=progress,
            )
            write_table(images, cleaned.decision, self.out, self.form)
            if self.html:
                _write_page(images, cleaned, self.out, self.html)
            return {
                "out": str(self.out),
                "collection": str(folder),
                **cleaned.to_dict(images),
            }


@dataclass(frozen=True)
class _Photos:
    """What is to be cleaned, as the options say it."""

    source: Path
    landmarks: Path | None
    skip_missing: bool
    collection: Path | None
    embedder: str

    def check(self, out: Path) -> None:
        """Sees to it that hours of work do not end in a typing error."""
        if not out.absolute().parent.is_dir() or out.is_dir():
            raise InputError(f"{out} is no place for a CSV; give a file in a folder that exists")
        target_of(out)
        if is_collection(self.source) and (self.collection or self.landmarks):
            given = "--collection" if self.collection else "--landmarks"
            raise InputError(f"{self.source} is a collection itself; leave out {given}")

    def describe(self, work: Path, seed: int, workers: int | None, progress: Progress) -> Path:
        """The folder of the collection, once it has the photos."""
        if is_collection(self.source):
            return self.source
        folder = self.collection or work / "collection"
        report = describe_labelled(
            self._labelled(),
            folder,
            embedder=self.embedder,
            seed=seed,
            workers=workers,
            progress=progress,
        )
        for photo, reason in report.failed:
            errors.print(reason if photo in reason else f"{photo}: {reason}", style="yellow")
        return folder

    def estimate(self, settings: Settings, workers: int | None) -> Estimate:
        """What the cleaning would cost."""
        from steeple.cleaning.estimate import estimate_collection, estimate_photos

        if not is_collection(self.source):
            return estimate_photos(
                self._labelled(), settings, embedder=self.embedder, workers=workers
            )
        with closing(LocalStore(self.source)) as store:
            return estimate_collection(LabelledImages.read(store), settings, workers=workers)

    def _labelled(self) -> LabelledPhotos:
        return labelled_photos(self.source, self.landmarks, skip_missing=self.skip_missing)


def _write_page(images: LabelledImages, cleaned: Cleaned, out: Path, html: Path) -> None:
    from steeple.report.cleaning import cleaning_report, write_cleaning_report

    settings = cleaned.settings
    how = "what is learned" if settings.noise is Noise.LEARNED else "the rule"
    report = cleaning_report(
        images,
        cleaned,
        title="What cleaning dropped",
        subtitle=f"{out.name}: by {how}, pairs verified by {settings.method}",
    )
    write_cleaning_report(report, html)


def _show(figures: dict[str, Any], out: Path, work: Path) -> None:
    console.print(
        Text.assemble(
            (str(out), "bold"),
            f": {figures['kept_images']:,} of {figures['images']:,} photos, "
            f"{figures['kept_landmarks']:,} of {figures['landmarks']:,} landmarks",
        )
    )
    table = _table("dropped", "photos")
    for reason, why in _REASONS.items():
        if count := figures["dropped"][reason.name.lower()]:
            table.add_row(why, f"{count:,}")
    if table.row_count:
        show_table(table)
    if "wrong_labels" in figures:
        console.print(f"labels taken for wrong in all: {100 * figures['wrong_labels']:.1f} %")
    if work.exists():
        console.print(f"the work is kept in {work}; remove it when it is no longer needed")


def _show_estimate(found: Estimate, json: bool) -> None:
    if json:
        emit_json({**asdict(found), "hours": found.hours})
        return
    console.print(
        f"{found.images:,} labelled photos of {found.landmarks:,} landmarks, "
        f"{found.workers} processes; from a sample of {found.sampled:,} photos:"
    )
    table = _table("stage", "hours")
    for stage, hours in (
        ("describing photos", found.describe_hours),
        ("finding neighbours", found.search_hours),
        ("verifying pairs", found.verify_hours),
        ("in all", found.hours),
    ):
        table.add_row(stage, f"{hours:,.2f}")
    show_table(table)
    console.print(
        f"{found.pairs:,} pairs to verify (of at most {found.most_pairs:,}), "
        f"{found.pairs_per_second:,.0f} a second on one core"
    )


def _table(first: str, second: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(first, overflow="fold")
    table.add_column(second, justify="right")
    return table
