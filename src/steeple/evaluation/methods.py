"""Which re-rankers an evaluation compares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from steeple.errors import InputError
from steeple.retrieval.reranking import RERANKERS, Chain, create_reranker

__all__ = ["METHODS", "REVISITED_METHODS", "Methods", "chosen_methods", "usual_methods"]

Methods: TypeAlias = dict[str, Chain]
"""Re-rankers by the name they have in tables."""

METHODS = ("knn", "aqe", "sort", "two-stage", "default")
"""The re-rankers compared on GLD-v2 unless others are named, and ``spatial`` where it can work."""

REVISITED_METHODS = ("knn", "aqe", "default")
"""The same on Revisited Oxford and Paris, where nobody votes."""

_VOTERS = frozenset({"sort", "two-stage", "gated", "label-aqe", "label-diffusion"})
_VERIFIERS = frozenset({"spatial", "inliers", "fusion"})


def chosen_methods(
    methods: Sequence[str] | None, lacking: str | None = None, *, local_features: bool = True
) -> Methods | None:
    """The re-rankers of some texts, in which ``+`` joins a chain.

    Args:
        methods: the texts; None, and ``all`` alone, name none yet.
        lacking: the data set, if it has no training set, without which some cannot work.
        local_features: whether the collection keeps them, or will.

    Returns:
        Text -> re-ranker; None where none is named.

    Raises:
        InputError: if no re-ranker has one of the names, one cannot have its parameters, or one
            needs the training set or the local features that are not there.
    """
    if methods is None or list(methods) == ["all"]:
        return None
    chosen = {text: create_reranker(text.replace("+", ",")) for text in methods}
    links = [link.strip() for text in methods for link in text.replace("+", ",").split(",")]
    can = ", ".join(_runnable(labels=lacking is None, local_features=local_features))
    if lacking is not None and (voter := _first(links, _VOTERS)):
        raise InputError(
            f"{voter} needs a training set with labels, and {lacking} has none; "
            f"leave it out: {can} can run"
        )
    if not local_features and (verifier := _first(links, _VERIFIERS)):
        raise InputError(
            f"{verifier} compares local features, and the collection keeps none; make one without "
            f"--no-local-features, or leave it out: {can} can run"
        )
    return chosen


def usual_methods(
    methods: Sequence[str] | None,
    usual: Sequence[str],
    *,
    labels: bool,
    local_features: bool,
) -> Methods:
    """What is compared where `chosen_methods` finds no names.

    Args:
        methods: None for the usual ones, ``all`` for all that have what they work with.
        usual: the usual ones; ``spatial`` joins them, last but one, where it can.
        labels: whether there is a training set that votes.
        local_features: whether the collection keeps local features.
    """
    if methods is not None:
        names = _runnable(labels=labels, local_features=local_features)
    else:
        names = [*usual[:-1], *(["spatial"] if local_features else []), usual[-1]]
    return {name: create_reranker(name) for name in names}


def _first(links: Sequence[str], of: frozenset[str]) -> str | None:
    """The first link of a chain that is one of those."""
    return next((link for link in links if link.split(":")[0].strip() in of), None)


def _runnable(*, labels: bool, local_features: bool) -> list[str]:
    lacking = (frozenset() if labels else _VOTERS) | (frozenset() if local_features else _VERIFIERS)
    return [name for name in RERANKERS if name not in lacking]
