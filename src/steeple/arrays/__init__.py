"""Descriptors in files: photos into arrays, and the whole method on arrays, without photos."""

from steeple.arrays.files.ids import split_ids
from steeple.arrays.files.opening import open_descriptors
from steeple.arrays.files.writing import Format
from steeple.arrays.inputs import Inputs, Sources, read_inputs
from steeple.arrays.method.indexing import AUTO
from steeple.arrays.method.keeping import Keep
from steeple.arrays.method.needs import Method, parse_methods
from steeple.arrays.method.offline import Settings
from steeple.arrays.method.task import Answers, Task
from steeple.arrays.photos import EmbedReport, Output, embed_photos, find_embedder
from steeple.arrays.run import Reranked, rerank_files
from steeple.arrays.wanted import Wanted

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
