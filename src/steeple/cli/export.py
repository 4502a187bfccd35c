"""steeple export: a model for serving without PyTorch."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from steeple.cli import options
from steeple.cli.console import console, emit_json, size_text
from steeple.errors import InputError

__all__ = ["export"]


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A model's folder, small, or a network of timm, such as resnet101; with its "
            "parameters, as for --embedder.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="The folder of the exported model.")],
    json: options.Json = False,
) -> None:
    """Export a model to ONNX, which needs no PyTorch to describe photos.

    What is written is checked against PyTorch on random images of three sizes first. The folder
    can then be named wherever an embedder is chosen. Needs the extras torch and onnx.
    """
    from steeple.embedding import create_embedder
    from steeple.embedding.exporting import export_onnx
    from steeple.embedding.learned import Learned

    embedder = create_embedder(model)
    if not isinstance(embedder, Learned):
        raise InputError(
            f"{model} is no single network; give the folder of a model, or the members of an "
            "ensemble one by one"
        )
    if embedder.precision != "float32":
        raise InputError("an exported model computes in float32; leave precision out")
    done = export_onnx(embedder.model, out)
    if json:
        card = embedder.header.card
        emit_json({"model": str(out), "name": card.name, "licence": card.licence, **asdict(done)})
        return
    console.print(
        f"{out}: {embedder.name}, {embedder.dimension} numbers a photo, {size_text(done.bytes)}, "
        f"ONNX opset {done.opset}"
    )
    console.print(f"largest difference from PyTorch: {done.difference:.1e}")
