"""steeple recognize: names for photos and folders of photos."""

from __future__ import annotations

import csv
import shutil


def test_names_a_folder(steeple, built, city, photos):
    ran = steeple("recognize", built, city.root / "test", "--json", "--workers", "1")
    assert ran.code == 0
    assert ran.json["failed"] == []
    assert [answer["photo"] for answer in ran.json["answers"]] == [str(p) for p in photos]
    with (city.root / "train_label_to_category.csv").open() as file:
        known = {row["category"] for row in csv.DictReader(file)}
    for answer in ran.json["answers"]:
        assert set(answer) == {"photo", "landmark", "confidence", "distractor"}
        assert 0 <= answer["confidence"] <= 1
        assert answer["landmark"] in known | {None}
    assert any(answer["landmark"] for answer in ran.json["answers"])


def test_the_table_has_one_line_per_photo(shell, built, photos):
    ran = shell("recognize", built, *photos, "--workers", "1", COLUMNS="30")
    assert ran.code == 0
    assert "\x1b" not in ran.out + ran.err
    for photo, row in zip(photos, ran.out.splitlines()[1:], strict=True):
        assert row.startswith(f"{photo} ")
        assert "% sure" in row or "no known landmark" in row


def test_photos_that_cannot_be_read_are_named(steeple, built, photos, tmp_path):
    shutil.copy(photos[0], tmp_path / "[red]good[bold] :cat:.jpg")
    bad = tmp_path / "[red]bad.jpg"
    bad.write_text("no photo")
    ran = steeple("recognize", built, tmp_path)
    assert ran.code == 0
    assert f"{tmp_path}/[red]good[bold] :cat:.jpg " in ran.out
    assert f"{bad}: not a photo" in ran.err
    ran = steeple("recognize", built, tmp_path, "--json")
    assert (ran.code, len(ran.json["answers"])) == (0, 1)
    assert ran.json["failed"][0]["photo"] == str(bad)
    ran = steeple("recognize", built, bad, "--json")
    assert (ran.code, ran.json["answers"]) == (1, [])


def test_refuses_what_it_cannot_use(steeple, built, photos, tmp_path):
    (tmp_path / "empty").mkdir()
    steeple("recognize", built, tmp_path / "gone").refused(2, "gone does not exist")
    steeple("recognize", built, tmp_path / "empty").refused(1, "no photo")
    steeple("recognize", tmp_path / "empty", photos[0]).refused(2, "is not a collection")
