"""Which family a checkpoint is of, by the names in it. Needs the extra ``torch``."""

from __future__ import annotations

from collections.abc import Mapping

from steeple.embedding.checkpoints.pycls import PREFIX
from steeple.embedding.checkpoints.stored import Stored

__all__ = ["family_of"]


def family_of(stored: Stored) -> str:
    """One of `FAMILIES`; ``plain`` where nothing speaks for another.

    Raises:
        InputError: if the file holds no weights.
    """
    names = stored.weights
    if isinstance(stored.content.get("meta"), Mapping) and any(
        name.startswith("features.") for name in names
    ):
        return "cirtorch"
    if "model_options" in stored.content or "adpool.p" in names:
        return "deep-image-retrieval"
    if any(PREFIX.fullmatch(name) for name in names):
        return "pycls"
    return "plain"
