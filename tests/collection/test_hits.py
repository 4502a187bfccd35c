"""Answers as values."""

from __future__ import annotations

import json

from steeple import Hit, Hits


def test_a_sequence_of_hits() -> None:
    first = Hit("a", 0.5, "retrieved", "Spire", 1.0, 0, "/a")
    second = Hit("b", 0.25, "inserted", None, 0.25, None, "/b")
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
            },
            {
                "id": "b",
                "score": 0.25,
                "origin": "inserted",
                "landmark": None,
                "probability": 0.25,
                "rank": None,
                "path": "/b",
            },
        ],
    }
