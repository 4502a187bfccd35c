"""The facade: open and closed, changed by one process while another reads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from steeple import Collection
from steeple.errors import CollectionError, ImageError, InputError, NothingToDoError


def landmarks(places: Collection) -> dict[str, str | None]:
    return {image.id: image.landmark for image in places}


@pytest.fixture
def full(places: Collection, city: Path) -> Collection:
    places.add(city, workers=1)
    return places


def test_what_it_holds(full: Collection, tmp_path: Path) -> None:
    assert len(full) == len(list(full)) == 14
    assert "abbey/0.jpg" in full
    assert "abbey" not in full
    assert 3 not in full
    assert full["street.jpg"].landmark is None
    assert full.folder == tmp_path / "places"
    with pytest.raises(InputError, match="has no image 'none'"):
        full["none"]


def test_opened_again(full: Collection, city: Path) -> None:
    full.close()
    with Collection.open(full.folder) as again:
        assert again.embedder.learned_from == 14
        hits = again.search(city / "abbey" / "0.jpg", k=3)
        assert hits[0].id == "abbey/0.jpg"
        assert {hit.landmark for hit in hits} == {"abbey"}


def test_every_form_of_a_query(full: Collection, city: Path, tiny: ModuleType) -> None:
    path = city / "abbey" / "0.jpg"
    forms: list[Any] = [path, str(path), path.read_bytes(), tiny.draw(0, like=0)[:, :, ::-1].copy()]
    answers = [full.search(form, k=5) for form in forms]
    assert all(answer == answers[0] for answer in answers[1:])
    with pytest.raises(ImageError):
        full.search(city / "none.jpg")


class TestCreate:
    def test_an_unknown_embedder(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no embedder is called 'magic'"):
            Collection.create(tmp_path / "places", embedder="magic")
        assert not (tmp_path / "places").exists()

    def test_over_another(self, full: Collection) -> None:
        with pytest.raises(CollectionError, match="already exists"):
            Collection.create(full.folder)

    def test_empty_it_says_what_to_do(self, places: Collection, city: Path) -> None:
        assert len(places) == 0
        with pytest.raises(InputError, match="is empty; add photos with: steeple add"):
            places.search(city / "street.jpg")
        assert places.statistics()["images"] == 0

    def test_a_folder_that_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(CollectionError, match="is not a collection"):
            Collection.open(tmp_path)

    def test_the_same_seed_the_same_collection(self, tmp_path: Path, city: Path) -> None:
        stored = []
        for name in ("one", "two"):
            with Collection.create(tmp_path / name, seed=3) as collection:
                collection.add(city, workers=1)
                rows = np.arange(len(collection))
                stored.append(collection._store.segments.read(rows).tobytes())
        assert stored[0] == stored[1]


class TestRemove:
    def test_it_is_found_no_more(self, full: Collection, city: Path) -> None:
        assert full.remove(["abbey/0.jpg", "street.jpg", "street.jpg"]) == 2
        assert len(full) == 12
        assert "abbey/0.jpg" not in [hit.id for hit in full.search(city / "abbey" / "0.jpg")]
        assert full.statistics()["holes"] == 2

    def test_all_or_none(self, full: Collection) -> None:
        with pytest.raises(InputError, match=r"'none' \(and 1 more\); nothing was changed"):
            full.remove(["street.jpg", "none", "nor this"])
        assert len(full) == 14

    def test_everything(self, full: Collection, city: Path) -> None:
        full.remove([image.id for image in full])
        assert len(full) == 0
        assert len(full.search(city / "street.jpg")) == 0
        assert full.add(city, workers=1).added == 14
        assert full.search(city / "street.jpg")[0].id == "street.jpg"

    def test_nothing(self, full: Collection) -> None:
        assert full.remove([]) == 0


class TestLabel:
    def test_a_landmark_given_changed_and_taken_away(self, full: Collection, city: Path) -> None:
        full.label({"street.jpg": "Main Street", "abbey/0.jpg": "minster", "abbey/1.jpg": None})
        assert landmarks(full)["street.jpg"] == "Main Street"
        assert full["street.jpg"].role == 3
        assert full["abbey/0.jpg"].landmark == "minster"
        assert (full["abbey/1.jpg"].landmark, full["abbey/1.jpg"].role) == (None, 2)
        hits = full.search(city / "abbey" / "1.jpg", k=4, rerank="knn")
        assert hits[0].id == "abbey/1.jpg"
        assert full.statistics()["training"] == 12

    @pytest.mark.parametrize("landmark", ["", "  "])
    def test_an_empty_one(self, full: Collection, landmark: str) -> None:
        with pytest.raises(InputError, match=r"the landmark of 'street\.jpg' is empty"):
            full.label({"abbey/0.jpg": "minster", "street.jpg": landmark})
        assert full["abbey/0.jpg"].landmark == "abbey"

    def test_an_image_that_is_not_there(self, full: Collection) -> None:
        with pytest.raises(InputError, match="nothing was changed"):
            full.label({"abbey/0.jpg": "minster", "none": "x"})
        assert full["abbey/0.jpg"].landmark == "abbey"


def test_statistics(full: Collection) -> None:
    numbers = full.statistics()
    assert numbers["images"] == numbers["index"] == 14
    assert (numbers["training"], numbers["landmarks"], numbers["holes"]) == (12, 3, 0)
    assert (numbers["embedder"], numbers["learned_from"], numbers["dimension"]) == ("tiny", 14, 48)
    assert numbers["bytes"] >= 14 * 48 * 4
    assert set(numbers["calibration"]) == {"slope", "intercept", "sampled"}


class TestTwoAtATime:
    def test_a_reader_sees_what_another_adds(self, places: Collection, city: Path) -> None:
        with Collection.open(places.folder) as reader:
            with pytest.raises(InputError, match="is empty"):
                reader.search(city / "street.jpg")
            places.add(city, workers=1)
            assert reader.search(city / "street.jpg")[0].id == "street.jpg"
            places.remove(["street.jpg"])
            assert "street.jpg" not in [hit.id for hit in reader.search(city / "street.jpg")]

    def test_one_view_stays_as_it_is(self, full: Collection, city: Path) -> None:
        with Collection.open(full.folder) as reader, reader.view() as view:
            before = view.search(full.embed([city / "street.jpg"]), 14)
            full.remove(["street.jpg", "abbey/0.jpg"])
            after = view.search(full.embed([city / "street.jpg"]), 14)
            np.testing.assert_array_equal(before.ids, after.ids)
            assert len(view) == 14

    def test_searching_in_the_middle_of_an_add(
        self, full: Collection, city: Path, tiny: ModuleType, tmp_path: Path
    ) -> None:
        more = tmp_path / "more"
        for seed in range(6):
            tiny.write(more / f"{seed}.jpg", 700 + seed)
        counts = []

        def look(stage: str, done: int, total: int | None) -> None:
            with Collection.open(full.folder) as reader:
                counts.append(len(reader.search(city / "street.jpg")))

        full.add(more, workers=1, progress=look)
        assert set(counts) == {14, 20}
        assert counts == sorted(counts)

    def test_a_second_writer_is_told_of_the_first(
        self, full: Collection, city: Path, tmp_path: Path
    ) -> None:
        script = (
            "import sys; from pathlib import Path\n"
            "from steeple.collection.store import LocalStore\n"
            "with LocalStore(Path(sys.argv[1])).writing():\n"
            "    print('writing', flush=True); sys.stdin.readline()\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script, str(full.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            for change in (
                lambda: full.add(city, workers=1),
                lambda: full.remove(["street.jpg"]),
                lambda: full.label({"street.jpg": "x"}),
            ):
                with pytest.raises(CollectionError, match=f"written by process {writer.pid} on"):
                    change()
            assert len(full.search(city / "street.jpg")) == 14
            writer.communicate("\n")
        full.remove(["street.jpg"])
        assert not list(full.folder.glob("writer.json"))


def test_a_damaged_embedder(full: Collection, city: Path) -> None:
    (folder,) = full.folder.glob("embedder-*")
    (folder / "tiny.json").write_text("{")
    with (
        Collection.open(full.folder) as broken,
        pytest.raises(CollectionError, match="holds no readable embedder") as caught,
    ):
        broken.search(city / "street.jpg")
    assert str(folder) in str(caught.value)


def test_names_of_all_scripts(places: Collection, tmp_path: Path, tiny: ModuleType) -> None:
    root = tmp_path / "φωτογραφίες"
    for number, name in enumerate(["東京タワー/夜 1.jpg", "東京タワー/夜 2.jpg", "Ål/'%\".jpg"]):
        tiny.write(root / name, number)
    places.add(root, workers=1)
    assert landmarks(places)["東京タワー/夜 1.jpg"] == "東京タワー"
    assert places.search(root / "Ål" / "'%\".jpg", k=1)[0].id == "Ål/'%\".jpg"
    assert places.remove(["Ål/'%\".jpg"]) == 1


class TestBuild:
    def test_nothing_is_left_of_a_collection_of_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "photos").mkdir()
        with pytest.raises(NothingToDoError):
            Collection.build(tmp_path / "photos", tmp_path / "places")
        assert not (tmp_path / "places").exists()

    def test_an_empty_folder_that_was_there_stays_and_stays_empty(self, tmp_path: Path) -> None:
        (tmp_path / "photos").mkdir()
        (tmp_path / "places").mkdir()
        with pytest.raises(NothingToDoError):
            Collection.build(tmp_path / "photos", tmp_path / "places")
        assert list((tmp_path / "places").iterdir()) == []

    def test_a_collection_that_is_there_is_not_touched(
        self, city: Path, places: Collection
    ) -> None:
        places.add(city, workers=1)
        with pytest.raises(CollectionError, match="steeple add"):
            Collection.build(city, places.folder)
        assert len(places) == 14
