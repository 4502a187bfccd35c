"""Arrays in, rankings out: this room knows no file and no image."""

from steeple.retrieval.neighbors import search_neighbors
from steeple.retrieval.types import Ranking, Votes
from steeple.retrieval.voting import soft_vote

__all__ = ["Ranking", "Votes", "search_neighbors", "soft_vote"]
