"""steeple build: photos into a new collection."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steeple.cli import options
from steeple.cli.adding import report_json, show_report, show_weights, weights_json
from steeple.cli.console import command, console, emit_json, shown_progress
from steeple.cli.index import IndexMemory, wanted_memory

__all__ = ["build"]


def build(
    photos: options.Source,
    out: Annotated[Path, typer.Option("--out", help="The folder of the new collection.")],
    landmarks: options.Landmarks = None,
    skip_missing: options.SkipMissing = False,
    prefix: options.Prefix = "",
    embedder: options.Embedder = "sift-vlad",
    dimension: options.Dimension = None,
    whiten: options.Whiten = options.Whitening.NONE,
    local_features: options.LocalFeatures = None,
    no_local_features: options.NoLocalFeatures = False,
    features_per_photo: options.FeaturesPerPhoto = 1000,
    index: Annotated[
        str,
        typer.Option(
            "--index",
            metavar="KIND",
            help="How it is searched: auto (exactly until it is large), flat (exactly), both in "
            "any case, or the name of a FAISS factory, such as HNSW32.",
        ),
    ] = "auto",
    memory: IndexMemory = None,
    seed: options.Seed = 0,
    workers: options.Workers = None,
    json: options.Json = False,
) -> None:
    """Build a collection from photos.

    Photos that cannot be read are left out and listed at the end. An interruption keeps what was
    committed: go on with `steeple add`. Before the first commit, nothing is left.
    """
    from steeple.collection import Collection
    from steeple.collection.indexing import MEMORY

    kept = options.chosen_local_features(local_features, no_local_features)
    described = options.chosen_embedder(embedder, dimension, whiten)
    bytes_ = wanted_memory(memory)
    with shown_progress() as progress:
        places, report = Collection.build(
            photos,
            out,
            landmarks,
            skip_missing=skip_missing,
            prefix=prefix,
            embedder=described,
            local_features=kept,
            features_per_photo=features_per_photo,
            index=index,
            memory=MEMORY if bytes_ is None else bytes_,
            seed=seed,
            workers=workers,
            progress=progress,
        )
    with places:
        if json:
            emit_json({**report_json(places, report), "weights": weights_json(places)})
        else:
            show_report(places, report)
            show_weights(places)
            console.print("try:", command("search", out, "PHOTO"))
