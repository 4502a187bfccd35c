"""Descriptors in files: photos into arrays, and the whole method on arrays, without photos."""

from steeple.arrays.files import open_descriptors
from steeple.arrays.ids import split_ids
from steeple.arrays.indexing import AUTO
from steeple.arrays.inputs import Inputs, Sources, read_inputs
from steeple.arrays.keeping import Keep
from steeple.arrays.needs import Method, parse_methods
from steeple.arrays.offline import Settings
from steeple.arrays.photos import EmbedReport, Output, embed_photos, find_embedder
from steeple.arrays.run import Reranked, rerank_files
from steeple.arrays.task import Answers, Task
from steeple.arrays.wanted import Wanted
from steeple.arrays.writing import Format

__all__ = [
    "AUTO",
    "Answers",
    "EmbedReport",
    "Format",
    "Inputs",
    "Keep",
    "Method",
    "Output",
    "Reranked",
    "Settings",
    "Sources",
    "Task",
    "Wanted",
    "embed_photos",
    "find_embedder",
    "open_descriptors",
    "parse_methods",
    "read_inputs",
    "rerank_files",
    "split_ids",
]
