"""Image to descriptor."""

from steeple.embedding.base import EMBEDDERS, Embedder
from steeple.embedding.choosing import create_embedder

__all__ = ["EMBEDDERS", "Embedder", "create_embedder"]
