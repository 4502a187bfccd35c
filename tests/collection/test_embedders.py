"""What a new collection knows of its local features, and what an opened one makes of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from steeple import Collection
from steeple.collection import embedders as module
from steeple.collection.doctor import check
from steeple.collection.embedders import new_extractor, stored_extractor
from steeple.collection.store import LocalStore
from steeple.errors import CollectionError, InputError
from steeple.geometry.base import EXTRACTORS
from steeple.geometry.sift import Sift
from steeple.geometry.strongest import Strongest


class TestNamed:
    def test_sift(self, new_store: Callable[..., LocalStore]) -> None:
        setting, copies = new_extractor("sift", 700)
        assert setting == {
            "kind": "sift", "folder": None, "per_photo": 700, "dtype": "uint8", "length": 128,
        }  # fmt: skip
        assert copies == {}
        store = new_store(local_features=setting)
        assert stored_extractor(store) == Strongest(Sift(), 700)

    def test_another(self, tiny: ModuleType) -> None:
        setting, _ = new_extractor("squares", 1)
        assert setting is not None
        assert (setting["dtype"], setting["length"]) == ("int8", 12)

    def test_none(self, store: LocalStore) -> None:
        assert new_extractor(None, 0) == (None, {})
        assert stored_extractor(store) is None

    def test_unknown(self) -> None:
        with pytest.raises(InputError, match="no local features are called 'magic'"):
            new_extractor("magic", 1000)

    @pytest.mark.parametrize("number", [-1, 0, 1001])
    def test_too_few_or_too_many(self, number: int) -> None:
        with pytest.raises(InputError, match=f"{number} local features .* give 1 to 1000"):
            new_extractor("sift", number)


@dataclass(frozen=True)
class Model:
    """The squares of `tiny`, as if they needed something from a folder."""

    squares: Any
    folder: Path
    name: str = "model"
    max_side: int = 64

    def __call__(self, image: Any) -> Any:
        return self.squares(image)


@pytest.fixture
def model(tmp_path: Path, tiny: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a model that can be opened."""

    def create(name: str) -> Any:
        if name in EXTRACTORS:
            return EXTRACTORS[name]()
        if not (Path(name) / "weights").is_file():
            raise InputError(f"{name} holds no weights")
        return Model(tiny.Squares(), Path(name))

    monkeypatch.setattr(module, "create_extractor", create)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_text("learned")
    return folder


class TestModels:
    def test_a_collection_has_its_own_copy(
        self, tmp_path: Path, city: Path, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with Collection.create("places", embedder="tiny", local_features="model") as places:
            places.add(city, workers=1)
        shutil.rmtree(model)
        (tmp_path / "places").rename(tmp_path / "elsewhere")
        with Collection.open("elsewhere") as places:
            assert places.extractor is not None
            assert places.extractor.name == "model"
            assert places.statistics()["local_features"]["kind"] == "model"
            found = places.describe([city / "street.jpg"])
            assert found.features is not None
            with places.view() as view:
                stored = places._store.features(view.columns)
                assert stored is not None
                street = places["street.jpg"].row
                assert (stored[street].descriptors == found.features[0].descriptors).all()

    def test_a_damaged_copy(self, tmp_path: Path, city: Path, model: Path) -> None:
        with Collection.create(
            tmp_path / "places", embedder="tiny", local_features=str(model)
        ) as places:
            (places.folder / "extractor" / "weights").unlink()
            with pytest.raises(
                CollectionError, match=r"holds no readable model of local features .* again"
            ) as caught:
                places.add(city, workers=1)
        assert str(tmp_path / "places" / "extractor") in str(caught.value)

    def test_the_doctor_tries_it_out(
        self, tmp_path: Path, model: Path, tiny: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Because what is damaged may be what only work reads."""
        folder = tmp_path / "places"
        Collection.create(folder, embedder="tiny", local_features=str(model)).close()
        assert check(folder).findings == ()

        def refuse(self: Model, image: Any) -> None:
            raise InputError(f"{self.folder} is damaged")

        monkeypatch.setattr(Model, "__call__", refuse)
        (finding,) = check(folder).findings
        assert (finding.kind, finding.detail) == ("extractor", f"{folder / 'extractor'} is damaged")

    def test_a_folder_that_is_no_model(self, tmp_path: Path, model: Path) -> None:
        (model / "weights").unlink()
        with pytest.raises(InputError, match="holds no weights"):
            Collection.create(tmp_path / "places", local_features=str(model))
        assert not (tmp_path / "places").exists()
