"""Photos into arrays."""

from __future__ import annotations

import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from steeple.arrays import Format, Output, embed_photos, find_embedder, open_descriptors
from steeple.arrays.files.ids import read_ids
from steeple.collection import Collection
from steeple.embedding.choosing import create_embedder
from steeple.errors import InputError, MissingExtraError, NothingToDoError, StorageError
from steeple.retrieval.offline.shelf import MemoryShelf


@pytest.fixture(scope="module")
def draw(request):
    """Draws photos as the tests of embedders do."""
    import importlib.util
    from pathlib import Path

    place = Path(__file__).parents[1] / "drawn.py"
    spec = importlib.util.spec_from_file_location("drawn", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.draw_photo


def put(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".jpg", pixels)[1].tobytes())


@pytest.fixture(scope="module")
def photos(draw, tmp_path_factory):
    """A folder of six photos, two of them of a landmark, one that cannot be read."""
    folder = tmp_path_factory.mktemp("photos")
    for number, name in enumerate(["a.jpg", "tower/b.jpg", "tower/c.jpg", "d e.jpg", "f.jpg"]):
        put(folder / name, draw(number))
    (folder / "broken.jpg").write_text("no photo")
    return folder


@pytest.fixture(scope="module")
def gldv2(draw, tmp_path_factory):
    """A folder in GLD-v2 layout: 5 training, 4 index, 2 test photos."""
    folder = tmp_path_factory.mktemp("gldv2")
    for split, count in (("train", 5), ("index", 4), ("test", 2)):
        for number in range(count):
            put(folder / split / f"{split}{number}.jpg", draw(10 * len(split) + number))
    train = "".join(f"train{number},{number % 2 + 7}\n" for number in range(5))
    (folder / "train.csv").write_text("id,landmark_id\n" + train)
    (folder / "index.csv").write_text("id\n" + "".join(f"index{n}\n" for n in range(4)))
    (folder / "test.csv").write_text("id\ntest0\ntest1\n")
    return folder


def embed(source, out, embedder=None, **options):
    form, dtype = options.pop("form", Format.NPY), options.pop("dtype", "float32")
    embedder = embedder or create_embedder("sift-vlad")
    return embed_photos(source, Output(out, form, dtype), embedder, workers=1, **options)


