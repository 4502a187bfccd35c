"""From an explanation to what a page shows: with fakes, which draw what they are told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from steeple import Hit
from steeple.collection.explaining import Explainer, Explanation
from steeple.collection.hits import Recognition
from steeple.geometry import Features
from steeple.images import read_image
from steeple.report import Tile, Why, show_matches, write_contact_sheet

from .conftest import Page, Photo

PLACES = np.random.default_rng(0).uniform(2, 28, (20, 2))


def features(count: int) -> Features:
    keypoints = np.c_[PLACES[:count], np.full(count, 4)].astype(np.float32)
    descriptors = np.random.default_rng(1).integers(0, 256, (count, 128), dtype=np.uint8)
    return Features(keypoints, descriptors)


@pytest.fixture
def explain(photo: Photo) -> Callable[..., Explanation]:
    def run(count: int = 20, path: Path | None = None, name: str = "b", **changes) -> Explanation:
        both = features(count)
        given = {"photo": photo(1), "features": both, "stored": lambda _: both}
        explainer = Explainer(**(given | changes), query=Recognition("Old Tower", 0.9))
        found = path or photo(2)
        return explainer(0, Hit(name, 0.5, "retrieved", "Old Tower", 1.0, 0, str(found)))

    return run


def test_the_sentences_and_the_picture(explain: Callable[..., Explanation]) -> None:
    explanation = explain()
    why = show_matches(explanation, side=300)

    assert why.summary == explanation.geometry
    assert {why.summary, *why.sentences} == set(explanation.sentences())
    assert why.summary not in why.sentences
    assert why.alt == "The query and b, with lines between 20 details that match"
    picture = read_image(why.picture)
    assert picture.shape == (why.size[1], why.size[0], 3)
    drawn = explanation.picture(side=300).astype(int)
    assert np.abs(picture - drawn).mean() < 30
    assert show_matches(explanation, side=300) == why


def test_alternative_texts_count_lines(explain: Callable[..., Explanation]) -> None:
    assert show_matches(explain(0), side=200).alt == "The query and b, without lines"
    assert "lines between 1 detail that matches" in show_matches(explain(1), side=200).alt
    assert show_matches(explain(stored=None), side=200).alt.endswith("without lines")


def test_what_cannot_be_drawn_is_said(explain: Callable[..., Explanation], tmp_path: Path) -> None:
    gone = show_matches(explain(path=tmp_path / "gone.jpg"), side=200)
    assert (gone.picture, gone.size) == (None, (0, 0))
    assert gone.summary.startswith("20 of 20")
    assert "gone.jpg: no such file" in gone.sentences[-1]
    assert "photo itself" in show_matches(explain(photo=None), side=200).sentences[-1]


def tile(path: Path, place: int, why: Why | None, inliers: int | None) -> Tile:
    plain = Tile(path, f"id{place}", 0.5, "unknown", "retrieved", "Old Tower", None)
    return dataclasses.replace(plain, inliers=inliers, why=why)


def test_the_page_of_a_search_unfolds_them(
    explain: Callable[..., Explanation], photo: Photo, tmp_path: Path
) -> None:
    hostile = '"><script>x</script>&'
    whys = [
        show_matches(explain(), side=300),
        show_matches(explain(1, name=hostile), side=300),
        show_matches(explain(path=tmp_path / "gone.jpg"), side=300),
        None,
    ]
    counts = [20, 1, None, 0]
    tiles = [
        tile(photo(9), place, why, count)
        for place, (why, count) in enumerate(zip(whys, counts, strict=True), start=1)
    ]

    page = Page(
        write_contact_sheet(photo(1), None, None, tiles, tmp_path / "s.html", title="Search")
    )

    details = [a for tag, a in page.elements if tag == "details"]
    assert [a["id"] for a in details] == ["why-1", "why-2", "why-3"]
    assert ["open" in a for a in details] == [True, False, False]
    pictures = [a for tag, a in page.elements if tag == "img"]
    assert [a["alt"] for a in pictures] == [why.alt for why in whys[:2] if why]
    assert hostile in (pictures[1]["alt"] or "")
    assert not page.scripts
    for a in pictures:
        assert (a["src"] or "").startswith("data:image/jpeg;base64,")
    assert [(int(a["width"] or 0), int(a["height"] or 0)) for a in pictures] == [
        why.size for why in whys[:2] if why
    ]
    for why in whys[:3]:
        assert why is not None
        assert f"\n{why.summary}\n" in page.text
        for sentence in why.sentences:
            assert f"\n{sentence}\n" in page.text
    assert "\n20 details agree\n" in page.text
    assert "\n1 detail agrees\n" in page.text
    assert "\n0 details agree\n" in page.text
    assert "None" not in page.text


def test_a_page_without_explanations_has_no_place_for_them(photo: Photo, tmp_path: Path) -> None:
    tiles = [tile(photo(2), 1, None, None)]

    page = Page(
        write_contact_sheet(photo(1), None, None, tiles, tmp_path / "s.html", title="Search")
    )

    assert "Why" not in page.text
    assert "agree" not in page.text
    assert not [tag for tag, _ in page.elements if tag in ("details", "img")]
