"""steeple finds and names landmarks in photo collections of any size.

import steeple

places = steeple.Collection.create("places")
places.add("photos/", landmarks="labels.csv")
hits = places.search("query.jpg")
hits.landmark, hits.confidence
"""

from steeple import evaluation
from steeple.collection import Collection, Hit, Hits
from steeple.errors import SteepleError
from steeple.retrieval import Ranking, Votes, search_neighbors, soft_vote
from steeple.retrieval.reranking import two_stage

__version__ = "0.1.0"

__all__ = [
    "Collection",
    "Hit",
    "Hits",
    "Ranking",
    "SteepleError",
    "Votes",
    "__version__",
    "evaluation",
    "search_neighbors",
    "soft_vote",
    "two_stage",
]
