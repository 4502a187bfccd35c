"""The tiny photos of tests/collection, for programs that are stopped half-way."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FILE = 40_000  # bytes of a file of local features: a few dozen photos
SAMPLE = 8  # images that a judge learns from
TINY = Path(__file__).parents[1] / "collection" / "tiny.py"


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of tiny photos, its embedder and its local features registered.

    Local features lie in small files and judges learn from little, here and in `driver`.
    """
    from steeple.collection import beliefs, feature_files
    from steeple.embedding.base import EMBEDDERS
    from steeple.geometry.base import EXTRACTORS

    name = "steeple_tiny_photos"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, TINY)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    module = sys.modules[name]
    monkeypatch.setitem(EMBEDDERS, "tiny", lambda: module.Tiny)
    monkeypatch.setitem(EXTRACTORS, "squares", module.Squares)
    monkeypatch.setattr(feature_files, "FILE", FILE)
    monkeypatch.setattr(beliefs, "_SAMPLE", SAMPLE)
    return module


@pytest.fixture
def driver(tmp_path: Path) -> Path:
    """A program that adds a folder to a collection in small commits and tells of each.

    Its arguments are the collection, the photos and, if wanted, a limit on the size of files.
    """
    path = tmp_path / "driver.py"
    path.write_text(
        f"""
import resource, sys
import cv2, faiss, scipy.optimize  # so that what follows "ready" is the work itself
sys.path.insert(0, {str(TINY.parent)!r})
import tiny
from steeple import Collection
from steeple.collection import adding, beliefs, feature_files, learning
from steeple.errors import SteepleError

tiny.register()
adding.COMMIT = 4
learning.FIT_PHOTOS = 16
feature_files.FILE = {FILE}
beliefs._SAMPLE = {SAMPLE}
commit = adding._commit

def tell(store, photos, report):
    ids = [candidate.photo.id for candidate, _ in photos._described + photos._prepared]
    commit(store, photos, report)
    print("committed", *ids, flush=True)

adding._commit = tell
if len(sys.argv) > 3:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
print("ready", flush=True)
try:
    with Collection.open(sys.argv[1]) as places:
        places.add(sys.argv[2], workers=1)
except SteepleError as error:
    print(f"{{type(error).__name__}}: {{error}}", flush=True)
    sys.exit(error.exit_code)
"""
    )
    return path