@pytest.fixture(scope="module")
def written(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "arrays"
    return out, embed(photos, out)


def test_a_folder(photos, written):
    out, report = written
    assert report.parts == {"photos": 5}
    assert report.learned_from == 5
    assert [path for path, _ in report.failed] == [str(photos / "broken.jpg")]
    assert (out / "photos.txt").read_text() == "a.jpg\nd e.jpg\nf.jpg\ntower/b.jpg\ntower/c.jpg\n"
    assert (out / "photos.csv").read_text() == (
        "id,landmark_id\ntower/b.jpg,tower\ntower/c.jpg,tower\n"
    )
    array = np.load(out / "photos.npy")
    assert array.shape == (5, 512)
    assert array.dtype == np.float32
    assert_allclose(np.linalg.norm(array, axis=1), 1, atol=1e-5)
    assert sorted(path.name for path in out.iterdir()) == [
        "embedder", "photos.csv", "photos.npy", "photos.txt",
    ]  # fmt: skip


def test_arrays_are_what_a_collection_has(gldv2, tmp_path):
    report = embed(gldv2, tmp_path / "out", seed=3)
    assert report.parts == {"training": 5, "index": 4, "queries": 2}
    assert report.failed == []
    with Collection.create(tmp_path / "places", local_features=None, seed=3) as places:
        places.add(gldv2, workers=1)
        with places.view() as view:
            assert_array_equal(np.load(tmp_path / "out/index.npy"), view[np.arange(4)])
        queries = sorted((gldv2 / "test").iterdir())
        assert_array_equal(
            np.load(tmp_path / "out/queries.npy"), places.describe(queries).descriptors
        )
    assert read_ids(tmp_path / "out/queries.txt").tolist() == [b"test0", b"test1"]
    table = (tmp_path / "out/training.csv").read_text()
    assert table.startswith("id,landmark_id\ntrain0,7\ntrain1,8\n")


def test_more_photos_are_described_alike(photos, written, tmp_path):
    out, _ = written
    report = embed(photos / "tower", tmp_path / "more", find_embedder(str(out / "embedder")))
    assert report.learned_from is None
    assert not (tmp_path / "more/embedder").exists()
    assert_array_equal(np.load(tmp_path / "more/photos.npy"), np.load(out / "photos.npy")[3:])


def test_one_photo(photos, written, tmp_path):
    embedder = find_embedder(str(written[0] / "embedder"))
    assert embed(photos / "a.jpg", tmp_path / "one", embedder).parts == {"photos": 1}
    assert_array_equal(np.load(tmp_path / "one/photos.npy"), np.load(written[0] / "photos.npy")[:1])


@pytest.mark.parametrize("form", [Format.H5, Format.PARQUET])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_other_formats_say_the_same(photos, written, tmp_path, form, dtype):
    pytest.importorskip("h5py", reason="the arrays extra is not installed")
    pytest.importorskip("pyarrow", reason="the arrays extra is not installed")
    embedder = find_embedder(str(written[0] / "embedder"))
    embed(photos, tmp_path / "out", embedder, form=form, dtype=dtype)
    file = open_descriptors(str(tmp_path / f"out/photos.{form}"), MemoryShelf())
    wanted = np.load(written[0] / "photos.npy").astype(dtype)
    assert_array_equal(file.descriptors.rows(0, 5), wanted.astype(np.float32))
    assert file.ids.tolist() == read_ids(written[0] / "photos.txt").tolist()
    assert not (tmp_path / "out/photos.txt").exists()


def test_names_that_fit_into_no_submission_are_told(photos, written, tmp_path):
    (note,) = written[1].notes
    assert note.startswith("photos: 1 ids do not fit into a submission; the first, 'd e.jpg', hol")
    put(tmp_path / "in/Big Ben/a.jpg", cv2.imread(str(photos / "a.jpg")))
    report = embed(tmp_path / "in", tmp_path / "o", find_embedder(str(written[0] / "embedder")))
    assert [note.partition(" do")[0] for note in report.notes] == [
        "photos: 1 ids", "photos: 1 landmarks",
    ]  # fmt: skip
    tower = find_embedder(str(written[0] / "embedder"))
    assert embed(photos / "tower", tmp_path / "tower", tower).notes == []


def test_float16(photos, written, tmp_path):
    embed(photos, tmp_path / "out", find_embedder(str(written[0] / "embedder")), dtype="float16")
    array = np.load(tmp_path / "out/photos.npy")
    assert array.dtype == np.float16
    assert_allclose(array, np.load(written[0] / "photos.npy"), atol=1e-3)


def test_progress(photos, tmp_path):
    told = []
    embed(photos, tmp_path / "out", progress=lambda *said: told.append(said))
    assert ("learn", 6, 6) in told
    assert told[-1] == ("embed", 6, 6)


def test_names_that_a_line_cannot_hold(photos, written, tmp_path):
    shutil.copy(photos / "a.jpg", tmp_path / "good.jpg")
    shutil.copy(photos / "a.jpg", tmp_path / "line\nbreak.jpg")
    shutil.copy(photos / "a.jpg", tmp_path / " space.jpg")
    embedder = find_embedder(str(written[0] / "embedder"))
    report = embed(tmp_path, tmp_path / "out", embedder)
    assert report.parts == {"photos": 1}
    assert len(report.failed) == 2
    assert all("rename it" in reason for _, reason in report.failed)


class TestRefuses:
    @pytest.mark.parametrize("name", ["photos.npy", "photos.txt", "photos.csv", "embedder"])
    def test_what_is_there(self, photos, tmp_path, name):
        (tmp_path / name).write_text("mine")
        with pytest.raises(InputError, match=f"{name} is there already"):
            embed(photos, tmp_path)
        assert (tmp_path / name).read_text() == "mine"

    def test_a_link_that_leads_nowhere(self, photos, tmp_path):
        (tmp_path / "photos.npy").symlink_to(tmp_path / "gone")
        with pytest.raises(InputError, match=r"photos\.npy is there already"):
            embed(photos, tmp_path)

    @pytest.mark.parametrize("form", [Format.H5, Format.PARQUET])
    def test_formats_that_cannot_be_written_before_it_learns(
        self, photos, tmp_path, monkeypatch, form
    ):
        monkeypatch.setitem(sys.modules, "h5py", None)
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(MissingExtraError, match=r"steeple\[arrays\]"):
            embed(photos, tmp_path / "out", form=form)
        assert not (tmp_path / "out").exists()

    def test_no_photos(self, tmp_path):
        with pytest.raises(InputError, match="does not exist"):
            embed(tmp_path / "gone", tmp_path / "out")
        with pytest.raises(NothingToDoError, match="holds no photo"):
            embed(tmp_path, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_none_that_can_be_read(self, written, tmp_path):
        (tmp_path / "in").mkdir()
        (tmp_path / "in/a.jpg").write_text("no photo")
        with pytest.raises(InputError, match="none of 1 photos can be read"):
            embed(tmp_path / "in", tmp_path / "out")
        with pytest.raises(NothingToDoError, match="none of 1 photos can be read"):
            embed(tmp_path / "in", tmp_path / "o", find_embedder(str(written[0] / "embedder")))
        assert list((tmp_path / "o").iterdir()) == []

    def test_no_room(self, photos, tmp_path, monkeypatch):
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10_000))
        with pytest.raises(StorageError, match="6 descriptors take"):
            embed(photos, tmp_path / "out")

    def test_no_room_for_a_whole_chunk(self, photos, written, tmp_path, monkeypatch):
        """HDF5 makes a file of six descriptors as large as one of five hundred."""
        pytest.importorskip("h5py", reason="the arrays extra is not installed")
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
        embedder = find_embedder(str(written[0] / "embedder"))
        assert embed(photos, tmp_path / "npy", embedder).parts == {"photos": 5}
        with pytest.raises(StorageError, match="6 descriptors take"):
            embed(photos, tmp_path / "out", embedder, form=Format.H5)

    def test_a_file_in_the_way(self, photos, tmp_path):
        (tmp_path / "out").write_text("a file")
        with pytest.raises(StorageError, match="cannot be made"):
            embed(photos, tmp_path / "out")

    def test_embedders(self, tmp_path):
        with pytest.raises(InputError, match="no embedder is called 'nix'"):
            find_embedder("nix")
        with pytest.raises(InputError, match="no readable embedder; give the folder"):
            find_embedder(str(tmp_path))


