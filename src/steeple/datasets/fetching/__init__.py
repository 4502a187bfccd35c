"""Public data sets, from their servers to the folders they are read from."""

from steeple.datasets.fetching.catalogue import DATASETS, Dataset, File, Part, choose, find
from steeple.datasets.fetching.download import Downloaded, download
from steeple.datasets.fetching.planning import Options, Plan, plan
from steeple.datasets.fetching.transfer import Patience
from steeple.datasets.fetching.unpack import Layout, Unpacked, unpack

__all__ = [
    "DATASETS",
    "Dataset",
    "Downloaded",
    "File",
    "Layout",
    "Options",
    "Part",
    "Patience",
    "Plan",
    "Unpacked",
    "choose",
    "download",
    "find",
    "plan",
    "unpack",
]
