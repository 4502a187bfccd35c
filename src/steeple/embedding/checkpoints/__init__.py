"""Models that other groups have published: which there are, and their files as models of ours.

Importing this needs no PyTorch; reading a file does.
"""

from steeple.embedding.checkpoints.catalogue import CATALOGUE, FAMILIES, Entry, find, shipped
from steeple.embedding.checkpoints.importing import Imported, import_checkpoint

__all__ = ["CATALOGUE", "FAMILIES", "Entry", "Imported", "find", "import_checkpoint", "shipped"]