@pytest.mark.parametrize("form", list(Format))
def test_nothing_is_left_of_what_fails(photos, written, tmp_path, monkeypatch, form):
    pytest.importorskip("h5py", reason="the arrays extra is not installed")
    pytest.importorskip("pyarrow", reason="the arrays extra is not installed")
    embedder = find_embedder(str(written[0] / "embedder"))

    def progress(stage, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(photos, tmp_path / "out", embedder, form=form, progress=progress)
    assert list((tmp_path / "out").iterdir()) == []
    from steeple.arrays.files import writing

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing.os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        embed(photos, tmp_path / "out", embedder, form=form)
    assert list((tmp_path / "out").iterdir()) == []


def test_hdf5_on_a_full_disk(photos, written, tmp_path, monkeypatch):
    """HDF5 raises errors of its own kind, with the system's somewhere in many lines."""
    h5py = pytest.importorskip("h5py", reason="the arrays extra is not installed")

    def full(*_, **__):
        raise RuntimeError("flush failed (write failed: time = now\n, errno = 28, error = ...")

    monkeypatch.setattr(h5py.Dataset, "resize", full)
    embedder = find_embedder(str(written[0] / "embedder"))
    with pytest.raises(StorageError, match=r"h5: cannot be written \(No space left") as error:
        embed(photos, tmp_path / "out", embedder, form=Format.H5)
    assert "\n" not in str(error.value)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("limit", [1_000, 500_000, 1_400_000])
def test_hdf5_without_room_for_the_file(tmp_path, limit):
    """In a process of its own: HDF5 that finds a disk full ends its process."""
    pytest.importorskip("h5py", reason="the arrays extra is not installed")
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from steeple.arrays.files.writing import Format, writing\n"
        "from steeple.errors import StorageError\n"
        "names = [f'x{row}' for row in range(1000)]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)\n"
        "try:\n"
        "    with writing(Path(sys.argv[1]), Format.H5, 512, 'float32', names) as rows:\n"
        "        for start in range(0, 1000, 100):\n"
        "            rows.append(names[start : start + 100], np.ones((100, 512), np.float32))\n"
        "except StorageError as error:\n"
        "    print(error)\n"
    )
    place = tmp_path / "x.h5"
    ran = subprocess.run(
        [sys.executable, "-c", code, place, str(limit)], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == f"{place}: cannot be written (File too large); make room\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(
    ("dimension", "length", "rows"),
    [(512, 8, 5), (512, 8, 0), (3, 4, 40_000), (4, 900, 3000), (4, 2100, 1000), (300_000, 5, 5)],
)
@pytest.mark.parametrize("share", [1, 0.5])
def test_hdf5_keeps_to_the_room_it_was_given(tmp_path, dtype, dimension, length, rows, share):
    pytest.importorskip("h5py", reason="the arrays extra is not installed")
    from steeple.arrays.files.hdf5 import Hdf5Writer, hdf5_bytes

    place, names = tmp_path / "x.h5", [str(row).rjust(length, "x") for row in range(rows)]
    given, come = hdf5_bytes(dimension, dtype, names), int(share * rows)
    writer = Hdf5Writer(place, dimension, dtype, names)
    for start in range(0, come, 1000):
        writer.append(np.ones((min(1000, come - start), dimension), np.float32))
        assert place.stat().st_size == given
    writer.finish(names[:come])
    assert place.stat().st_size == given
    writer.close()
    assert place.stat().st_size <= given
