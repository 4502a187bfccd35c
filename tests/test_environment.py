"""What `steeple doctor` says of the machine."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

import pytest

import steeple
from steeple import environment as module
from steeple.environment import environment


def test_versions_and_machine(tmp_path: Path) -> None:
    found = environment(tmp_path)
    assert found["Python"] == platform.python_version()
    assert found["steeple"] == steeple.__version__
    for name in ("NumPy", "SciPy", "OpenCV", "FAISS", "Pillow", "SQLite"):
        assert found[name][0].isdigit()
    assert int(found["cores"]) >= 1
    assert found["memory"].endswith(" GB")
    assert found["free disk"].endswith(" GB")
    assert all(isinstance(value, str) and "\n" not in value for value in found.values())
    assert environment()["Python"] == found["Python"]


def test_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"pillow-heif": "1.8", "numpy": "2.0"}

    def version(package: str) -> str:
        if package not in versions:
            raise metadata.PackageNotFoundError(package)
        return versions[package]

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(
        metadata,
        "requires",
        lambda package: [
            "numpy>=2.0",
            "pillow-heif>=1.0; extra == 'heif'",
            'fast.api>=1 ; extra == "serve"',
            "numpy; python_version < '4' and extra == 'serve'",
        ],
    )
    found = environment()
    assert found["extra heif"] == "pillow-heif 1.8"
    assert found["extra serve"] == "not installed; pip install 'steeple[serve]'"
    assert found["FAISS"] == "not installed"


def test_an_installation_without_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(package: str) -> None:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(module.metadata, "requires", refuse)
    monkeypatch.setattr(module.metadata, "version", refuse)
    assert not [name for name in environment() if name.startswith("extra")]
