"""The tiny photos of tests/collection, for programs that are stopped half-way."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

TINY = Path(__file__).parents[1] / "collection" / "tiny.py"


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of tiny photos, its embedder registered."""
    from steeple.embedding.base import EMBEDDERS

    name = "steeple_tiny_photos"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, TINY)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    module = sys.modules[name]
    monkeypatch.setitem(EMBEDDERS, "tiny", lambda: module.Tiny)
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
from steeple.collection import adding, learning
from steeple.errors import SteepleError

tiny.register()
adding.COMMIT = 4
learning.FIT_PHOTOS = 16
commit = adding._commit

def tell(store, embedder, batch, report):
    commit(store, embedder, batch, report)
    print("committed", *(candidate.photo.id for candidate, _ in batch), flush=True)

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
