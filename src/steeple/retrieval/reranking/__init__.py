"""Re-rankers, one file each, one signature; they chain."""

from steeple.retrieval.reranking.base import Context, Reranker
from steeple.retrieval.reranking.chain import RERANKERS, Chain, create_reranker
from steeple.retrieval.reranking.dba import DatabaseAugmentation
from steeple.retrieval.reranking.diffusion import Diffusion
from steeple.retrieval.reranking.fusion import Fusion
from steeple.retrieval.reranking.gated import GatedTwoStage
from steeple.retrieval.reranking.graph_traversal import GraphTraversal
from steeple.retrieval.reranking.label_diffusion import LabelAwareDiffusion
from steeple.retrieval.reranking.label_expansion import LabelAwareExpansion
from steeple.retrieval.reranking.query_expansion import QueryExpansion
from steeple.retrieval.reranking.spatial import Spatial
from steeple.retrieval.reranking.two_stage import TwoStage, two_stage

__all__ = [
    "RERANKERS",
    "Chain",
    "Context",
    "DatabaseAugmentation",
    "Diffusion",
    "Fusion",
    "GatedTwoStage",
    "GraphTraversal",
    "LabelAwareDiffusion",
    "LabelAwareExpansion",
    "QueryExpansion",
    "Reranker",
    "Spatial",
    "TwoStage",
    "create_reranker",
    "two_stage",
]
