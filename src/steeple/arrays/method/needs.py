"""What a chain of re-rankers needs, so that it is refused before hours of work, not after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steeple.errors import InputError
from steeple.retrieval.reranking.chain import RERANKERS, Chain, create_reranker

__all__ = ["Method", "need_labels", "parse_methods"]

# Whatever is on none of these lists gets all there is, beliefs included.
_PHOTOS = frozenset({"spatial", "inliers", "fusion"})
_NO_LABELS = ("knn", "aqe", "dba", "egt", "diffusion")
_VOTES = ("sort", "two-stage")


@dataclass(frozen=True)
class Method:
    """A chain of re-rankers as it was asked for.

    Args:
        name: the text.
        chain: what it means.
        votes: whether it needs the votes of queries and index.
        beliefs: whether it needs their probabilities, too.
    """

    name: str
    chain: Chain
    votes: bool
    beliefs: bool

    @classmethod
    def of(cls, text: str) -> Method:
        """Reads ``two-stage``, ``aqe:alpha=0:n=5,two-stage``.

        Raises:
            InputError: if there is no such re-ranker, or it needs photos.
        """
        chain = create_reranker(text)
        names = {link.partition(":")[0].strip() for link in text.split(",")}
        if names & _PHOTOS:
            others = ", ".join(name for name in RERANKERS if name not in _PHOTOS)
            raise InputError(
                f"{', '.join(sorted(names & _PHOTOS))}: compares local features of photos, which "
                f"files of descriptors do not have; there are: {others}"
            )
        believed = not names <= {*_NO_LABELS, *_VOTES}
        return cls(text, chain, votes=not names <= {*_NO_LABELS}, beliefs=believed)


def need_labels(methods: Sequence[Method], *, votes: bool, given: bool) -> None:
    """Refuses methods that need labels where there are none.

    Args:
        methods: the methods.
        votes: whether the queries are to be named besides.
        given: whether there is a training set.

    Raises:
        InputError: if something needs labels and there are none.
    """
    voting = [method.name for method in methods if method.votes]
    if (voting or votes) and not given:
        raise InputError(
            f"{', '.join(voting) or 'recognition'} needs votes; give --training and "
            f"--training-labels, or only re-rankers without: {', '.join(_NO_LABELS)}"
        )


def parse_methods(texts: Sequence[str]) -> list[Method]:
    """Several methods, each once.

    Raises:
        InputError: as `Method.of`, or if one is there twice.
    """
    methods = [Method.of(text) for text in texts]
    names = [method.name for method in methods]
    if len(set(names)) < len(names):
        raise InputError(f"--rerank names one method twice: {', '.join(names)}; name it once")
    return methods
