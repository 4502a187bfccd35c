"""Embedders by what people write: ``sift-vlad``, ``small``, ``resnet101``, a model's folder.

Also ensembles of them, and reductions; `notation` has the grammar.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from steeple.embedding.base import EMBEDDERS, Embedder, load_embedder
from steeple.embedding.ensemble import Ensemble
from steeple.embedding.learned import Learned
from steeple.embedding.notation import Member, parse_recipe, with_reduction
from steeple.embedding.onnx import Onnx, is_onnx
from steeple.embedding.reduction import Reduced
from steeple.embedding.storage import is_model
from steeple.errors import CollectionError, InputError
from steeple.extras import need

__all__ = ["absolute_text", "create_embedder"]

_SHIPPED = Path(__file__).parent / "shipped"  # models that come with steeple, by the folder's name

_LOOKING: dict[str, Callable[[str], Any]] = {"scales": str, "side": int, "precision": str}
_REDUCING: dict[str, Callable[[str], Any]] = {"dim": int, "whiten": str, "power": float}
_WEIGHT: dict[str, Callable[[str], Any]] = {"weight": float}


def create_embedder(
    text: str, *, dimension: int | None = None, whitening: str = "none"
) -> Embedder:
    """The embedder that a text describes; not fitted, if it is one that learns from photos.

    Args:
        text: a name or a folder, and any number of ``:parameter=value``. Names are ``sift-vlad``,
            the models that come with steeple (``small``), and the networks of timm, which then have
            their published weights (``resnet101``). Folders are those of models, those that
            ``steeple export`` writes, and those that keep an embedder that has learned.
            Parameters of a network are ``scales`` (``one``, ``gldv2``, ``revisited``), ``side``
            (pixels) and ``precision`` (``float32``, ``bfloat16``).
            Several joined by ``+`` are an ensemble, whose members take ``weight``, which is 1
            where it is not given: ``sift-vlad+small:weight=0.5``.
            Behind ``,reduce`` stands what is done to the descriptors: ``dim``, ``whiten``
            (``none``, ``pca``, ``supervised``) and, of pca, ``power``:
            ``small,reduce:dim=128:whiten=pca``. The name of a folder is taken whole.
        dimension: the same as ``dim``.
        whitening: the same as ``whiten``.

    Raises:
        InputError: if nothing has this name, a folder holds no model, or a parameter is wrong.
        MachineError: if published weights cannot be downloaded.
        MissingExtraError: if a network of timm is asked for and the extra is not installed.
    """
    recipe = parse_recipe(with_reduction(text, dimension, whitening), _is_folder)
    if len(recipe.members) == 1:
        embedder = _one(recipe.members[0], recipe.members[0].parameters)
    else:
        embedder = _ensemble(recipe.members)
    if recipe.reduction is None:
        return embedder
    asked = _values("reduce", recipe.reduction, _REDUCING)
    return Reduced(
        embedder, asked.get("dim"), asked.get("whiten", "none"), asked.get("power", Reduced.power)
    )


def absolute_text(text: str) -> str:
    """The same text, true in every working directory: the folders in it are absolute.

    Raises:
        InputError: if it cannot be read.
    """
    recipe = parse_recipe(text, _is_folder)
    return str(
        recipe.renamed(lambda name: str(Path(name).absolute()) if _is_folder(name) else name)
    )


def _ensemble(members: tuple[Member, ...]) -> Ensemble:
    weights, embedders = [], []
    for member in members:
        own = {key: value for key, value in member.parameters.items() if key not in _WEIGHT}
        given = {key: value for key, value in member.parameters.items() if key in _WEIGHT}
        weights.append(_values(member.name, given, _WEIGHT).get("weight", 1.0))
        embedders.append(_one(member, own))
    return Ensemble(tuple(embedders), tuple(weights))


def _one(member: Member, parameters: Mapping[str, str]) -> Embedder:
    """One embedder, looking at photos as its parameters say."""
    name = member.name
    if name in EMBEDDERS:
        _values(name, parameters, {})
        return EMBEDDERS[name]()()
    folder = _SHIPPED / name if _is_shipped(name) else Path(name)
    if is_onnx(folder):
        return Onnx.open(folder).looking(**_values(name, parameters, _LOOKING))
    if is_model(folder):
        return Learned.open(folder).looking(**_values(name, parameters, _LOOKING))
    if _is_stored(folder):
        _values(name, parameters, {})
        try:
            return load_embedder(folder)
        except CollectionError as error:
            raise InputError(
                f"{name} holds no readable embedder; give the folder of another, or a name, such "
                "as sift-vlad"
            ) from error
    if folder.exists() or "/" in name:
        raise InputError(
            f"{name} holds no model and no readable embedder; give the folder of a model, the "
            "folder 'embedder' that steeple embed wrote, or a name, such as sift-vlad or resnet101"
        )
    return _published(name).looking(**_values(name, parameters, _LOOKING))


def _published(name: str) -> Learned:
    """A network of timm, with its published weights."""
    need("torch", "torch")
    timm = need("timm", "torch")
    from steeple.embedding.model import imagenet_model

    if name != "fishnet150" and not timm.is_model(name):
        shipped = sorted(folder.parent.name for folder in _SHIPPED.glob("*/model.json"))
        raise InputError(
            f"no embedder is called {name!r}; there are: {', '.join([*EMBEDDERS, *shipped])}, the "
            "folders of models, and the networks of timm, such as resnet101"
        )
    return Learned.of(imagenet_model(name))


def _is_shipped(name: str) -> bool:
    """Whether a model of this name comes with steeple."""
    return Path(name).name == name and is_model(_SHIPPED / name)


def _is_stored(folder: Path) -> bool:
    """Whether a folder keeps an embedder, as collections and ``steeple embed`` do."""
    return (folder / "embedder.json").is_file()


def _is_folder(name: str) -> bool:
    """Whether a text is the name of a folder with an embedder in it, and not a name of ours."""
    if not name or name in EMBEDDERS or _is_shipped(name):
        return False
    folder = Path(name)
    return is_onnx(folder) or is_model(folder) or _is_stored(folder)


def _values(
    name: str, given: Mapping[str, str], known: Mapping[str, Callable[[str], Any]]
) -> dict[str, Any]:
    """The values of parameters.

    Raises:
        InputError: if there is no such parameter, or its value is none.
    """
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key == "weight" and key not in known:
            raise InputError(f"{name}: only the members of an ensemble have a weight; leave it out")
        if key not in known:
            there = f"there are: {', '.join(known)}" if known else "it has none"
            raise InputError(f"{name} has no parameter {key!r}; {there}")
        try:
            values[key] = known[key](value)
        except ValueError as error:
            kind = "a whole number" if known[key] is int else "a number"
            raise InputError(f"{name}: {key} is {kind}, not {value!r}") from error
    return values
