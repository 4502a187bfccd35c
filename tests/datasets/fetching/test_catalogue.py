"""Which data sets there are, and what is chosen of them."""

from __future__ import annotations

import re

import pytest

from steeple.datasets.fetching import DATASETS, Layout, choose, find
from steeple.datasets.fetching.catalogue import read_numbers
from steeple.errors import InputError

GLDV2 = find("gldv2")


def files(parts):
    return [file for part in parts for file in part.files]


def test_gldv2_is_what_its_page_says():
    parts = {part.name: part for part in GLDV2.parts}
    assert [len(parts[name].files) for name in ("train", "index", "test")] == [500, 100, 20]
    assert [parts[name].photos for name in ("train", "index", "test")] == [
        4_132_914,
        761_757,
        117_577,
    ]
    # https://github.com/cvdfoundation/google-landmark/issues/12: about 595 GB in all.
    assert sum(part.size for part in GLDV2.parts if part.size) == 595 * 10**9
    last = parts["train"].files[499]
    base = "https://s3.amazonaws.com/google-landmark/"
    assert last.url() == f"{base}train/images_499.tar"
    assert last.checksum_url() == f"{base}md5sum/train/md5.images_499.txt"
    assert last.url("http://mirror/x/") == "http://mirror/x/train/images_499.tar"
    assert (last.place, last.layout) == ("train", Layout.BY_ID)


def test_gldv2_tables_go_where_they_are_read():
    (metadata,) = choose(GLDV2, ["metadata"])
    assert {file.place for file in metadata.files} == {
        "train.csv",
        "train_clean.csv",
        "train_label_to_category.csv",
        "index.csv",
        "index_image_to_landmark.csv",
        "test.csv",
        "retrieval_solution_v2.1.csv",
        "recognition_solution_v2.1.csv",
    }
    assert {file.path.split("/")[0] for file in metadata.files} == {"metadata", "ground_truth"}


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_every_data_set_is_whole(dataset):
    everything = files(dataset.parts)
    paths = [file.path for file in everything]
    assert len(set(paths)) == len(paths)
    for file in everything:
        assert re.fullmatch(r"https?://[^ ]+/", file.base)
        for path in (file.path, file.place):
            assert not path.startswith("/")
            assert ".." not in path
        assert (file.layout is None) == (not re.search(r"\.(tar|tgz|tar\.gz)$", file.path))
    assert all(part.licence for part in dataset.parts)
    assert len({part.name for part in dataset.parts}) == len(dataset.parts)


def test_revisited_ground_truth_lies_beside_the_photos():
    for name in ("roxford5k", "rparis6k"):
        photos, truth = find(name).parts
        assert {file.place for file in photos.files} == {"jpg"}
        assert [file.place for file in truth.files] == [f"gnd_{name}.pkl"]


def test_what_has_a_reader_is_opened_before_it_is_believed():
    unread = {
        file.path
        for one in DATASETS
        for file in files(one.parts)
        if not (file.layout or file.check)
    }
    assert unread == {"revisitop1m.txt"}


def test_an_unknown_name_is_told_the_known_ones():
    with pytest.raises(InputError, match=r"'oxford'; there are gldv2, roxford5k, "):
        find("oxford")


def test_everything_or_parts():
    assert choose(GLDV2) == GLDV2.parts
    assert [part.name for part in choose(GLDV2, ["test", "index"])] == ["index", "test"]
    with pytest.raises(InputError, match=r"no part 'val'; it has train, index, test, metadata"):
        choose(GLDV2, ["val"])


def test_archives_by_number():
    index, test, metadata = choose(GLDV2, ["index", "test", "metadata"], {0, 19, 42})
    assert [file.number for file in index.files] == [0, 19, 42]
    assert [file.number for file in test.files] == [0, 19]
    assert index.photos is None
    assert index.size == 3 * 850 * 10**6
    assert metadata == GLDV2.parts[3]
    first, _ = choose(find("revisitop1m"), archives={1})
    assert first.files[0].path == "jpg/revisitop1m.1.tar.gz"


def test_archives_that_are_not_there():
    with pytest.raises(InputError, match="test archives of gldv2 are 0 to 19"):
        choose(GLDV2, ["index", "test"], {20})
    with pytest.raises(InputError, match=r"no archive of roxford5k .*is numbered"):
        choose(find("roxford5k"), archives={0})
    with pytest.raises(InputError, match="is numbered"):
        choose(GLDV2, ["metadata"], {0})


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("3", {3}), ("0-2", {0, 1, 2}), ("0-2,7", {0, 1, 2, 7}), (" 1 , 1 ", {1}), ("5-5", {5})],
)
def test_numbers(text, numbers):
    assert read_numbers(text) == numbers


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "2-1", "1,,2", "1.5", "9999999", "٣"])
def test_what_are_no_numbers(text):
    with pytest.raises(InputError, match="write 0-9,12"):
        read_numbers(text)
