"""Collections whose photos a network describes, alone, in an ensemble, reduced."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

from steeple import Collection
from steeple.arrays import Output, embed_photos, find_embedder
from steeple.cleaning.labelled import describe_labelled, labelled_photos
from steeple.collection.doctor import check
from steeple.collection.learning import learn_from
from steeple.collection.sources import read_source
from steeple.embedding import create_embedder
from steeple.embedding.ensemble import Ensemble
from steeple.embedding.learned import Learned
from steeple.embedding.parts import Known
from steeple.embedding.reduction import Reduced
from steeple.errors import InputError, StorageError
from steeple.images import read_image
from steeple.progress import silent

for _library in ("torch", "timm"):
    pytest.importorskip(_library, reason=f"{_library} is not installed")

_file = Path(__file__).parents[1] / "small_models.py"
_spec = importlib.util.spec_from_file_location("small_models", _file)
assert _spec is not None
assert _spec.loader is not None
models = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(models)

QUICK = {"local_features": None, "workers": 1}


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """A model; nobody may change it."""
    return models.save_small(tmp_path_factory.mktemp("models") / "little", max_side=48)


@pytest.fixture
def model(kept, tmp_path) -> Path:
    return shutil.copytree(kept, tmp_path / "model")


def build(city, folder, embedder, **options):
    places, report = Collection.build(city, folder, embedder=str(embedder), **(QUICK | options))
    places.close()
    return report


class TestNetwork:
    def test_from_the_first_photo_to_the_last(self, kept, model, city, tiny, tmp_path):
        expected = create_embedder(str(kept))
        report = build(city / "abbey", tmp_path / "places", model)
        assert (report.added, report.learned_from) == (4, None)
        assert "learn" not in report.seconds
        shutil.rmtree(model)  # a collection needs nothing beside itself
        with Collection.open(tmp_path / "places") as places:
            assert isinstance(places.embedder, Learned)
            assert places.statistics()["learned_from"] == 0
            assert places.statistics()["embedder"] == "little"
            assert places.statistics()["dimension"] == 24
            more = places.add(city, workers=1)
            assert (more.added, len(more.duplicates)) == (10, 4)
            photo = tiny.write(tmp_path / "query.png", 5, like=1000)
            hits = places.search(photo, k=14)
            assert len(hits) == 14
            row = places.embed([photo])
            prepared = expected.prepare(read_image(photo))
            np.testing.assert_allclose(row, expected.encode([prepared]), atol=1e-5)
            assert places.remove([hits[0].id]) == 1
            assert hits[0].id not in [hit.id for hit in places.search(photo, k=14)]

    def test_is_stored_before_the_first_photo(self, model, tmp_path, city):
        with Collection.create(tmp_path / "places", embedder=f"{model}:side=40") as places:
            shutil.rmtree(model)
            assert places.embedder.max_side == 40
            assert places.add(city, workers=1).added == 14
        assert check(tmp_path / "places", workers=1).findings == ()

    def test_a_disk_without_room_leaves_nothing(self, model, tmp_path, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("steeple.collection.embedders.save_embedder", full)
        with pytest.raises(StorageError):
            Collection.create(tmp_path / "places", embedder=str(model))
        assert not (tmp_path / "places").exists()

    def test_doctor_sees_damaged_weights(self, model, city, tmp_path):
        build(city, tmp_path / "places", model)
        (file,) = (tmp_path / "places").glob("embedder-*/model/model.safetensors")
        file.write_bytes(file.read_bytes()[:-9])
        (finding,) = check(tmp_path / "places", workers=1).findings
        assert finding.kind == "embedder"
        assert "model.safetensors is damaged" in finding.detail

    def test_doctor_without_the_extra(self, model, city, tmp_path, monkeypatch):
        build(city, tmp_path / "places", model)
        monkeypatch.setitem(__import__("sys").modules, "timm", None)
        (finding,) = check(tmp_path / "places", workers=1).findings
        assert finding.kind == "machine"
        assert "steeple[torch]" in finding.detail

    def test_doctor_describes_again(self, model, city, tmp_path):
        build(city, tmp_path / "places", model)
        (file,) = (tmp_path / "places" / "descriptors").iterdir()
        content = bytearray(file.read_bytes())
        content[:96] = bytes(96)
        file.write_bytes(content)
        assert check(tmp_path / "places", repair=True, workers=1).findings
        assert check(tmp_path / "places", workers=1).findings == ()


class TestEnsemble:
    def test_learns_and_goes_on(self, model, city, tiny, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        report = build(city / "abbey", "places", "sift-vlad+model:weight=0.5")
        assert report.learned_from == 4
        shutil.rmtree(model)
        with Collection.open("places") as places:
            assert isinstance(places.embedder, Ensemble)
            assert places.embedder.weights == (1, 0.5)
            assert places.statistics()["dimension"] == 536
            assert places.add(city, workers=1).added == 10
            photo = tiny.write(tmp_path / "query.png", 5, like=1000)
            assert len(places.search(photo, k=20)) == 14
        assert check(tmp_path / "places", workers=1).findings == ()

    def test_a_new_one_finds_its_members_from_anywhere(self, model, city, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Collection.create("places", embedder="sift-vlad+./model", local_features=None).close()
        (tmp_path / "else").mkdir()
        monkeypatch.chdir(tmp_path / "else")
        with Collection.open(tmp_path / "places") as places:
            assert places.embedder.learned_from is None
            assert places.add(city, workers=1).learned_from == 14

    def test_two_networks_have_nothing_to_learn(self, model, city, tmp_path):
        with Collection.create(tmp_path / "places", embedder=f"{model}+{model}:side=40") as places:
            shutil.rmtree(model)
            assert places.embedder.learned_from == 0
            assert places.add(city, workers=1).learned_from is None

    def test_shares_local_features_in_the_collection(self, model, city, tmp_path):
        report = build(city, tmp_path / "one", f"sift-vlad+{model}", local_features="sift")
        assert report.added == 14
        build(city, tmp_path / "two", "sift-vlad", local_features="sift")
        counts = []
        for name in ("one", "two"):
            with Collection.open(tmp_path / name) as places, places._store.snapshot() as columns:
                counts.append(columns.counts.tolist())
        assert counts[0] == counts[1]

    def test_keeps_no_pixels_while_it_learns(self, model, city):
        new = create_embedder(f"sift-vlad+{model}")
        fitted, learned = learn_from(
            new, None, read_source(city), workers=1, seed=0, progress=silent
        )
        assert fitted.learned_from == len(learned) == 14
        assert all(isinstance(one.result[1], Known) for one in learned.values())


class TestReduced:
    @pytest.mark.parametrize("whiten", ["none", "pca", "supervised"])
    def test_learns_and_goes_on(self, model, city, tiny, tmp_path, whiten):
        text = f"{model},reduce:dim=6:whiten={whiten}"
        report = build(city, tmp_path / "places", text)
        assert report.learned_from == 14
        shutil.rmtree(model)
        with Collection.open(tmp_path / "places") as places:
            assert isinstance(places.embedder, Reduced)
            assert places.embedder.whitening == whiten
            assert places.statistics()["dimension"] == 6
            tiny.write(tmp_path / "more" / "x.png", 5, like=1000)
            assert places.add(tmp_path / "more", workers=1).added == 1
            assert len(places.search(tmp_path / "more" / "x.png", k=20)) == 15
        assert check(tmp_path / "places", workers=1).findings == ()

    def test_supervised_without_labels_leaves_nothing(self, model, city, tmp_path):
        text = f"{model},reduce:dim=6:whiten=supervised"
        shutil.copytree(city / "abbey", tmp_path / "flat")
        with pytest.raises(InputError, match="--whiten pca"):
            build(tmp_path / "flat", tmp_path / "places", text)
        assert not (tmp_path / "places").exists()

    def test_more_numbers_than_there_are(self, model, city, tmp_path):
        with pytest.raises(InputError, match="gives 24 numbers"):
            build(city, tmp_path / "places", f"{model},reduce:dim=25")
        assert not (tmp_path / "places").exists()


class TestElsewhere:
    def test_arrays(self, model, city, tmp_path):
        out = tmp_path / "out"
        report = embed_photos(city, Output(out), find_embedder(str(model)), workers=1)
        assert (report.learned_from, report.parts) == (None, {"photos": 14})
        assert not (out / "embedder").exists()
        text = f"{model}+sift-vlad,reduce:dim=8"
        report = embed_photos(city, Output(tmp_path / "two"), find_embedder(text), workers=1)
        assert report.learned_from == 14
        rows = np.load(tmp_path / "two" / "photos.npy")
        assert rows.shape == (14, 8)
        again = find_embedder(str(tmp_path / "two" / "embedder"))
        embed_photos(city, Output(tmp_path / "three"), again, workers=1)
        np.testing.assert_allclose(np.load(tmp_path / "three" / "photos.npy"), rows, atol=1e-5)

    def test_an_embedder_that_has_learned_in_a_new_collection(self, city, tmp_path):
        embed_photos(city, Output(tmp_path / "out"), find_embedder("sift-vlad"), workers=1)
        report = build(city, tmp_path / "places", tmp_path / "out" / "embedder")
        assert (report.added, report.learned_from) == (14, None)

    @pytest.mark.parametrize("more", ["", "+sift-vlad"])
    def test_cleaning(self, model, city, tmp_path, more):
        photos = labelled_photos(city)
        place = tmp_path / "labelled"
        report = describe_labelled(photos, place, embedder=f"{model}{more}", workers=1)
        assert report.added == 12
        with Collection.open(place) as places:
            assert places.embedder.learned_from == (12 if more else 0)
