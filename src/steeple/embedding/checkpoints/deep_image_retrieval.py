"""Checkpoints of deep-image-retrieval (Revaud et al., ICCV 2019). Needs the extra ``torch``.

A file is ``{'state_dict', 'model_options', 'preprocess', 'pca'}``. The descriptor: map, GeM, FC,
L2; then a PCA, y = C(x - m) / v^q with components C, variances v and q = 1/4, which their figures
are of (1/2 would be whitening in full); L2 again. The PCA is exact at one scale; at several they
average before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from steeple.embedding.card import Card
from steeple.embedding.checkpoints.stored import (
    Looks,
    Stored,
    assemble,
    check_backbone,
    linear,
    power,
    resnet_name,
)
from steeple.embedding.checkpoints.unpickling import Estimator
from steeple.embedding.checkpoints.whitening import choose
from steeple.embedding.model import Model
from steeple.embedding.network import Architecture
from steeple.embedding.preprocessing import ONE, REVISITED, Colours

__all__ = ["read"]

_POWER = 0.25  # of the variances; their default
_SIDE = 1024  # pixels; photos of Oxford and Paris have them, and are looked at as they are


def read(
    stored: Stored, card: Card, *, backbone: str | None = None, whitening: str | None = None
) -> Model:
    """A checkpoint of deep-image-retrieval as a model.

    Args:
        stored: the file.
        card: of the model.
        backbone: what the user takes it to be.
        whitening: of the PCAs in the file; ``none`` for none, None for ``Landmarks_clean`` or what
            there is.

    Raises:
        InputError: if it is of another kind of network, or damaged.
    """
    options = stored.content.get("model_options") or {}
    found = _checked_backbone(stored, options)
    backbone = check_backbone(stored, found, backbone)
    weights = {_renamed(name): value for name, value in stored.weights.items()}
    if options.get("without_fc"):
        weights = {name: value for name, value in weights.items() if not name.startswith("fc.")}
    if options.get("pooling") == "avg":
        p, per_channel = 1.0, False
        weights["pool.p"] = torch.ones(1)
    else:
        p, per_channel = power(stored, weights, "pool.p")
    layer = "fc.weight" in weights
    pca = choose(stored, _pcas(stored), whitening, "Landmarks_clean")
    if pca is not None:
        weights |= linear(stored, "whitening" if layer else "fc", *_matrix(stored, pca[1]))
        card = replace(card, training=card.training | {"whitening": pca[0]})
    architecture = Architecture(
        backbone,
        dimension=len(weights["fc.weight"]) if "fc.weight" in weights else None,
        p=p,
        p_per_channel=per_channel,
        normalise_pooled=bool(options.get("norm_features")) or not layer,
        batch_norm=False,
        whitening=len(weights["whitening.weight"]) if "whitening.weight" in weights else None,
    )
    # Several scales are put together by a power mean with p = 3, whatever the p of the network.
    looks = Looks(_colours(stored), replace(REVISITED, power=3.0) if pca is None else ONE, _SIDE)
    return assemble(stored, architecture, weights, card, looks)


def _checked_backbone(stored: Stored, options: Any) -> str | None:
    """The ResNet that the file says it is of, and that its weights are of."""
    if not isinstance(options, Mapping):
        raise stored.refuse("its 'model_options' cannot be understood; replace the file")
    if options.get("pooling") == "max":
        raise stored.refuse("pools by maximum (MAC), which cannot be read; take one of GeM")
    if options.get("center_bias"):
        raise stored.refuse("weighs the centre of a photo (center_bias), which cannot be read")
    found = resnet_name(stored.weights)
    said = options.get("arch")
    if said is not None and said != f"{found}_rmac":
        raise stored.refuse(
            f"is of {said}, and its weights of {found or 'no ResNet'}; of deep-image-retrieval's "
            "networks, those of ResNets can be read"
        )
    return found


def _renamed(name: str) -> str:
    first, _, rest = name.partition(".")
    if first == "adpool":
        return f"pool.{rest}"
    return name if first == "fc" else f"trunk.network.{name}"


def _pcas(stored: Stored) -> dict[str, Any]:
    """Name of the data set -> PCA."""
    pca = stored.content.get("pca")
    if not pca:
        return {}
    if isinstance(pca, Mapping) and "means" not in pca:
        return {str(name): one for name, one in pca.items()}
    return {"pca": pca}


def _matrix(stored: Stored, pca: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """P and m of y = P(x - m)."""
    try:
        if isinstance(pca, Mapping):  # computed without scikit-learn: y = (x - means) W
            return np.asarray(pca["W"]).T, np.asarray(pca["means"])
        if not isinstance(pca, Estimator):
            raise TypeError(type(pca).__name__)
        fitted = vars(pca)
        matrix = np.asarray(fitted["components_"], np.float64)
        if fitted.get("whiten"):
            variances = np.asarray(fitted["explained_variance_"], np.float64)
            matrix = matrix / np.power(variances, _POWER)[:, None]
        return matrix, np.asarray(fitted["mean_"])
    except (KeyError, TypeError, ValueError) as error:
        raise stored.refuse("its PCA cannot be understood; ask for --whitening none") from error


def _colours(stored: Stored) -> Colours:
    looks = stored.content.get("preprocess")
    if looks is None:
        return Colours()
    try:
        red, green, blue = (float(value) for value in looks["mean"])
        deviations = [float(value) for value in looks["std"]]
        return Colours((red, green, blue), (deviations[0], deviations[1], deviations[2]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise stored.refuse("'preprocess' has no mean and std of three numbers each") from error
