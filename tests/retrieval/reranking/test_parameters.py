"""Parameters of re-rankers as text."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.errors import InputError
from steeple.retrieval import Ranking
from steeple.retrieval.reranking import RERANKERS, Chain, Context, Reranker
from steeple.retrieval.reranking.parameters import parameters, parse_link


@dataclass(frozen=True)
class Some:
    """One field of each kind, and two that text cannot set."""

    count: int = 3
    some: int = 0
    weight: float = 0.5
    wide: bool = False
    other: Reranker | None = None
    finds: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise InputError(f"weight is {self.weight}; it must be at least 0")

    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        return ranking


FACTORIES = {"some": Some, "three": partial(Some, count=3, some=3), "none": Chain}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("some", Some()),
        (" some ", Some()),
        ("some:count=1", Some(count=1)),
        ("some:some=0", Some(some=0)),
        ("some:weight=2", Some(weight=2.0)),
        ("some:weight=1e-3:wide=TRUE", Some(weight=1e-3, wide=True)),
        ("some:weight=inf:wide=no", Some(weight=math.inf)),
        ("some : wide = yes : count = 12", Some(count=12, wide=True)),
        ("three", Some(3, 3)),
        ("three:wide=true", Some(3, 3, wide=True)),
        ("none", Chain()),
    ],
)
def test_what_texts_mean(text: str, expected: Reranker) -> None:
    found = parse_link(text, FACTORIES)
    assert found == expected
    if isinstance(found, Some):
        kinds = [type(value) for value in (found.count, found.some, found.weight, found.wide)]
        assert kinds == [int, int, float, bool]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sme", "no re-ranker is called 'sme'; there are: some, three, none"),
        ("", "no re-ranker is called ''; there are: some, three, none"),
        (
            "some:conut=1",
            "re-ranker some: there is no parameter 'conut'; its parameters: count=3, some=0, ",
        ),
        (
            "three:count=1",
            "re-ranker three: there is no parameter 'count'; its parameters: weight=0.5, wide=",
        ),
        ("some:other=1", "there is no parameter 'other'"),
        ("some:finds=no", "there is no parameter 'finds'"),
        ("none:links=1", "re-ranker none: there is no parameter 'links'; its parameters: none"),
        ("some:5", "'5' is no parameter; write NAME:PARAMETER=VALUE (its parameters: count=3, "),
        ("some:", "'' is no parameter"),
        ("some:=5", "there is no parameter ''"),
        ("some:count=1:count=2", "count is given twice; give it once"),
        ("some:count=2.0", "count is a whole number, not '2.0'"),
        ("some:count=", "count is a whole number, not ''"),
        ("some:weight=much", "weight is a number, not 'much'"),
        ("some:weight=1=2", "weight is a number, not '1=2'"),
        ("some:wide=1", "wide is true or false, not '1'"),
        ("some:count=0", "re-ranker some: count is 0; it must be at least 1"),
        ("some:some=-1", "some is -1; it must be at least 0"),
        (f"some:count={10**20}", f"count is {10**20}; it must be at most 2147483647"),
        ("some:weight=nan", "weight is NaN; it must be a number"),
        ("some:weight=-1", "re-ranker some: weight is -1.0; it must be at least 0"),
    ],
)
def test_what_is_wrong_with_others(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_link(text, FACTORIES)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", RERANKERS)
def test_every_default_can_be_written(name: str) -> None:
    own = parameters(RERANKERS[name])
    text = ":".join([name, *map(str, own.values())])
    assert parse_link(text, RERANKERS) == parse_link(name, RERANKERS)


@given(
    count=st.integers(1, 10**6),
    weight=st.floats(min_value=0, allow_nan=False),
    wide=st.booleans(),
)
def test_what_is_written_is_read(count: int, weight: float, wide: bool) -> None:
    made = Some(count=count, weight=weight, wide=wide)
    own = parameters(Some)
    text = ":".join(
        ["some", *(str(replace(own[name], default=getattr(made, name))) for name in own)]
    )
    assert parse_link(text, FACTORIES) == made
