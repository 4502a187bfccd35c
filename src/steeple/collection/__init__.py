"""What lies on disk; nothing else does input or output on it."""

from steeple.collection.adding import AddReport
from steeple.collection.collection import Collection
from steeple.collection.explaining import Explanation
from steeple.collection.hits import Hit, Hits, Recognition
from steeple.collection.store import Image

__all__ = ["AddReport", "Collection", "Explanation", "Hit", "Hits", "Image", "Recognition"]
