"""Re-rankers, one file each, one signature; they chain."""

from steeple.retrieval.reranking.base import Context, Reranker
from steeple.retrieval.reranking.query_expansion import QueryExpansion
from steeple.retrieval.reranking.two_stage import TwoStage, two_stage

__all__ = ["Context", "QueryExpansion", "Reranker", "TwoStage", "two_stage"]
