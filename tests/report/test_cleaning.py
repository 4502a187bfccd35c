"""The page of a cleaning, as a parser sees it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from steeple.cleaning import (
    LabelledImages,
    Noise,
    Reason,
    Rule,
    Settings,
    clean,
    describe_labelled,
    labelled_photos,
)
from steeple.collection.store import LocalStore
from steeple.demo import build_city
from steeple.errors import StorageError
from steeple.report.cleaning import cleaning_report, write_cleaning_report

from .conftest import Page

SETTINGS = Settings(Rule.of("upright"))


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cleaning")
    build_city(folder / "city", photos=44, size=200, seed=3, workers=1)
    describe_labelled(labelled_photos(folder / "city"), folder / "places", workers=1)
    with closing(LocalStore(folder / "places")) as store:
        yield LabelledImages.read(store)


def with_reasons(cleaned, *reasons):
    """The same, with these reasons for the first images, and the rest kept."""
    out = np.zeros(len(cleaned.decision.reasons), dtype=np.uint8)
    out[: len(reasons)] = reasons
    return replace(cleaned, decision=replace(cleaned.decision, reasons=out))


def page_of(labelled, cleaned, tmp_path):
    report = cleaning_report(labelled, cleaned, title="A <b>city</b>", subtitle="by the rule")
    return report, Page(write_cleaning_report(report, tmp_path / "page.html"))


def test_every_reason_has_its_section(labelled, tmp_path):
    cleaned = clean(labelled, SETTINGS, tmp_path / "work", workers=1)
    shown = with_reasons(cleaned, Reason.ALONE, Reason.UNVERIFIED, Reason.UNVERIFIED, Reason.SMALL)
    report, page = page_of(labelled, shown, tmp_path)
    assert [group.count for group in report.groups] == [1, 2, 1]
    assert "A <b>city</b>" in page.text
    assert "Nobody like them" in page.text
    assert shown.why(1) in page.text
    assert len(page.with_class("sample")) == 4
    assert len(page.ids()) == len(set(page.ids()))
    for image in labelled.find(np.arange(4)).values():
        assert image.id in page.text


def test_the_learned_filter_shows_what_looks_alike(labelled, tmp_path):
    settings = replace(SETTINGS, noise=Noise.LEARNED)
    cleaned = clean(labelled, settings, tmp_path / "work", workers=1)
    cleaned.model.wrong[:2] = 0.7, 0.9
    shown = with_reasons(cleaned, Reason.DOUBTED, Reason.DOUBTED)
    report, page = page_of(labelled, shown, tmp_path)
    (group,) = report.groups
    images = labelled.find(np.array([1, 0]))
    assert [one.id for one in group.dropped] == [images[1].id, images[0].id]  # the surest first
    near = labelled.find(cleaned.evidence.near.ids[1][:8])
    assert [photo.id for photo in group.dropped[0].rows[1].photos] == [
        near[i].id for i in cleaned.evidence.near.ids[1][:8].tolist()
    ]
    assert "probability 0.90" in page.text


def test_nothing_dropped(labelled, tmp_path):
    cleaned = clean(labelled, SETTINGS, tmp_path / "work", workers=1)
    report, page = page_of(labelled, with_reasons(cleaned), tmp_path)
    assert report.groups == ()
    assert "Nothing was dropped." in page.text


def test_it_is_complete_in_itself_and_the_same_twice(labelled, tmp_path):
    cleaned = clean(labelled, SETTINGS, tmp_path / "work", workers=1)
    shown = with_reasons(cleaned, *[Reason.UNVERIFIED] * 4)
    _, page = page_of(labelled, shown, tmp_path)
    first = (tmp_path / "page.html").read_bytes()
    page_of(labelled, shown, tmp_path)
    assert (tmp_path / "page.html").read_bytes() == first
    assert "http" not in page.source.replace("http-equiv", "")


def test_a_place_that_cannot_be_written(labelled, tmp_path):
    cleaned = clean(labelled, SETTINGS, tmp_path / "work", workers=1)
    report = cleaning_report(labelled, with_reasons(cleaned), title="t", subtitle="")
    with pytest.raises(StorageError, match=r"gone/page\.html"):
        write_cleaning_report(report, tmp_path / "gone" / "page.html")
