"""Models that other groups have published, and those that come with steeple.

What stands here was looked up in the projects' own pages and sources; what could not be is empty,
and shown as unknown. File names of torchvision and cirtorch end with the first digits of the file's
sha256, which PyTorch checks when it downloads them (``torch.hub.load_state_dict_from_url``; for
cirtorch's, ``torch.utils.model_zoo.load_url`` of the PyTorch 1.0 they were made for).
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from steeple.embedding.storage import is_model
from steeple.errors import InputError

__all__ = ["CATALOGUE", "FAMILIES", "Entry", "by_file", "find", "shipped"]

FAMILIES = {
    "cirtorch": "cirtorch",
    "deep-image-retrieval": "deep_image_retrieval",
    "pycls": "pycls",
    "plain": "plain",
}
"""Families of checkpoints, and the module here that reads each."""

_SHIPPED = Path(__file__).parents[1] / "shipped"


@dataclass(frozen=True)
class Entry:
    """A published model.

    Args:
        name: it is asked for by.
        family: one of `FAMILIES`.
        what: it is, in a few words.
        backbone: timm's name of its network.
        dimension: of its descriptors.
        source: the project.
        file: its name there; empty where unknown.
        url: of the file, or of the page that leads to it.
        licence: as the project states it; empty where unknown.
        sha256: the digits that the file's begins with; empty where unknown.
        channels: in which order it takes colours.
        side: long side, in pixels, that it looks at.
    """

    name: str
    family: str
    what: str
    backbone: str
    dimension: int
    source: str
    file: str = ""
    url: str = ""
    licence: str = ""
    sha256: str = ""
    channels: str = "RGB"
    side: int = 1024


_CMP = "http://cmp.felk.cvut.cz/cnnimageretrieval/data/networks"
_DRIVE = "https://drive.google.com/open?id="


def _cirtorch(folder: str, stem: str, digits: str, what: str) -> Entry:
    depth = next(word for word in stem.split("-") if word.startswith("resnet"))
    file = f"{stem}-{digits}.pth"
    return Entry(
        stem,
        "cirtorch",
        what,
        depth,
        2048,
        "filipradenovic/cnnimageretrieval-pytorch",
        file,
        f"{_CMP}/{folder}/{file}",
        "MIT (of the project)",
        digits,
    )


def _naver(name: str, depth: str, identifier: str, what: str, file: str = "") -> Entry:
    source = "naver/deep-image-retrieval"
    return Entry(name, "deep-image-retrieval", what, depth, 2048, source, file, _DRIVE + identifier)


def _cvnet(depth: int) -> Entry:
    return Entry(
        f"cvnet-r{depth}",
        "pycls",
        "GLD-v2-clean, classification; SuperGlobal starts from it",
        f"resnet{depth}",
        2048,
        "sungonce/CVNet",
        f"CVPR2022_CVNet_R{depth}.pyth",
        "https://github.com/sungonce/CVNet",
        channels="BGR",
    )


def _torchvision(name: str, depth: str, dimension: int, digits: str, what: str) -> Entry:
    file = f"{depth}-{digits}.pth"
    url = f"https://download.pytorch.org/models/{file}"
    licence = "BSD-3-Clause (of the project)"
    return Entry(
        *(name, "plain", what, depth, dimension, "pytorch/vision", file, url, licence, digits),
        side=512,
    )


def _dinov2(size: str, letter: str, dimension: int, registers: bool) -> Entry:
    middle = "_reg4" if registers else ""
    file = f"dinov2_vit{letter}14{middle}_pretrain.pth"
    return Entry(
        f"dinov2-vit{letter}14{'-reg' if registers else ''}",
        "plain",
        "142 million photos, no labels" + (", with registers" if registers else ""),
        f"vit_{size}_patch14{middle}_dinov2",
        dimension,
        "facebookresearch/dinov2",
        file,
        f"https://dl.fbaipublicfiles.com/dinov2/dinov2_vit{letter}14/{file}",
        "Apache-2.0",
        side=512,
    )


_SFM, _GL18 = "retrieval-SfM-120k", "gl18"
_TRIPLETS = "triplet loss, FC whitening trained with it"

CATALOGUE: tuple[Entry, ...] = (
    _cirtorch(_SFM, "rSfM120k-tl-resnet50-gem-w", "97bf910", f"SfM-120k, {_TRIPLETS}"),
    _cirtorch(_SFM, "rSfM120k-tl-resnet101-gem-w", "a155e54", f"SfM-120k, {_TRIPLETS}"),
    _cirtorch(_SFM, "rSfM120k-tl-resnet152-gem-w", "f39cada", f"SfM-120k, {_TRIPLETS}"),
    _cirtorch(_GL18, "gl18-tl-resnet50-gem-w", "83fdc30", f"GLD-v1, {_TRIPLETS}"),
    _cirtorch(_GL18, "gl18-tl-resnet101-gem-w", "a4d43db", f"GLD-v1, {_TRIPLETS}"),
    _cirtorch(_GL18, "gl18-tl-resnet152-gem-w", "21278d5", f"GLD-v1, {_TRIPLETS}"),
    _cirtorch(
        *(_SFM, "retrievalSfM120k-resnet101-gem", "b80fb85"),
        "SfM-120k, contrastive loss, whitening learned afterwards",
    ),
    _naver(
        *("resnet50-ap-gem", "resnet50", "1oPtE_go9tnsiDLkWjN4NMpKjh-_md1G5"),
        "Landmarks-clean, AP loss",
    ),
    _naver(
        *("resnet101-ap-gem", "resnet101", "1UWJGDuHtzaQdFhSMojoYVQjmCXhIwVvy"),
        *("Landmarks-clean, AP loss", "Resnet-101-AP-GeM.pt"),
    ),
    _naver(
        *("resnet101-ap-gem-lm18", "resnet101", "1r76NLHtJsH-Ybfda4aLkUIoW3EEsi25I"),
        *("GLD-v1, AP loss", "Resnet101-AP-GeM-LM18.pt"),
    ),
    _naver(
        *("resnet101-tl-gem", "resnet101", "1vhm1GYvn8T3-1C4SPjPNJOuTU9UxKAG6"),
        "Landmarks-clean, triplet loss",
    ),
    _cvnet(50),
    _cvnet(101),
    _torchvision("tv-resnet18", "resnet18", 512, "f37072fd", "ImageNet"),
    _torchvision("tv-resnet50", "resnet50", 2048, "0676ba61", "ImageNet"),
    _torchvision("tv-resnet50-v2", "resnet50", 2048, "11ad3fa6", "ImageNet, later recipe"),
    _torchvision("tv-resnet101", "resnet101", 2048, "63fe2227", "ImageNet"),
    _torchvision("tv-resnet101-v2", "resnet101", 2048, "cd907fc2", "ImageNet, later recipe"),
    _torchvision("tv-resnet152", "resnet152", 2048, "394f9c45", "ImageNet"),
    _dinov2("small", "s", 384, False),
    _dinov2("base", "b", 768, False),
    _dinov2("large", "l", 1024, False),
    _dinov2("small", "s", 384, True),
    _dinov2("base", "b", 768, True),
    _dinov2("large", "l", 1024, True),
)
"""Published models whose files can be imported."""


def find(name: str) -> Entry:
    """The entry of this name.

    Raises:
        InputError: if there is none.
    """
    for entry in CATALOGUE:
        if entry.name == name:
            return entry
    names = [*(entry.name for entry in CATALOGUE), *FAMILIES]
    near = difflib.get_close_matches(name, names, 1)
    meant = f"did you mean {near[0]}? " if near else ""
    raise InputError(f"no published model is called {name!r}; {meant}see: steeple models list")


def by_file(name: str) -> Entry | None:
    """The entry whose file has this name; None if none has."""
    return next((entry for entry in CATALOGUE if entry.file and entry.file == name), None)


def shipped() -> tuple[Path, ...]:
    """The folders of the models that come with steeple; each is asked for by the folder's name."""
    if not _SHIPPED.is_dir():
        return ()
    return tuple(sorted(folder for folder in _SHIPPED.iterdir() if is_model(folder)))
