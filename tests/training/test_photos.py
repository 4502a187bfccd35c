"""Which photos are learned from: folders, tables, GLD-v2, collections; and what is left out."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steeple.collection.store import LocalStore, NewImage
from steeple.errors import InputError, LabelError, NothingToDoError
from steeple.training.photos import LeftOut, read_photos

MILL, TOWER, ODD = "mill", "old tower", "odd"


def save(path, width=40, height=30, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), "grey").save(path, **how)


@pytest.fixture
def holidays(tmp_path):
    """A folder of folders of photos; one landmark has one photo only."""
    root = tmp_path / "holidays"
    save(root / TOWER / "b.jpg", 30, 60)
    save(root / TOWER / "a c.png", 50, 40)
    save(root / MILL / "1.jpg")
    save(root / MILL / "2.jpg", 41)
    save(root / MILL / "3.jpg", 42)
    save(root / ODD / "1.jpg")
    save(root / "unsorted.jpg")
    return root


@pytest.fixture
def gldv2(tmp_path):
    """Three landmarks; train_clean.csv has less of them."""
    root = tmp_path / "gldv2"
    labels = {"aaa1": "7", "aaa2": "7", "aaa3": "7", "bbb1": "10", "bbb2": "10", "ccc1": "3"}
    labels["ccc2"] = "3"
    for number, image in enumerate(labels):
        save(root / "train" / Path(*image[:3]) / f"{image}.jpg", 40 + number)
    save(root / "index" / "d" / "d" / "d" / "ddd1.jpg")
    rows = "".join(f"{image},{landmark}\n" for image, landmark in labels.items())
    (root / "train.csv").write_text(f"id,landmark_id\n{rows}")
    (root / "index.csv").write_text("id\nddd1\n")
    (root / "train_clean.csv").write_text("landmark_id,images\n7,aaa1 aaa3\n10,bbb2 bbb1\n")
    # Two landmarks of one name stay two.
    categories = "landmark_id,category\n7,Mill\n10,Mill\n3,Tower\n"
    (root / "train_label_to_category.csv").write_text(categories)
    return root


def shown(photos):
    """File name -> landmark."""
    names = [photos.landmarks[target] for target in photos.targets.tolist()]
    return {Path(path).name: name for path, name in zip(photos.paths, names, strict=True)}


def test_folders_of_photos(holidays):
    photos = read_photos(holidays, workers=1)
    assert photos.landmarks == (MILL, TOWER)
    assert shown(photos) == {
        **dict.fromkeys(("1.jpg", "2.jpg", "3.jpg"), MILL),
        **dict.fromkeys(("a c.png", "b.jpg"), TOWER),
    }
    assert photos.targets.dtype == np.int64
    assert photos.sizes.dtype == np.int32
    names = [Path(path).name for path in photos.paths]
    sizes = dict(zip(names, photos.sizes.tolist(), strict=True))
    assert sizes["b.jpg"] == [30, 60]
    assert sizes["a c.png"] == [50, 40]
    assert photos.left_out == LeftOut(landmarks=1, photos=1)
    assert photos.left_out.notes() == ["1 landmarks left out that have too few photos (1 photos)"]
    assert len(photos) == 5


def test_landmarks_need_as_many_photos_as_are_asked_for(holidays):
    assert read_photos(holidays, least=1, workers=1).landmarks == (MILL, ODD, TOWER)
    assert read_photos(holidays, least=1, workers=1).left_out.notes() == []
    with pytest.raises(InputError, match=r"'mill' is the only landmark with .*\(3 or more\)"):
        read_photos(holidays, least=3)
    with pytest.raises(InputError, match="no landmark has 4 photos or more"):
        read_photos(holidays, least=4)


def test_sizes_are_those_of_the_upright_photo(holidays):
    exif = Image.Exif()
    exif[0x0112] = 6
    save(holidays / MILL / "2.jpg", 80, 20, exif=exif)
    photos = read_photos(holidays, workers=1)
    (place,) = (i for i, path in enumerate(photos.paths) if path.endswith("2.jpg"))
    assert photos.sizes[place].tolist() == [20, 80]


def test_a_table_of_labels(holidays, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("path,landmark\nmill/1.jpg,x\nmill/2.jpg,y\n3,x\nunsorted,y\n")
    photos = read_photos(holidays, table, workers=1)
    assert shown(photos) == {"1.jpg": "x", "2.jpg": "y", "3.jpg": "x", "unsorted.jpg": "y"}
    table.write_text(table.read_text() + "gone,y\n")
    with pytest.raises(LabelError, match="gone"):
        read_photos(holidays, table)
    assert len(read_photos(holidays, table, skip_missing=True, workers=1)) == 4


def test_of_gldv2_the_cleaned_training_photos(gldv2):
    photos = read_photos(gldv2, workers=1)
    assert photos.landmarks == ("10", "7")
    clean = {"aaa1.jpg": "7", "aaa3.jpg": "7", "bbb1.jpg": "10", "bbb2.jpg": "10"}
    assert shown(photos) == clean


def test_the_cleaned_table_can_be_ignored(gldv2):
    photos = read_photos(gldv2, clean="ignore", workers=1)
    assert photos.landmarks == ("10", "3", "7")
    assert len(photos) == 7


@pytest.mark.parametrize(
    "text",
    [
        "landmark_id,images\n3,ccc1 ccc2\n7,aaa2 aaa3\n",
        "id,landmark\nccc1,3\nccc2,3\naaa2,7\naaa3,7\n",
    ],
)
def test_or_another_take_its_place(gldv2, tmp_path, text):
    table = tmp_path / "mine.csv"
    table.write_text(text)
    photos = read_photos(gldv2, clean=str(table), workers=1)
    assert shown(photos) == {"ccc1.jpg": "3", "ccc2.jpg": "3", "aaa2.jpg": "7", "aaa3.jpg": "7"}


def test_a_table_cannot_lead_out_of_a_gldv2_folder(gldv2, tmp_path):
    for text in ("landmark_id,images\n3,../x\n", "id,landmark\n../x,3\n"):
        (tmp_path / "evil.csv").write_text(text)
        with pytest.raises(LabelError, match="slash"):
            read_photos(gldv2, clean=str(tmp_path / "evil.csv"))


@pytest.mark.parametrize(
    "lines",
    [
        ["landmark_id,images", "mill,mill/1.jpg mill/3.jpg", "old tower,tower/a.png tower/b.jpg"],
        ["id,landmark", "mill/1.jpg,m", "mill/3.jpg,m", "tower/a.png,t", "tower/b.jpg,t"],
    ],
)
def test_of_folders_a_cleaned_table_says_what_stays(holidays, tmp_path, lines):
    (holidays / TOWER / "a c.png").rename(holidays / TOWER / "a.png")
    (holidays / TOWER).rename(holidays / "tower")
    table = tmp_path / "clean.csv"
    table.write_text("\n".join(lines))
    photos = read_photos(holidays, clean=str(table), workers=1)
    assert set(shown(photos)) == {"1.jpg", "3.jpg", "a.png", "b.jpg"}


def test_a_table_of_other_photos_or_none_is_refused(holidays, tmp_path):
    table = tmp_path / "clean.csv"
    with pytest.raises(LabelError, match=r"clean.csv: No such file.* use, ignore"):
        read_photos(holidays, clean=str(table))
    table.write_text("landmark_id,images\n1,aaa1 aaa2\n")
    with pytest.raises(InputError, match="none of its photos is a labelled one"):
        read_photos(holidays, clean=str(table))
    table.write_text("name,where\n1,2\n")
    with pytest.raises(LabelError, match="no column id"):
        read_photos(holidays, clean=str(table))


def test_of_a_collection_the_labelled_photos_where_they_lie(holidays, tmp_path):
    """Those that vote: neither photos without a landmark nor those of the index alone."""
    roles = {MILL: 3, TOWER: 1, ODD: 2, "holidays": 2}
    images = [
        NewImage(
            str(number),
            str(path),
            roles[path.parent.name],
            None if path.parent == holidays else path.parent.name,
            None,
            *(b"0" * 16, 4, 3, 9),
        )
        for number, path in enumerate(sorted(holidays.rglob("*.*g")))
    ]
    folder = tmp_path / "collection"
    store = LocalStore.create(folder, {"dimension": 4})
    with closing(store), store.writing(), store.transaction():
        store.append(images, np.zeros((len(images), 4), dtype=np.float32))
    photos = read_photos(folder, least=1, workers=1)
    assert photos.landmarks == (MILL, TOWER)
    assert sorted(photos.paths) == [image.path for image in images if image.role & 1]
    assert photos.sizes[0].tolist() == [40, 30]
    with pytest.raises(InputError, match="leave out --landmarks"):
        read_photos(folder, tmp_path / "l.csv")
    stays = [image.id for image in images if "1.jpg" not in image.path]
    (tmp_path / "clean.csv").write_text(f"landmark_id,images\nany,{' '.join(stays)}\n")
    assert len(read_photos(folder, clean=str(tmp_path / "clean.csv"), workers=1)) == 4


def test_photos_that_cannot_be_read_are_left_out_by_name(holidays):
    (holidays / MILL / "2.jpg").write_bytes(b"")
    (holidays / TOWER / "c.jpg").write_bytes(b"no photo")
    photos = read_photos(holidays, workers=1)
    assert set(shown(photos)) == {"1.jpg", "3.jpg", "a c.png", "b.jpg"}
    left_out = photos.left_out
    assert (left_out.unreadable, left_out.landmarks, left_out.photos) == (2, 1, 1)
    assert [Path(path).name for path, _ in left_out.reasons] == ["2.jpg", "c.jpg"]
    assert "empty" in left_out.reasons[0][1]
    assert left_out.notes()[0].startswith("2 photos left out that cannot be read: ")


def test_what_cannot_be_read_does_not_count_for_its_landmark(holidays):
    save(holidays / ODD / "2.jpg")
    (holidays / TOWER / "b.jpg").write_bytes(b"")
    photos = read_photos(holidays, workers=1)
    assert photos.landmarks == (MILL, ODD)
    assert photos.left_out.landmarks == 1
    assert photos.left_out.photos == 1


def test_nothing_to_learn_from_is_said_so(holidays, gldv2, tmp_path):
    with pytest.raises(InputError, match="gone does not exist"):
        read_photos(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingToDoError, match="holds no photo"):
        read_photos(tmp_path / "empty")
    save(tmp_path / "flat" / "a.jpg")
    with pytest.raises(NothingToDoError, match="one folder per landmark"):
        read_photos(tmp_path / "flat")
    for path in holidays.rglob("*.*"):
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"none of the 5 photos can be read: .*empty"):
        read_photos(holidays)
    shutil.rmtree(gldv2 / "train")
    with pytest.raises(InputError, match=r"none of the 4 photos can be read: .*aaa1.jpg: no such"):
        read_photos(gldv2)


def test_workers_change_nothing_and_progress_is_told(tmp_path):
    for number in range(300):
        save(tmp_path / "city" / f"{number % 3}" / f"{number}.png", 1 + number, 5)
    told = []
    alone = read_photos(tmp_path / "city", workers=1, progress=lambda *a: told.append(a))
    together = read_photos(tmp_path / "city", workers=2)
    assert alone.paths == together.paths
    np.testing.assert_array_equal(alone.sizes, together.sizes)
    np.testing.assert_array_equal(alone.targets, together.targets)
    assert alone.sizes.tolist() == [[1 + int(Path(p).stem), 5] for p in alone.paths]
    assert told == [("sizes", 0, 300), ("sizes", 256, 300), ("sizes", 300, 300)]
