"""steeple remove: images go, photos stay."""

from __future__ import annotations

from steeple import Collection


def test_removes_images_and_keeps_photos(steeple, places, city):
    photo = next((city.root / "index").rglob("*.jpg"))
    before = city.train + city.index
    ran = steeple("remove", places, photo.stem)
    assert (ran.code, ran.out, ran.err) == (0, f"1 removed, {before - 1} left\n", "")
    assert photo.exists()
    with Collection.open(places) as collection:
        assert photo.stem not in collection


def test_json(steeple, places, city):
    ids = [photo.stem for photo in (city.root / "index").rglob("*.jpg")][:3]
    ran = steeple("remove", places, *ids, ids[0], "--json")
    assert (ran.code, ran.json) == (0, {"collection": str(places), "removed": 3})


def test_an_unknown_id_changes_nothing(steeple, places, city):
    photo = next((city.root / "index").rglob("*.jpg"))
    steeple("remove", places, photo.stem, "[red]nope[/]").refused(
        2, "'[red]nope[/]'", "nothing was changed"
    )
    with Collection.open(places) as collection:
        assert photo.stem in collection


def test_an_id_that_begins_with_a_dash(steeple, places, photos, tmp_path):
    steeple("add", places, photos[0], "--prefix=-", "--workers", "1")
    assert steeple("remove", places, "--", f"-{photos[0].name}").code == 0
