"""Where photos and labels come from, and every way a table of labels can be wrong."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from steeple.collection.sources import read_labels, read_source
from steeple.errors import InputError, LabelError, NothingToDoError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


class TestFolder:
    def test_one_folder_per_landmark(self, tmp_path: Path) -> None:
        root = touch(tmp_path, "b/2.jpg", "b/1.PNG", "a/x.webp", "top.jpeg", "a/deep/y.jpg")
        found = [(p.id, p.landmark, p.role) for p in read_source(root)]
        assert found == [
            ("top.jpeg", None, 2),
            ("a/x.webp", "a", 3),
            ("a/deep/y.jpg", None, 2),
            ("b/1.PNG", "b", 3),
            ("b/2.jpg", "b", 3),
        ]
        assert all(p.path == root / p.id for p in read_source(root))

    def test_what_is_not_taken(self, tmp_path: Path) -> None:
        touch(tmp_path, "a.jpg", "notes.txt", ".hidden.jpg", ".thumbs/b.jpg", "c.jpg.part")
        (tmp_path / "d.jpg").mkdir()
        assert [p.id for p in read_source(tmp_path)] == ["a.jpg"]

    def test_links_to_photos_but_not_to_folders(self, tmp_path: Path) -> None:
        touch(tmp_path / "outside", "far.jpg")
        root = touch(tmp_path / "root", "a.jpg")
        (root / "link.jpg").symlink_to(tmp_path / "outside" / "far.jpg")
        (root / "loop").symlink_to(root)
        (root / "folder").symlink_to(tmp_path / "outside")
        assert [p.id for p in read_source(root)] == ["a.jpg", "link.jpg"]

    def test_names_of_all_scripts(self, tmp_path: Path) -> None:
        root = touch(tmp_path, "Μετέωρα/Ωδή β.jpg", "東京/塔.jpg", "a,b/'x\".jpg")
        assert {p.id: p.landmark for p in read_source(root)} == {
            "Μετέωρα/Ωδή β.jpg": "Μετέωρα",
            "東京/塔.jpg": "東京",
            "a,b/'x\".jpg": "a,b",
        }

    def test_a_single_photo(self, tmp_path: Path) -> None:
        touch(tmp_path, "a/b.jpg")
        (photo,) = read_source(tmp_path / "a" / "b.jpg")
        assert (photo.id, photo.landmark) == ("b.jpg", None)

    def test_a_prefix_stands_before_every_id(self, tmp_path: Path) -> None:
        root = touch(tmp_path, "a/b.jpg")
        (photo,) = read_source(root, prefix="2024/")
        assert (photo.id, photo.landmark) == ("2024/a/b.jpg", "a")

    @pytest.mark.parametrize("content", [[], ["notes.txt"], [".hidden/a.jpg"]])
    def test_no_photo(self, tmp_path: Path, content: list[str]) -> None:
        touch(tmp_path, *content)
        with pytest.raises(NothingToDoError, match=r"holds no photo .*JPEG"):
            read_source(tmp_path)

    def test_a_file_that_is_no_photo(self, tmp_path: Path) -> None:
        touch(tmp_path, "notes.txt")
        with pytest.raises(NothingToDoError, match="holds no photo"):
            read_source(tmp_path / "notes.txt")

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="does not exist; give a folder of photos"):
            read_source(tmp_path / "none")


class TestLabels:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return touch(tmp_path / "photos", "a.jpg", "b.jpg", "x/c.jpg", "x/same.jpg", "y/same.jpg")

    @pytest.mark.parametrize("header", ["id,landmark", "path,landmark", " Path , LANDMARK "])
    def test_by_path_by_name_or_without_the_suffix(self, root: Path, header: str) -> None:
        labels = table(root.parent / "l.csv", f"{header}\n./a.jpg,Spire\nb, Arch \nc.jpg,Tower\n")
        expected = {"a.jpg": "Spire", "b.jpg": "Arch", "x/c.jpg": "Tower"}
        assert read_labels(labels, root) == expected
        found = {p.id: (p.landmark, p.role) for p in read_source(root, labels)}
        assert found["x/c.jpg"] == ("Tower", 3)
        assert found["x/same.jpg"] == (None, 2)  # a folder's name counts for nothing beside a table

    def test_other_columns_quotes_and_a_byte_order_mark(self, root: Path) -> None:
        text = '\ufeffid,photographer,landmark\na.jpg,me,"Spire, old"\nb.jpg,,"Two\nlines"\n'
        labels = read_labels(table(root.parent / "l.csv", text), root)
        assert labels == {"a.jpg": "Spire, old", "b.jpg": "Two\nlines"}

    def test_a_repeated_line_is_harmless(self, root: Path) -> None:
        labels = table(root.parent / "l.csv", "id,landmark\na,S\na.jpg,S\n")
        assert read_labels(labels, root) == {"a.jpg": "S"}

    def test_a_full_path_comes_before_a_file_name(self, tmp_path: Path) -> None:
        root = touch(tmp_path / "photos", "a.jpg", "x/a.jpg")
        labels = table(tmp_path / "l.csv", "id,landmark\na.jpg,S\n")
        assert read_labels(labels, root) == {"a.jpg": "S"}

    def test_a_prefix_does_not_concern_the_table(self, root: Path) -> None:
        labels = table(root.parent / "l.csv", "id,landmark\na.jpg,S\n")
        photos = {p.id: p.landmark for p in read_source(root, labels, prefix="n/")}
        assert photos["n/a.jpg"] == "S"

    def test_no_line_at_all(self, root: Path) -> None:
        assert read_labels(table(root.parent / "l.csv", "id,landmark\n"), root) == {}

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "line 1: the header is ''"),
            ("a.jpg,Spire\n", "line 1: the header is 'a.jpg,spire'"),
            ("id,name\na,S\n", "must name the columns id,landmark or path,landmark"),
            ("id,landmark\na.jpg,S\nnone.jpg,S\n", "line 3: there is no photo 'none.jpg' in"),
            ("id,landmark\nn1,S\nn2,S\nn3,S\n", "line 2: .*and 2 more such lines"),
            ("id,landmark\na.jpg,\n", "line 2: the label of 'a.jpg' is empty"),
            ("id,landmark\na.jpg,  \n", "line 2: the label of 'a.jpg' is empty"),
            ("id,landmark\na.jpg\n", "line 2: the label of 'a.jpg' is empty"),
            ("id,landmark\n,S\n", "line 2: no photo is named"),
            ("id,landmark\nsame.jpg,S\n", "names several photos .x/same.jpg, y/same.jpg."),
            ("id,landmark\na.jpg,S\na,T\n", "labelled 'T' here and 'S' before"),
            ('id,landmark\na.jpg,"S\n', "line .: unexpected end of data"),
        ],
    )
    def test_a_table_that_is_wrong(self, root: Path, text: str, reason: str) -> None:
        labels = table(root.parent / "l.csv", text)
        with pytest.raises(LabelError, match=reason) as caught:
            read_source(root, labels)
        assert str(caught.value).startswith(str(labels))
        assert "\n" not in str(caught.value)

    def test_missing_photos_are_left_out_if_told_to(self, root: Path) -> None:
        labels = table(root.parent / "l.csv", "id,landmark\na.jpg,S\nnone,S\n")
        assert read_labels(labels, root, skip_missing=True) == {"a.jpg": "S"}
        labels.write_text("id,landmark\nnone,S\n")  # but not if nothing is left: the wrong folder?
        with pytest.raises(LabelError, match="there is no photo 'none'"):
            read_labels(labels, root, skip_missing=True)

    def test_a_table_that_is_not_there(self, root: Path) -> None:
        with pytest.raises(LabelError, match="No such file"):
            read_labels(root / "none.csv", root)

    def test_a_table_in_another_encoding(self, root: Path) -> None:
        labels = root.parent / "l.csv"
        labels.write_bytes("id,landmark\na.jpg,Köln\n".encode("latin-1"))
        with pytest.raises(LabelError, match="not UTF-8"):
            read_labels(labels, root)

    def test_many_files_of_one_name(self, tmp_path: Path) -> None:
        root = touch(tmp_path, *(f"{n:04}/photo.jpg" for n in range(2000)))
        labels = table(tmp_path / "l.csv", "path,landmark\n1999/photo.jpg,S\n")
        assert read_labels(labels, root) == {"1999/photo.jpg": "S"}


class TestGldV2:
    @pytest.fixture
    def root(self, tmp_path: Path, tiny: ModuleType) -> Path:
        root = tmp_path / "gldv2"
        for split, image in (("train", "abc1"), ("train", "abd2"), ("index", "eee3")):
            tiny.write(root / split / image[0] / image[1] / image[2] / f"{image}.jpg", 1)
        (root / "train.csv").write_text("id,url,landmark_id\nabc1,,7\nabd2,,8\n")
        (root / "train_label_to_category.csv").write_text("landmark_id,category\n7,Spire\n")
        (root / "index.csv").write_text("id\neee3\n")
        return root

    def test_training_and_index(self, root: Path) -> None:
        source = read_source(root)
        assert source.curated
        assert [(p.id, p.role, p.landmark) for p in source] == [
            ("abc1", 1, "Spire"),
            ("abd2", 1, "8"),
            ("eee3", 2, None),
        ]
        assert all(p.path.is_file() for p in source)

    def test_by_number(self, root: Path) -> None:
        landmarks = [p.landmark for p in read_source(root, landmark_ids=True)]
        assert landmarks == ["7", "8", None]

    def test_with_a_table_it_is_a_folder_like_any_other(self, root: Path) -> None:
        labels = table(root.parent / "l.csv", "id,landmark\nabc1,Mine\n")
        source = read_source(root, labels)
        assert not source.curated
        assert [p.landmark for p in source] == [None, "Mine", None]
