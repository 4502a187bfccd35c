"""steeple embed: photos into arrays."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="module")
def some(photos, tmp_path_factory):
    """A folder of three photos and a file that is none."""
    folder = tmp_path_factory.mktemp("some")
    for photo in photos[:3]:
        (folder / photo.name).write_bytes(photo.read_bytes())
    (folder / "broken.jpg").write_text("no photo")
    return folder


def test_photos_and_more_of_them(steeple, some, tmp_path):
    out = tmp_path / "out"
    ran = steeple("embed", some, "--out", out, "--workers", 1)
    assert ran.code == 0
    assert f"{out / 'photos.npy'}: 3 x 512" in ran.out
    assert "3 photos were learned from" in ran.out
    assert "broken.jpg" in ran.out
    assert "fit into a submission" not in ran.out
    more = steeple(
        "embed", some, "--out", tmp_path / "more", "--embedder", out / "embedder", "--json",
        "--dtype", "float16", "--workers", 1,
    )  # fmt: skip
    assert more.json["parts"] == {"photos": 3}
    assert more.json["learned_from"] is None
    assert len(more.json["failed"]) == 1
    assert more.json["notes"] == []
    first, second = np.load(out / "photos.npy"), np.load(tmp_path / "more/photos.npy")
    assert second.dtype == np.float16
    np.testing.assert_allclose(first, second, atol=1e-3)


def test_names_that_fit_into_no_submission(steeple, photos, built, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/my photo.jpg").write_bytes(photos[0].read_bytes())
    line = ["embed", tmp_path / "in", "--collection", built, "--workers", 1]
    ran = steeple(*line, "--out", tmp_path / "out")
    assert ran.code == 0
    assert "1 ids do not fit into a submission; the first, 'my photo.jpg', holds a space" in ran.out


def test_as_a_collection_does(steeple, some, built, tmp_path):
    ran = steeple("embed", some, "--out", tmp_path / "out", "--collection", built, "--workers", 1)
    assert ran.code == 0
    assert "learned" not in ran.out
    from steeple import Collection

    with Collection.open(built) as places:
        wanted = places.describe(
            sorted(p for p in some.glob("*.jpg") if p.stem != "broken")
        ).descriptors
    np.testing.assert_array_equal(np.load(tmp_path / "out/photos.npy"), wanted)


def test_photos_that_are_not_there(steeple, some, built, tmp_path):
    """Of a data set that was downloaded in part: not a line for each of millions of photos."""
    folder = tmp_path / "gldv2"
    place = folder / "index/a/b/c/abc.jpg"
    place.parent.mkdir(parents=True)
    place.write_bytes(next(p for p in some.iterdir() if p.stem != "broken").read_bytes())
    (folder / "index.csv").write_text("id\nabc\n" + "".join(f"{n:03}\n" for n in range(30)))
    (folder / "test.csv").write_text("id\nabd\n")
    (folder / "train.csv").write_text("id,url,landmark_id\nabe,,1\n")
    out = tmp_path / "out"
    ran = steeple("embed", folder, "--out", out, "--collection", built, "--workers", 1)
    assert ran.code == 0
    assert f"{out / 'index.npy'}: 1 x 512" in ran.out
    assert f"{out / 'training.npy'}: not written" in ran.out
    assert "try:" not in ran.out  # rerank would not find its files
    assert "32 left out:" in ran.out
    assert "and 22 more; --json names all" in ran.out
    assert ran.out.count("no such file") == 10


@pytest.mark.parametrize("form", ["h5", "parquet"])
def test_formats(steeple, some, built, tmp_path, form):
    pytest.importorskip({"h5": "h5py", "parquet": "pyarrow"}[form])
    ran = steeple(
        "embed", some, "--out", tmp_path / "out", "--collection", built, "--format", form,
        "--workers", 1,
    )  # fmt: skip
    assert f"photos.{form}: 3 x 512" in ran.out


def test_refuses(steeple, some, built, tmp_path):
    steeple("embed", tmp_path / "gone", "--out", tmp_path / "out").refused(2, "does not exist")
    steeple("embed", some, "--out", some / "broken.jpg").refused(3, "cannot be made")
    (tmp_path / "photos.txt").write_text("mine")
    steeple("embed", some, "--out", tmp_path).refused(2, "photos.txt is there already")
    steeple("embed", some, "--out", tmp_path / "o", "--embedder", "nix").refused(2, "'nix'")
    steeple(
        "embed", some, "--out", tmp_path / "o", "--embedder", "sift-vlad", "--collection", built
    ).refused(2, "exclude each other")
    steeple("embed", some, "--out", tmp_path / "o", "--format", "csv").refused(2, "csv")
    from steeple import Collection

    Collection.create(tmp_path / "empty").close()
    steeple("embed", some, "--out", tmp_path / "o", "--collection", tmp_path / "empty").refused(
        2, "no photos yet"
    )
    assert not (tmp_path / "o").exists()
