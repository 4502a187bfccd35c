"""The slow, literal forms that the fast ones are compared with."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def literal() -> ModuleType:
    spec = importlib.util.spec_from_file_location("literal", Path(__file__).with_name("literal.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Thousands of tiny searches: on a busy machine FAISS's threads would wait for each other."""
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(threads)
