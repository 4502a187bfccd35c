"""Answers as values."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace

import pytest

from steeple import Hit, Hits
from steeple.errors import InputError


def test_a_sequence_of_hits() -> None:
    first = Hit("a", 0.5, "retrieved", "Spire", 1.0, 0, "/a")
    second = Hit("b", 0.25, "inserted", None, 0.25, None, "/b", 27, 61.5)
    hits = Hits((first, second), "Spire", 0.75)
    assert len(hits) == 2
    assert hits[0] == first
    assert hits[-1] == second
    assert hits[:1] == (first,)
    assert list(hits) == [first, second]
    assert second in hits
    assert bool(hits)
    assert not Hits((), None, 0.0)
    assert json.loads(json.dumps(hits.to_dict())) == {
        "landmark": "Spire",
        "confidence": 0.75,
        "hits": [
            {
                "id": "a",
                "score": 0.5,
                "origin": "retrieved",
                "landmark": "Spire",
                "probability": 1.0,
                "rank": 0,
                "path": "/a",
                "inliers": None,
                "surprise": None,
            },
            {
                "id": "b",
                "score": 0.25,
                "origin": "inserted",
                "landmark": None,
                "probability": 0.25,
                "rank": None,
                "path": "/b",
                "inliers": 27,
                "surprise": 61.5,
            },
        ],
    }


PLAIN = Hit("a", 0.5, "retrieved", "Spire", 1.0, 0, "/a")


def test_a_hit_asks_what_explains_it() -> None:
    asked = []
    explained = replace(PLAIN, _explainer=asked.append)  # type: ignore[arg-type]
    explained.explain()
    assert asked == [explained]
    assert explained == PLAIN
    assert hash(explained) == hash(PLAIN)
    assert repr(explained) == repr(PLAIN)
    assert explained.to_dict() == PLAIN.to_dict()
    json.dumps(Hits((explained,), None, 0.0).to_dict())


def test_a_hit_made_elsewhere_cannot_be_explained() -> None:
    with pytest.raises(InputError, match=r"hit 'a' cannot be explained.*search again"):
        PLAIN.explain()


@pytest.mark.parametrize(
    "double", [copy.deepcopy, lambda hits: pickle.loads(pickle.dumps(hits))], ids=["copy", "pickle"]
)
def test_hits_travel_without_what_explains_them(double) -> None:
    """It holds open files; a local function stands for them, which cannot be pickled."""
    hits = Hits((replace(PLAIN, _explainer=lambda hit: hit),), "Spire", 0.75)  # type: ignore
    twin = double(hits)
    assert twin == hits
    with pytest.raises(InputError):
        twin[0].explain()
    assert hits[0].explain() is hits[0]
