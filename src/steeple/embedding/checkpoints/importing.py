"""From a published file to the folder of a model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from steeple.embedding.card import Card
from steeple.embedding.checkpoints.catalogue import FAMILIES, Entry, by_file, find
from steeple.embedding.storage import Header, read_header, save_model
from steeple.errors import InputError
from steeple.extras import need
from steeple.networks.folder import check_free

if TYPE_CHECKING:
    from steeple.embedding.model import Model

__all__ = ["Imported", "import_checkpoint", "read_checkpoint"]


@dataclass(frozen=True)
class Imported:
    """What became of a file.

    Args:
        header: of the new model.
        family: whose file it is.
        sha256: of the file, as hexadecimal digits.
        expected: the digits that the catalogue expects it to begin with; empty where unknown.
        left_out: parts of the file that are no part of a descriptor, such as a classifier.
    """

    header: Header
    family: str
    sha256: str
    expected: str
    left_out: tuple[str, ...]


def import_checkpoint(
    path: Path,
    out: Path,
    *,
    name: str | None = None,
    backbone: str | None = None,
    whitening: str | None = None,
    licence: str | None = None,
) -> Imported:
    """Makes the folder of a model out of a published file.

    Args:
        path: the file.
        out: the new folder.
        name: of an entry of the catalogue, or of a family; None finds out, by the name of the file
            and by what is in it.
        backbone: timm's name of the network, where the file does not say.
        whitening: of those in the file; ``none`` for none, None for the usual one.
        licence: of the weights; None takes what the catalogue says.

    Raises:
        InputError: if it is not what the catalogue expects, cannot be read without running what it
            says, is damaged, or of another network; or if `out` is taken.
        MissingExtraError: if PyTorch or timm is not installed.
        StorageError: if the folder cannot be written.
    """
    check_free(out)
    entry = _entry(path, name)
    family = name if name in FAMILIES else None
    digest = _checked_digest(path, entry)
    model, family = read_checkpoint(
        path,
        family=entry.family if entry is not None else family,
        backbone=backbone or (entry.backbone if entry is not None else None),
        whitening=whitening,
        card=_card(path, entry, licence, digest),
    )
    left_out = tuple(model.card.training["left_out"])
    record = {"family": family, **model.card.training}
    save_model(replace(model, card=replace(model.card, training=record)), out)
    expected = entry.sha256 if entry is not None else ""
    return Imported(read_header(out), family, digest, expected, left_out)


def read_checkpoint(
    path: Path,
    *,
    family: str | None = None,
    backbone: str | None = None,
    whitening: str | None = None,
    card: Card | None = None,
) -> tuple[Model, str]:
    """Reads a published file.

    Args:
        path: the file.
        family: one of `FAMILIES`; None finds out by what is in it.
        backbone: timm's name of the network, where the file does not say.
        whitening: of those in the file; ``none`` for none, None for the usual one.
        card: of the model.

    Returns:
        The model, and the family.

    Raises:
        InputError: if it cannot be read without running what it says, is damaged, or of another
            network.
        MissingExtraError: if PyTorch or timm is not installed.
    """
    for library in ("torch", "timm", "safetensors"):
        need(library, "torch")
    from steeple.embedding.checkpoints.detection import family_of
    from steeple.embedding.checkpoints.stored import Stored

    stored = Stored.open(path)
    family = family or family_of(stored)
    reader = import_module(f"steeple.embedding.checkpoints.{FAMILIES[family]}")
    model: Model = reader.read(
        stored, card or Card(path.stem), backbone=backbone, whitening=whitening
    )
    return model, family


def _entry(path: Path, name: str | None) -> Entry | None:
    if name is None:
        return by_file(path.name)
    return None if name in FAMILIES else find(name)


def _checked_digest(path: Path, entry: Entry | None) -> str:
    try:
        with path.open("rb") as file:
            digest = sha256()
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give the file of a model") from error
    found = digest.hexdigest()
    if entry is not None and not found.startswith(entry.sha256):
        raise InputError(
            f"{path} is not {entry.name}: its sha256 is {found}, and should begin with "
            f"{entry.sha256}; download it again, or say --as {entry.family} if it is another"
        )
    return found


def _card(path: Path, entry: Entry | None, licence: str | None, digest: str) -> Card:
    imported = {"file": path.name, "file_sha256": digest}
    if entry is None:
        return Card(path.stem, f"the file {path.name}", licence or "", training=imported)
    source = f"{entry.source}, {entry.file}" if entry.file else entry.source
    return Card(entry.name, source, licence or entry.licence, training=imported)
