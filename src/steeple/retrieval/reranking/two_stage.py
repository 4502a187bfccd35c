"""The two-stage discriminative re-ranking of the paper: the sort-step, then the insert-step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steeple.errors import InputError
from steeple.retrieval.reranking.base import Context, check_images, check_queries, need_each
from steeple.retrieval.types import PAD, UNVOTED, Floats, Ids, Ranking, Votes

__all__ = ["Members", "TwoStage", "merge_positives", "restack", "two_stage"]

_BLOCK = 2048  # queries at a time: some 5 MB of work space at k = 100, which caches hold


def two_stage(
    ranking: Ranking,
    query_votes: Votes,
    index_votes: Votes,
    *,
    threshold: float = 0.6,
    k: int = 100,
    sort: bool = True,
    insert: bool = True,
) -> Ranking:
    """Re-ranks neighbours by the votes of queries and index images (paper, sections 3.3 and 3.4).

    Sort-step: a stable partition, positives (index images whose voted landmark is the query's)
    before negatives. Insert-step: the positives of the whole index that the list lacks and for
    which v(query) + v(image) > threshold, by descending v(image) (ties: lower position first), go
    after the last positive and before the first negative. The list is cut to k.

    Source: Yokoo et al., "Two-stage Discriminative Re-ranking for Large-scale Landmark Retrieval",
    CVPRW 2020. Cost: one pass over the N votes and a sort of those whose landmark some query has
    been voted, for all queries together, then K places a query; at the size of GLD-v2 and k = 100
    some 8 microseconds a query in all. When it helps and when it harms: see `TwoStage`.

    Args:
        ranking: (Q, K) neighbours; a pad (-1) is skipped.
        query_votes: Q votes.
        index_votes: N votes, one per index image. Label -1 (no vote) is nobody's positive.
        threshold: tau; votes and tau are added and compared in float32.
        k: length of the result.
        sort: whether to take the sort-step. Without it the list keeps its order and insertions
            follow its last positive, or lead the list if it has none.
        insert: whether to take the insert-step.

    Returns:
        Ranking of shape (Q, k), padded with -1 (score -inf). Images of the list keep their score,
        inserted ones carry their own vote score; so scores need not descend.

    Raises:
        InputError: if the arrays do not fit together or k < 1.
    """
    _check(ranking, query_votes, index_votes, k)
    return restack(
        ranking, query_votes, index_votes, threshold=threshold, k=k, sort=sort, insert=insert
    )


def restack(
    ranking: Ranking,
    query_votes: Votes,
    index_votes: Votes,
    *,
    threshold: float,
    k: int,
    sort: bool = True,
    insert: bool = True,
    ahead: npt.NDArray[np.bool_] | None = None,
    ties: Floats | None = None,
) -> Ranking:
    """The two steps on arrays known to be right; see `two_stage` for what they do.

    Args:
        ranking: (Q, K) neighbours.
        query_votes: Q votes.
        index_votes: N votes.
        threshold: tau.
        k: length of the result.
        sort: whether to take the sort-step.
        insert: whether to take the insert-step.
        ahead: (Q, K) bool, listed images that the sort-step treats like positives whatever was
            voted for them.
        ties: (N,) float32, decides between equal scores at insertion, larger first, before the
            position does.

    Returns:
        Ranking of shape (Q, k).
    """
    members = Members.of(index_votes, query_votes.labels, ties) if insert else None
    out = _empty(len(ranking), k)
    for start in range(0, len(ranking), _BLOCK):
        part = slice(start, start + _BLOCK)
        votes = query_votes[part]
        listed = ranking.ids[part]
        positive = (listed != PAD) & (votes.labels[:, None] != UNVOTED)
        if len(index_votes):
            positive &= index_votes.labels[listed] == votes.labels[:, None]
        inserted = None
        if members is not None:
            room = positive.sum(axis=1) + k
            reach = np.minimum(members.above(votes, np.float32(threshold)), room)
            inserted = members.missing(votes.labels, reach, listed, positive)
        first = positive if ahead is None else positive | (ahead[part] & (listed != PAD))
        merge_positives(ranking[part], first, inserted, sort=sort, out=out[part])
    return out


@dataclass(frozen=True)
class TwoStage:
    """The sort-step and the insert-step of the paper, `two_stage` as a re-ranker.

    The sort-step alone (`sort`) puts first what is listed and voted the query's landmark; the
    insert-step adds what is not listed: views that look unlike the query, but whose own neighbours
    in the training set say what they show.

    Source: Yokoo et al., "Two-stage Discriminative Re-ranking for Large-scale Landmark Retrieval",
    CVPRW 2020, sections 3.3 (sort) and 3.4 (insert).

    Costs, offline, the three nearest training images of every index image, and those of every
    query; re-ranking itself takes microseconds a query. Helps where the training set has the
    landmarks that are searched for, the more so the more unlike their views are. Harms where it has
    not: every image is voted something, so that a query of an unknown landmark has whatever the
    wrong one looks like sorted and inserted before what was found (docs/performance.md; `gated` is
    made for that).

    Args:
        threshold: tau of the insert-step.
        sort: whether to take the sort-step.
        insert: whether to take the insert-step.

    Raises:
        InputError: if the threshold is NaN, which nothing exceeds.
    """

    threshold: float = 0.6
    sort: bool = True
    insert: bool = True

    def __post_init__(self) -> None:
        if math.isnan(self.threshold):
            raise InputError("threshold is NaN; it must be a number")

    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        """Re-ranks with the votes of the context.

        Returns:
            (Q, K) positives, insertions, negatives, with the scores that `two_stage` gives them.

        Raises:
            InputError: if the context has no votes, or they do not fit the ranking.
        """
        query, index = need_each(ranking, context, "query_votes", "index_votes")
        return two_stage(
            ranking,
            query,
            index,
            threshold=self.threshold,
            k=ranking.ids.shape[1],
            sort=self.sort,
            insert=self.insert,
        )


@dataclass(frozen=True)
class Inserted:
    """Images to insert, all queries' in one flat list.

    Args:
        query: (m,) int64, the query each belongs to, ascending.
        rank: (m,) int64, its place among those inserted for that query.
        ids: (m,) int64, positions in the index.
        scores: (m,) float32, their vote scores.
    """

    query: Ids
    rank: Ids
    ids: Ids
    scores: Floats


@dataclass(frozen=True)
class Members:
    """The index images grouped by voted landmark, each group by descending vote score.

    Args:
        labels: (n,) int64, ascending: the landmark at each place of the grouped order.
        scores: (n,) float32, descending within a landmark.
        ids: (n,) int64, positions in the index.
        place: (N,) int64, where each index image stands in the grouped order; -1 if not voted.
    """

    labels: Ids
    scores: Floats
    ids: Ids
    place: Ids

    @classmethod
    def of(cls, votes: Votes, wanted: Ids, ties: Floats | None = None) -> Members:
        """Groups those images of an index whose voted landmark is one of the wanted.

        Args:
            votes: N votes.
            wanted: landmarks, in any order and number.
            ties: (N,) float32, decides between equal scores, larger first.
        """
        wanted = np.unique(wanted)
        voted = np.flatnonzero(np.isin(votes.labels, wanted[wanted != UNVOTED]))
        # The sort is stable, so that at equal scores the lower position stays first.
        scores, labels = -votes.scores[voted], votes.labels[voted]
        keys = (scores, labels) if ties is None else (-ties[voted], scores, labels)
        order = voted[np.lexsort(keys)]
        place = np.full(len(votes), -1, dtype=np.int64)
        place[order] = np.arange(len(order))
        return cls(votes.labels[order], votes.scores[order], order, place)

    def above(self, votes: Votes, threshold: np.float32) -> Ids:
        """How many members of each query's landmark pass v(query) + v(member) > threshold.

        Scores descend within a landmark and float32 addition is monotone, so those that pass are
        a prefix of the group, found by bisection for all queries at once.

        Returns:
            (Q,) int64.
        """
        start = np.searchsorted(self.labels, votes.labels, side="left")
        low, high = start.copy(), np.searchsorted(self.labels, votes.labels, side="right")
        while len(low) and (low < high).any():
            middle = (low + high) // 2
            open_ = low < high
            score = self.scores[np.where(open_, middle, 0)]
            passes = (votes.scores + score > threshold) & open_
            low = np.where(passes, middle + 1, low)
            high = np.where(open_ & ~passes, middle, high)
        return low - start

    def missing(
        self,
        labels: Ids,
        reach: Ids,
        listed: Ids,
        positive: npt.NDArray[np.bool_],
    ) -> Inserted:
        """The first `reach` members of each query's landmark that its list lacks.

        Args:
            labels: (Q,) int64, the landmark of each query.
            reach: (Q,) int64, how many members to consider.
            listed: (Q, K) int64, the lists.
            positive: (Q, K) bool, which of the listed images are of the query's landmark.
        """
        start = np.searchsorted(self.labels, labels, side="left")
        offset = np.cumsum(reach) - reach
        lacking = np.ones(int(reach.sum()), dtype=bool)
        query, column = np.nonzero(positive)
        within = self.place[listed[query, column]] - start[query]
        near = within < reach[query]
        lacking[(offset[query] + within)[near]] = False
        flat = np.flatnonzero(lacking)
        owner = np.repeat(np.arange(len(labels)), reach)[flat]
        member = start[owner] + flat - offset[owner]
        count = np.bincount(owner, minlength=len(labels))
        rank = np.arange(len(flat)) - (np.cumsum(count) - count)[owner]
        return Inserted(owner, rank, self.ids[member], self.scores[member])


def merge_positives(
    ranking: Ranking,
    positive: npt.NDArray[np.bool_],
    inserted: Inserted | None,
    *,
    sort: bool,
    out: Ranking,
) -> None:
    """Lays out listed positives, inserted images and negatives in `out`, which holds pads.

    Args:
        ranking: (Q, K) lists.
        positive: (Q, K) bool, the positives among them.
        inserted: what goes between positives and negatives.
        sort: whether positives move before negatives.
        out: (Q, k) ranking filled with pads; written in place and cut at k.
    """
    k = out.ids.shape[1]
    listed = ranking.ids != PAD
    place = _places(positive, listed) if sort else np.cumsum(listed, axis=1) - 1
    if inserted is not None:
        # With the sort-step the last positive's place is their number less one.
        after = np.where(positive, place + 1, 0).max(axis=1, initial=0)
        count = np.bincount(inserted.query, minlength=len(ranking))
        place += np.where(place >= after[:, None], count[:, None], 0)
        column = after[inserted.query] + inserted.rank
        room = column < k
        row = inserted.query[room]
        out.ids[row, column[room]] = inserted.ids[room]
        out.scores[row, column[room]] = inserted.scores[room]
    fits = listed & (place < k)
    target = (place + k * np.arange(len(ranking))[:, None])[fits]
    out.ids.reshape(-1)[target] = ranking.ids[fits]
    out.scores.reshape(-1)[target] = ranking.scores[fits]


def _places(positive: npt.NDArray[np.bool_], listed: npt.NDArray[np.bool_]) -> Ids:
    """Where a stable partition puts each listed image: (Q, K) int64."""
    before = np.cumsum(positive, axis=1)
    negatives = np.cumsum(listed & ~positive, axis=1)
    total = before[:, -1:] if before.shape[1] else np.zeros((len(before), 1), dtype=np.int64)
    return np.where(positive, before - 1, total + negatives - 1)


def _empty(queries: int, k: int) -> Ranking:
    return Ranking(
        np.full((queries, k), PAD, dtype=np.int64),
        np.full((queries, k), -np.inf, dtype=np.float32),
    )


def _check(ranking: Ranking, query_votes: Votes, index_votes: Votes, k: int) -> None:
    check_queries(ranking.ids, len(query_votes), "query votes")
    check_images(ranking.ids, len(index_votes), "index votes")
    if k < 1:
        raise InputError(f"k is {k}; at least one image must be asked for")
