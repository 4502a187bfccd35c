"""steeple models: which embedders there are, and published files as models."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from steeple.cli import options
from steeple.cli.console import command, console, emit_json, show_table, size_text

if TYPE_CHECKING:
    from steeple.embedding.checkpoints import Entry
    from steeple.embedding.checkpoints.inspection import Inspection

__all__ = ["models"]

models = typer.Typer()

_TIMM = "any network of timm by its name, such as resnet101, with its published weights"
_UNKNOWN = "unknown"


@models.callback()
def _group() -> None:
    """List, import and show the networks that describe photos."""


@models.command("list")
def list_(json: options.Json = False) -> None:
    """List the models that come with steeple, and published ones that can be imported.

    Nothing is downloaded: get the file yourself from the URL, under its licence, and import it.
    What a project does not say, or could not be looked up, is unknown.
    """
    from steeple.embedding.checkpoints import CATALOGUE, shipped
    from steeple.embedding.checkpoints.inspection import inspect_model

    own = [(folder.name, inspect_model(folder)) for folder in shipped()]
    if json:
        emit_json(
            {
                "shipped": [{"model": name, **_described(model)} for name, model in own],
                "published": [_entry(entry) for entry in CATALOGUE],
                "timm": _TIMM,
            }
        )
        return
    if own:
        console.print("come with steeple", style="bold")
        for name, model in own:
            card = model.header.card
            console.print(
                f"  {name}: {model.header.dimension} numbers, {size_text(model.bytes)}; "
                f"{card.source}; licence: {card.licence or _UNKNOWN}"
            )
        console.print()
    console.print("published by others", style="bold")
    show_table(_table(CATALOGUE))
    console.print()
    console.print(f"and {_TIMM}")
    console.print("try:", command("models", "import", "FILE", "--out", "FOLDER"))


@models.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A published file of weights.")],
    out: Annotated[Path, typer.Option("--out", help="The folder of the new model.")],
    name: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="NAME",
            help="A model that the list names, or a family: cirtorch, deep-image-retrieval, pycls, "
            "plain. Found out if not given.",
        ),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option("--backbone", help="Its network by timm's name, if the file does not say."),
    ] = None,
    whitening: Annotated[
        str | None,
        typer.Option("--whitening", help="Which of those in the file, by name; none for none."),
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", help="Of the weights; it stays with the model.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Make a model out of a published file, to be named where an embedder is chosen.

    Nothing in the file is run: a file that can only be read by running it is refused, and so is one
    that is not what the catalogue expects. Needs the extra torch.
    """
    from steeple.embedding.checkpoints import import_checkpoint

    done = import_checkpoint(
        file, out, name=name, backbone=backbone, whitening=whitening, licence=licence
    )
    header = done.header
    if json:
        emit_json({"model": str(out), **asdict(done)})
        return
    console.print(
        f"{out}: {header.card.name}, {header.architecture['backbone']}, {header.dimension} numbers"
    )
    console.print(f"licence: {header.card.licence or _UNKNOWN + '; see where the file is from'}")
    checked = "as expected" if done.expected else "no other is known to compare it with"
    console.print(f"sha256 of the file: {done.sha256} ({checked})")
    if "whitening" in header.card.training:
        console.print(f"whitening: {header.card.training['whitening']}")
    if done.left_out:
        console.print(f"left out, no part of a descriptor: {_some(done.left_out)}")
    console.print("try:", command("build", "PHOTOS", "--out", "places", "--embedder", out))


@models.command("show")
def show(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A model's folder, or a name out of the list."),
    ],
    json: options.Json = False,
) -> None:
    """Show what a model is: where from, on what terms, how large, how it looks at photos."""
    from steeple.embedding.checkpoints import find, shipped
    from steeple.embedding.checkpoints.inspection import inspect_model
    from steeple.embedding.storage import is_model, read_header

    own = {folder.name: folder for folder in shipped()}
    if model in own or is_model(Path(model)):
        inspected = inspect_model(own.get(model, Path(model)))
        if json:
            emit_json({"model": model, **_described(inspected)})
        else:
            show_table(_rows(_lines(inspected)))
            record = inspected.header.card.training
            if record:
                console.print("\nhow it was made", style="bold")
                show_table(_rows({key: _short(value) for key, value in record.items()}))
        return
    if Path(model).exists():
        read_header(Path(model))  # says what is wrong with it
    entry = find(model)
    if json:
        emit_json(_entry(entry))
        return
    show_table(_rows({key: str(value) for key, value in _entry(entry).items()}))


def _table(entries: tuple[Entry, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("name", "family", "learned from", "numbers", "input", "licence", "sha256"):
        table.add_column(
            heading, overflow="fold", justify="right" if heading == "numbers" else "left"
        )
    table.add_column("from", overflow="fold")
    for entry in entries:
        table.add_row(
            entry.name,
            entry.family,
            entry.what,
            str(entry.dimension),
            f"{entry.channels}, {entry.side} px",
            entry.licence or _UNKNOWN,
            f"{entry.sha256}..." if entry.sha256 else _UNKNOWN,
            entry.url,
        )
    return table


def _entry(entry: Entry) -> dict[str, Any]:
    """An entry of the catalogue, with what is unknown named so."""
    return {
        "name": entry.name,
        "family": entry.family,
        "learned_from": entry.what,
        "backbone": entry.backbone,
        "dimension": entry.dimension,
        "source": entry.source,
        "file": entry.file or _UNKNOWN,
        "url": entry.url,
        "licence": entry.licence or _UNKNOWN,
        "sha256_begins": entry.sha256 or _UNKNOWN,
        "channels": entry.channels,
        "side": entry.side,
    }


def _described(model: Inspection) -> dict[str, Any]:
    """A model as JSON; of its landmarks, how many."""
    header = asdict(model.header)
    card = header.pop("card")
    landmarks = len(card.pop("landmarks"))
    return {
        **card,
        **header,
        "landmarks": landmarks,
        "parameters": model.parameters,
        "bytes": model.bytes,
    }


def _lines(model: Inspection) -> dict[str, str]:
    """What is shown of a model, by heading."""
    header = model.header
    colours, scales = header.colours, header.scales
    backbone = header.architecture.get("backbone", _UNKNOWN)
    rest = {key: value for key, value in header.architecture.items() if key != "backbone"}
    sizes = ", ".join(f"{factor:.3g}" for factor in scales.factors)
    lines = {
        "name": header.card.name,
        "source": header.card.source or _UNKNOWN,
        "licence": header.card.licence or _UNKNOWN,
        "sha256": header.sha256,
        "dimension": str(header.dimension),
        "network": backbone,
        "architecture": ", ".join(f"{key}={value}" for key, value in rest.items()),
        "parameters": f"{model.parameters:,} ({size_text(model.bytes)})",
        "photos": f"{header.max_side} px along the long side, at scales {sizes} ({scales.name})",
        "colours": f"{colours.channels}, mean {_numbers(colours.mean)}, "
        f"std {_numbers(colours.std)}",
        "landmarks": f"{len(header.card.landmarks):,}",
    }
    if scales.power != 1:
        lines["photos"] += f", power mean with p = {scales.power:.3g}"
    return lines


def _short(value: Any) -> str:
    """One value of a training record, in a line."""
    if isinstance(value, dict):
        return ", ".join(f"{key}={_short(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return _some([_short(inner) for inner in value]) or "nothing"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _some(names: list[str] | tuple[str, ...], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4g}" for value in values)


def _rows(lines: dict[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for heading, text in lines.items():
        table.add_row(heading.replace("_", " "), text)
    return table
