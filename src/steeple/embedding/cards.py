"""Where the weights of an embedder come from, and on what terms they may be used."""

from __future__ import annotations

from steeple.embedding.base import Embedder
from steeple.embedding.card import Card
from steeple.embedding.ensemble import Ensemble
from steeple.embedding.learned import Learned
from steeple.embedding.onnx import Onnx
from steeple.embedding.reduction import Reduced

__all__ = ["cards_of"]


def cards_of(embedder: Embedder) -> list[Card]:
    """The cards of all models in an embedder; none where everything is learned from own photos."""
    if isinstance(embedder, Ensemble):
        return [card for member in embedder.members for card in cards_of(member)]
    if isinstance(embedder, Reduced):
        return cards_of(embedder.inner)
    return [embedder.header.card] if isinstance(embedder, Learned | Onnx) else []
